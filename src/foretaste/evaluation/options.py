"""Typed options of splits and metrics, and what is said when they are wrong."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from foretaste.errors import ConfigurationError, UnknownParameterError


class Options(BaseModel):
    """Base of what is configured by keywords: typed, immutable, no unknown names, no NaN.

    Raises:
        UnknownParameterError: an option that there is not.
        ConfigurationError: a value out of range or of the wrong type.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    def __init__(self, **options: Any) -> None:
        what = type(self).__name__
        unknown = sorted(set(options) - set(type(self).model_fields))
        if unknown:
            valid = ", ".join(type(self).model_fields) or "none"
            raise UnknownParameterError(f"{what} has no option {unknown[0]!r}", hint=f"valid ones: {valid}")
        try:
            super().__init__(**options)
        except ValidationError as exc:
            first = exc.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the options"
            raise ConfigurationError(f"{what}: {place} = {first['input']!r} is wrong: {first['msg']}") from exc
