"""Every error that Foretaste raises on purpose.

ForetasteError
├── ConfigurationError           a setting, a pipeline file or a model parameter is wrong
│   ├── UnknownParameterError    a parameter that the model does not have
│   ├── RuleError                a rule or an expression in it
│   ├── UnknownNameError         a model, metric, split, backend … that is not registered
│   └── MissingExtraError        an optional part is not installed
├── DataError                    files, frames or records that cannot be used
│   ├── DataFileError            missing, unreadable or of an unknown format
│   ├── DataFormatError          wrong columns or types
│   ├── DataInsufficientError    too little is left to learn from
│   └── InvalidRecordError       one event, user or item that fails validation
├── NotFoundError
│   ├── UnknownUserError
│   └── UnknownItemError
├── ModelError
│   ├── ModelTrainingError       fitting failed or would give NaN
│   ├── ColdStartError           nothing is known about a user and the model needs something
│   ├── NotFittedError
│   ├── UnsupportedError         the model lacks the capability (see its flags)
│   └── CorruptStateError        a saved model is damaged or was tampered with
├── StorageError
│   ├── StorageUnavailableError  locked, unreachable or read-only
│   ├── StorageFullError
│   └── ConflictError            somebody else changed it first
└── ServingError
    ├── PortInUseError
    └── NoModelError             nothing is live yet

Each has a stable ``code``, one HTTP status and one exit code. ``message`` says what was wrong and the value,
``hint`` what to do, ``details`` the same for machines.
"""

from collections.abc import Mapping
from typing import ClassVar


class ForetasteError(Exception):
    """Base of all errors; see the tree above."""

    code: ClassVar[str] = "error"
    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", details: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: dict[str, object] = dict(details or {})

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class ConfigurationError(ForetasteError):
    """A setting, a pipeline file or a model parameter is wrong."""

    code = "configuration"
    http_status = 422
    exit_code = 2


class UnknownParameterError(ConfigurationError):
    """A parameter that the model does not have; the hint lists the valid ones."""

    code = "unknown_parameter"


class RuleError(ConfigurationError):
    """A rule, or an expression in it, is wrong; the message names the place."""

    code = "rule"


class UnknownNameError(ConfigurationError):
    """A name that is in no registry; the hint lists those that are."""

    code = "unknown_name"


class MissingExtraError(ConfigurationError):
    """An optional part is not installed; the hint gives the command."""

    code = "missing_extra"
    http_status = 501


class DataError(ForetasteError):
    """Files, frames or records that cannot be used."""

    code = "data"
    http_status = 422
    exit_code = 3


class DataFileError(DataError):
    """A file that is missing, unreadable or of an unknown format."""

    code = "data_file"


class DataFormatError(DataError):
    """Wrong columns or types."""

    code = "data_format"


class DataInsufficientError(DataError):
    """Too little is left to learn from."""

    code = "data_insufficient"


class InvalidRecordError(DataError):
    """One event, user or item that fails validation."""

    code = "invalid_record"


class NotFoundError(ForetasteError):
    """Something that was named does not exist."""

    code = "not_found"
    http_status = 404
    exit_code = 4


class UnknownUserError(NotFoundError):
    """A user id that nobody has seen."""

    code = "unknown_user"


class UnknownItemError(NotFoundError):
    """An item id that nobody has seen."""

    code = "unknown_item"


class ModelError(ForetasteError):
    """A model cannot do what was asked."""

    code = "model"
    exit_code = 5


class ModelTrainingError(ModelError):
    """Fitting failed or would give NaN."""

    code = "model_training"


class ColdStartError(ModelError):
    """Nothing is known about a user or an item and the model needs something."""

    code = "cold_start"
    http_status = 409


class NotFittedError(ModelError):
    """The model was asked before it was fitted."""

    code = "not_fitted"
    http_status = 409


class UnsupportedError(ModelError):
    """The model lacks the capability; its flags say so beforehand."""

    code = "unsupported"
    http_status = 422


class CorruptStateError(ModelError):
    """A saved model is damaged or was tampered with."""

    code = "corrupt_state"


class StorageError(ForetasteError):
    """A store, a cache or an artifact place failed."""

    code = "storage"
    http_status = 503
    exit_code = 6


class StorageUnavailableError(StorageError):
    """Locked, unreachable or read-only."""

    code = "storage_unavailable"


class StorageFullError(StorageError):
    """No room is left; nothing of the refused write was kept."""

    code = "storage_full"
    http_status = 507


class ConflictError(StorageError):
    """Somebody else changed it first; read again and retry."""

    code = "conflict"
    http_status = 409


class ServingError(ForetasteError):
    """The service cannot answer or cannot start."""

    code = "serving"
    http_status = 503
    exit_code = 7


class PortInUseError(ServingError):
    """Another program listens on the port."""

    code = "port_in_use"


class NoModelError(ServingError):
    """No model is live yet."""

    code = "no_model"
