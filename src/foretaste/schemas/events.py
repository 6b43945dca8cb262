"""Bodies of posted interactions."""

from typing import Any

from pydantic import ConfigDict, Field

from foretaste.schemas.common import Body


class Interaction(Body):
    """One thing that a user did to an item."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {"event_id": "e-1001", "user_id": "u-42", "item_id": "p-7", "type": "add_to_cart"},
                {"user_id": "u-42", "product_id": "p-9", "action_type": "purchase", "value": 2},
                {"session_id": "v-17", "item_id": "p-7", "type": "view"},
            ]
        },
    )

    user_id: str | int | None = None
    """Who; ids are text, whole numbers are accepted. At most 256 characters, and not starting with ``session:``.
    Absent for somebody who is not signed in: then ``session_id`` says whose event it is.
    """
    item_id: str | int | None = None
    """What; ``product_id`` is accepted instead."""
    type: str | None = None
    """Kind of action (``view`` by default); ``action_type``, ``interaction_type`` and ``event_type`` are accepted."""
    value: float | None = None
    """Stars of a rating, quantity, seconds read; ``rating`` is accepted instead."""
    timestamp: float | str | None = None
    """Seconds (or milliseconds) since 1970 UTC, or ISO 8601; now when absent. At most a day in the future."""
    event_id: str | int | None = None
    """Makes it idempotent: the same id counts once. Without one, a repeated post counts twice."""
    session_id: str | int | None = None
    """Visit that it belongs to; needed where there is no ``user_id`` (then at most 248 characters)."""
    recommendation_id: str | None = None
    """Of the answer in which the item was shown."""
    position: int | None = Field(default=None, ge=0, lt=1_000_000)
    """Place in that list, from 0."""
    context: dict[str, Any] | None = None
    """Anything about the situation (device, place); at most 16 kB."""


class InteractionBatch(Body):
    """Many interactions; each is checked by itself."""

    interactions: list[Interaction] = Field(max_length=10_000)
