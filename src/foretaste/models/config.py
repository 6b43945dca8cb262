"""Typed settings of a model, and what is said when they are wrong."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from foretaste.errors import ConfigurationError, UnknownParameterError
from foretaste.validation import first_fault


class ModelConfig(BaseModel):
    """Base of all model configs: typed, immutable, no unknown names, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


def checked_config(name: str, config_class: type[ModelConfig], parameters: dict[str, Any]) -> ModelConfig:
    """The config of model ``name`` from keyword parameters.

    Raises:
        UnknownParameterError: a name the config does not have; the hint lists the valid ones.
        ConfigurationError: a value out of range or of the wrong type.
    """
    unknown = sorted(set(parameters) - set(config_class.model_fields))
    if unknown:
        valid = ", ".join(config_class.model_fields) or "none"
        raise UnknownParameterError(f"model {name!r} has no parameter {unknown[0]!r}", hint=f"valid ones: {valid}")
    try:
        return config_class(**parameters)
    except ValidationError as exc:
        fault = first_fault(exc)
        raise ConfigurationError(
            f"model {name!r}: {fault.place or 'the config'} = {fault.value!r} is wrong: {fault.message}",
            details={"errors": exc.errors(include_url=False, include_context=False)},
        ) from exc
