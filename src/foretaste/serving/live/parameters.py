"""Single parameters of a pipeline that a shop sets while the service runs, such as the weight of a source."""

from collections.abc import Iterator, Mapping
from typing import Any

from foretaste.errors import ConfigurationError, NotFoundError
from foretaste.serving.config import PipelineConfig, parse_pipeline
from foretaste.serving.source_config import SourceConfig

PARAMETERS = "parameters"
"""Shared value of the record store."""
_PARTS = ("merge", "deadlines", "session", "onboarding")
"""Parts of a pipeline of which every field can be set."""
_OF_SOURCES = "sources."
_FIXED = frozenset({"model", "kind", "label"})
"""What a source is, rather than how much it counts."""
MAX_PARAMETERS = 200


def parameters_of(config: PipelineConfig) -> dict[str, Any]:
    """Every parameter that can be set, with the value it has in a pipeline.

    >>> from foretaste.serving.config import parse_pipeline
    >>> shop = parse_pipeline({"models": {"popular": {"kind": "popular"}}, "sources": [{"model": "popular", "k": 50}]})
    >>> found = parameters_of(shop)
    >>> found["sources.popular.k"], found["sources.popular.weight"], found["merge.damping"]
    (50, 1.0, 60.0)
    """
    found: dict[str, Any] = {"pool": config.pool}
    for part in _PARTS:
        found |= {f"{part}.{name}": value for name, value in getattr(config, part).model_dump(mode="json").items()}
    for source in _sources(config):
        values = {**source.model_dump(mode="json"), **source.parameters}
        found |= {f"{_OF_SOURCES}{source.name}.{name}": values[name] for name in values if name not in _FIXED}
    return found


def with_parameters(config: PipelineConfig, values: Mapping[str, Any]) -> PipelineConfig:
    """A pipeline with some parameters set; those of a source count wherever it stands, in scenarios too.

    Raises:
        ConfigurationError: there is no such parameter, or its value is wrong; names it.
    """
    described = config.dump()
    for name, value in values.items():
        _set(described, config, name, value)
    shown = ", ".join(f"{name} = {value!r}" for name, value in values.items())
    return parse_pipeline(described, origin=f"with {shown[:200]}", hint="GET /api/v1/settings lists what can be set")


def _set(described: dict[str, Any], config: PipelineConfig, name: str, value: Any) -> None:
    if name == "pool":
        described["pool"] = value
        return
    part, _, field = name.partition(".")
    if part in _PARTS and field in type(getattr(config, part)).model_fields:
        described[part] = {**described.get(part, {}), field: value}
        return
    label, _, field = name.removeprefix(_OF_SOURCES).rpartition(".")
    known = {source.name for source in _sources(config)}
    if not name.startswith(_OF_SOURCES) or label not in known or not field or field in _FIXED:
        raise ConfigurationError(
            f"there is no parameter {name!r} in pipeline {config.name!r}",
            hint=f"GET /api/v1/settings lists what can be set; sources are {', '.join(sorted(known)) or 'not there'}",
            details={"parameter_name": name},
        )
    for sources in (described, *described.get("scenarios", {}).values()):
        for source in sources.get("sources", ()):
            if SourceConfig(**source).name == label:
                source[field] = value


def _sources(config: PipelineConfig) -> Iterator[SourceConfig]:
    yield from config.sources
    for scenario in config.scenarios.values():
        yield from scenario.sources or ()


def changed(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that are set after some were set anew, or taken back (None).

    Raises:
        NotFoundError: one that is taken back was not set.
        ConfigurationError: too many.
    """
    for name, value in changes.items():
        if value is None and name not in values:
            raise NotFoundError(f"parameter {name!r} is not set", hint="GET /api/v1/settings names those that are")
    made = {name: value for name, value in {**values, **changes}.items() if value is not None}
    if len(made) > MAX_PARAMETERS:
        raise ConfigurationError(f"at most {MAX_PARAMETERS} parameters can be set", hint="take some back first")
    return made
