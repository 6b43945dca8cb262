"""What a shop sets while the service runs: rules, scenarios and single parameters, over those of any pipeline."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from foretaste.errors import ConfigurationError
from foretaste.logs import get_logger
from foretaste.serving.config import PipelineConfig, parse_pipeline
from foretaste.serving.live.parameters import PARAMETERS, with_parameters
from foretaste.serving.rules.config import RuleSet
from foretaste.storage.records import Records

RULES, SCENARIOS = "rules", "scenarios"
"""Shared values of the record store."""
log = get_logger(__name__)


@dataclass(frozen=True)
class Steering:
    """Rules, scenarios and parameters as they stand in the store."""

    rules: RuleSet = field(default_factory=RuleSet)
    scenarios: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Name → what a scenario of a pipeline file says."""
    versions: tuple[int, ...] = (0, 0, 0)
    """Of the three values; 0 where none was ever set."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Name → value (see :mod:`foretaste.serving.live.parameters`)."""

    def over(self, config: PipelineConfig) -> PipelineConfig:
        """A pipeline with these set over its own: a rule or a scenario takes the place of the one with its name.

        A scenario or a parameter that does not fit the pipeline (it names a model or a source that is not there) is
        left out, and logged.

        Raises:
            ConfigurationError: the pipeline itself is wrong.
        """
        own = {rule.name for rule in self.rules.rules}
        kept = [rule for rule in config.rules if rule.get("name") not in own]
        values = config.dump() | {"rules": [*kept, *self.rules.dump()["rules"]]}
        made = parse_pipeline(values, origin=config.name)
        for name, value in self.parameters.items():
            try:
                made = with_parameters(made, {name: value})
            except ConfigurationError as exc:
                log.warning("parameter_left_out", parameter=name, pipeline=config.name, error=str(exc))
        for name, scenario in self.scenarios.items():
            try:
                made = with_scenario(made, name, scenario)
            except ConfigurationError as exc:
                log.warning("scenario_left_out", scenario=name, pipeline=config.name, error=str(exc))
        return made


def with_scenario(config: PipelineConfig, name: str, scenario: Mapping[str, Any]) -> PipelineConfig:
    """A pipeline with one scenario set.

    Raises:
        ConfigurationError: the scenario is wrong, or does not fit; names the place.
    """
    values = config.dump()
    values["scenarios"] = {**values.get("scenarios", {}), name: dict(scenario)}
    return parse_pipeline(
        values, origin=f"scenario {name!r}", hint="correct the scenario, or the models of the pipeline"
    )


class SteeringReader:
    """Reads the shared values when something of what workers share has changed."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self.current = Steering()
        self._seen = -1

    def is_behind(self, shared: int) -> bool:
        """Whether it was last read before this state of the counter of shared values."""
        return shared > self._seen

    async def read(self, shared: int) -> bool:
        """Bring ``current`` to this state of the counter or a later one; whether it changed.

        Raises:
            StorageError: the store cannot be read; ``current`` stays.
            ConfigurationError: what stands there is wrong; ``current`` stays.
        """
        rules, rules_version = await self._records.get_value(RULES)
        scenarios, scenarios_version = await self._records.get_value(SCENARIOS)
        parameters, parameters_version = await self._records.get_value(PARAMETERS)
        versions = (rules_version, scenarios_version, parameters_version)
        changed = versions != self.current.versions
        if changed:
            parsed = RuleSet.parse(rules)
            self.current = Steering(parsed, dict(scenarios or {}), versions, dict(parameters or {}))
        self._seen = max(self._seen, shared)
        return changed
