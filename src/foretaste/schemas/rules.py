"""Bodies of rules and scenarios."""

from typing import Any

from pydantic import ConfigDict

from foretaste.schemas.common import Body


class RulesRequest(Body):
    """Rules: each with ``kind``, ``name`` and the fields of its kind, as ``docs/serving/rules.md`` says."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"rules": [{"kind": "filter", "name": "in season", "deny": 'item.season == "winter"'}]},
                {"rules": [{"kind": "cap", "name": "sellers", "attribute": "seller", "most": 2}], "version": 3},
            ]
        },
    )

    rules: list[dict[str, Any]]
    version: int | None = None
    """The version that they are meant to replace; another one is a conflict. Absent: whatever is there."""


class RulesBody(Body):
    """The shop's rules."""

    rules: list[dict[str, Any]]
    version: int
    """Grows with every change; 0 when none was ever set."""
    pipeline_rules: list[dict[str, Any]]
    """Those of the live pipeline, which hold beside them."""


class RuleEffectBody(Body):
    """What a rule does to the catalogue of now, for somebody of whom nothing is known."""

    name: str
    kind: str
    items: int | None
    """How many it hides, boosts or pins; null for kinds that depend on a user or a list."""
    unknown: list[str]
    """Attributes that it names and no item has: perhaps misspelt."""


class RulesSet(Body):
    """What the rules that were sent do."""

    version: int | None
    """The new version; null when they were only checked."""
    effects: list[RuleEffectBody]


class ScenariosBody(Body):
    """The scenarios that the shop has set."""

    scenarios: dict[str, dict[str, Any]]
    version: int
    """Grows with every change; 0 when none was ever set."""
    pipeline_scenarios: dict[str, dict[str, Any]]
    """Those of the live pipeline, which hold beside them."""


class ScenarioRequest(Body):
    """A scenario as in a pipeline file: ``sources``, ``ranking``, ``rules``, ``rerank``, ``exploration``, ``pool``,
    ``exclude_seen``, ``deadlines``; what is absent is the pipeline's.
    """

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={"examples": [{"exclude_seen": False, "rerank": [{"kind": "mmr"}]}]},
    )


class ScenarioSet(Body):
    """What is set now."""

    version: int
    """The new version of the scenarios."""
