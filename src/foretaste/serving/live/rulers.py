"""Setting rules and scenarios: checked before anything is served by them, seen by every worker."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from foretaste.errors import ConfigurationError, NotFoundError
from foretaste.serving.live.models import LiveModels
from foretaste.serving.live.steering import RULES, SCENARIOS, Steering, with_scenario
from foretaste.serving.rules import CompiledRules, RuleSet
from foretaste.serving.rules.config import attributes_of, kind_of
from foretaste.storage.records import Records

MAX_SCENARIOS = 100
MAX_NAME = 100


@dataclass(frozen=True)
class RuleEffect:
    """What a rule does to the catalogue of now, for somebody of whom nothing is known."""

    name: str
    kind: str
    items: int | None
    """How many it hides, boosts or pins; None for kinds that depend on a user or a list."""
    unknown: tuple[str, ...] = ()
    """Attributes that it names and no item has: perhaps misspelt."""


class Rulers:
    """Reads and changes the rules and scenarios of a shop."""

    def __init__(self, records: Records, live: LiveModels) -> None:
        self._records, self._live = records, live

    async def rules(self) -> dict[str, Any]:
        """The shop's rules, their version, and those of the live pipeline that hold beside them."""
        values, version = await self._records.get_value(RULES)
        own = (values or {"rules": []})["rules"]
        names = {rule["name"] for rule in own}
        beside = [dict(rule) for rule in self._live.current.described.rules if rule.get("name") not in names]
        return {"rules": own, "version": version, "pipeline_rules": beside}

    def check(self, values: Any) -> list[RuleEffect]:
        """What rules would do, without setting them.

        Raises:
            RuleError: they are wrong; names the rule, the field and the place.
        """
        return self._effects(RuleSet.parse(values))

    def _effects(self, rules: RuleSet) -> list[RuleEffect]:
        compiled = CompiledRules(rules, self._live.current.catalogue)
        for problem in compiled.problems:
            raise problem
        now = time.time()
        hits = [(rule, compiled.hits(rule, now=now)) for rule in rules.rules]
        known = {"id", *compiled.catalogue.columns}
        return [
            RuleEffect(
                rule.name,
                kind_of(rule),
                None if hit is None else int(hit.sum()),
                tuple(sorted(attributes_of(rule) - known)),
            )
            for rule, hit in hits
        ]

    async def put_rules(self, values: Any, *, expected_version: int | None = None) -> tuple[int, list[RuleEffect]]:
        """Replace all of the shop's rules; returns the new version, and what they do.

        Raises:
            RuleError: they are wrong; nothing changes.
            ConflictError: the version is not the expected one; nothing changes.
        """
        rules = RuleSet.parse(values)
        effects = self._effects(rules)
        Steering(rules).over(self._live.current.described)
        return await self._put(RULES, rules.dump(), expected_version), effects

    async def scenarios(self) -> dict[str, Any]:
        """The scenarios that the shop has set, those of the live pipeline beside them, and the version."""
        values, version = await self._records.get_value(SCENARIOS)
        own = dict(values or {})
        described = self._live.current.described.dump().get("scenarios", {})
        beside = {name: scenario for name, scenario in described.items() if name not in own}
        return {"scenarios": own, "version": version, "pipeline_scenarios": beside}

    async def put_scenario(self, name: str, scenario: Mapping[str, Any]) -> int:
        """Set one scenario; returns the new version of all of them.

        Raises:
            ConfigurationError: it is wrong, or does not fit the live pipeline; nothing changes.
            ConflictError: somebody else changed a scenario in the same moment; nothing changes.
        """
        if not 0 < len(name) <= MAX_NAME or not name.isprintable():
            raise ConfigurationError(f"scenario {name!r}: a name has 1 to {MAX_NAME} printable characters")
        with_scenario(self._live.current.pipeline.config, name, scenario)
        values, version = await self._records.get_value(SCENARIOS)
        values = {**(values or {}), name: dict(scenario)}
        if len(values) > MAX_SCENARIOS:
            raise ConfigurationError(f"at most {MAX_SCENARIOS} scenarios can be set", hint="delete one first")
        return await self._put(SCENARIOS, values, version)

    async def delete_scenario(
        self,
        name: str,
    ) -> int:
        """Take back what was set for one scenario, so that the pipeline's own holds; returns the new version.

        Raises:
            NotFoundError: nothing was set for it.
        """
        values, version = await self._records.get_value(SCENARIOS)
        if name not in (values or {}):
            raise NotFoundError(f"scenario {name!r} is not set", hint="GET /api/v1/scenarios names those that are")
        rest = {other: scenario for other, scenario in values.items() if other != name}
        return await self._put(SCENARIOS, rest, version)

    async def _put(self, key: str, value: Any, expected: int | None) -> int:
        version = await self._records.put_value(key, value, expected_version=expected)
        await self._live.steer((await self._records.stamp("")).shared)
        return version
