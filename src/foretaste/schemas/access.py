"""Bodies about keys and the audit log."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from foretaste.schemas.common import Body

Scope = Literal["events", "read", "write", "admin"]


class KeyRequest(Body):
    """A key to be made."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "shop", "scopes": ["read"], "ttl_s": 7776000}]}
    )

    name: Annotated[str, Field(min_length=1, max_length=100, examples=["shop"])]
    """For people; no two valid keys have the same."""
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=4)]
    """``events``: only post interactions. ``read``: lists and records. ``write``: also events, users, items.
    ``admin``: everything."""
    ttl_s: Annotated[float | None, Field(ge=1, le=1e9)] = None
    """Seconds until it expires; null: never."""


class KeyBody(Body):
    """What is known of a key. Times are seconds since 1970 UTC."""

    id: str = Field(examples=["a1b2c3d4e5f6"])
    name: str
    scopes: list[str]
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    last_used: float | None
    """Rounded down to the hour; null when never used."""


class NewKey(KeyBody):
    """A key just made, with the one thing that is never shown again."""

    key: str = Field(examples=["ft_a1b2c3d4e5f6_…"])
    """Send it as ``Authorization: Bearer KEY`` or ``X-API-Key: KEY``. Only a hash of it is kept."""


class KeyList(Body):
    """All keys, oldest first; revoked ones too."""

    keys: list[KeyBody]


class AuditEntryBody(Body):
    """Something that was done, or tried."""

    number: int
    at: float
    """Seconds since 1970 UTC."""
    actor: str
    """Name of the key or the token; ``anyone`` while no key is needed."""
    action: str = Field(examples=["promote_model"])
    subject: str
    outcome: str
    """``ok``, or the code of the refusal."""
    details: dict[str, Any]
    request_id: str | None


class AuditPage(Body):
    """A part of the audit log, oldest first."""

    entries: list[AuditEntryBody]
    next_after: int | None
    """``after`` of the next part; null at the end."""
