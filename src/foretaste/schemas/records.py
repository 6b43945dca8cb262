"""Bodies of users and items."""

from typing import Any

from pydantic import ConfigDict, Field

from foretaste.schemas.common import Body


class UserFields(Body):
    """A user's attributes: any fields, or an object ``attributes``."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={"examples": [{"age": 34, "interests": ["hiking", "photography"]}]},
    )

    attributes: dict[str, Any] | None = None
    """Joined with the other fields."""
    is_available: bool | None = None


class ItemFields(Body):
    """An item's attributes: any fields, or an object ``attributes``. ``title`` (or ``name``) is shown in lists."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [{"title": "Trail shoe", "category": "shoes", "price": 89.5, "tags": ["trail", "men"]}]
        },
    )

    attributes: dict[str, Any] | None = None
    """Joined with the other fields."""
    is_available: bool | None = None
    """False keeps the item out of all lists."""


class UserRecord(UserFields):
    """A user with its id."""

    user_id: str | int


class ItemRecord(ItemFields):
    """An item with its id."""

    item_id: str | int | None = None
    """``product_id`` is accepted instead."""


class UserBatch(Body):
    """Many users."""

    users: list[UserRecord] = Field(max_length=10_000)


class ItemBatch(Body):
    """Many items."""

    items: list[ItemRecord] = Field(max_length=10_000)


class StoredRecord(Body):
    """A user or item as it is in the store."""

    id: str
    attributes: dict[str, Any]
    is_available: bool
    created_at: float
    """Seconds since 1970 UTC."""
    updated_at: float
    version: int
    """Grows with every change."""


class RecordPage(Body):
    """A part of a listing, in the order of ids."""

    records: list[StoredRecord]
    next_cursor: str | None
    """Give it as ``cursor`` for the next part; null at the end."""
