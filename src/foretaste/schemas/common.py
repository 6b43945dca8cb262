"""Bodies that every route shares."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


class Body(BaseModel):
    """Base of all bodies: immutable, field names as documented."""

    model_config = ConfigDict(frozen=True, protected_namespaces=(), use_attribute_docstrings=True)


class ErrorDetail(Body):
    """What went wrong."""

    code: str = Field(examples=["unknown_item"])
    """Stable name of the kind of error."""
    message: str = Field(examples=["item 'b-17' is unknown"])
    """What was wrong, with the value."""
    hint: str = Field(default="", examples=["add it with PUT /api/v1/items/{item_id}"])
    """What to do about it; may be empty."""
    details: dict[str, Any] = Field(default_factory=dict)
    """The same for machines."""


class ErrorBody(Body):
    """The body of every answer that is not a success."""

    error: ErrorDetail
    request_id: str = Field(examples=["5f1c7d0e9b3a4d52"])
    """Also in the header ``X-Request-ID`` and in the log."""


class RecordResult(Body):
    """What became of one record of a batch."""

    index: int
    """Place in the batch, from 0."""
    status: str = Field(examples=["stored"], json_schema_extra={"enum": ["stored", "duplicate", "rejected"]})
    """``stored``, ``duplicate`` (its id was there already; nothing changed) or ``rejected``."""
    id: str | None = Field(default=None, examples=["e-1001"])
    """Event, user or item id; null when rejected."""
    error: ErrorDetail | None = None
    """Why it was rejected."""


class BatchResult(Body):
    """What became of each record; everything said to be stored is durable."""

    stored: int
    duplicates: int = 0
    rejected: int
    results: list[RecordResult]


OutsideId = Annotated[str, Field(min_length=1, max_length=256, examples=["u-42"])]
