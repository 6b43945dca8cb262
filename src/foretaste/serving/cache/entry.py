"""One kept list: its bytes, and all that says whether it may still be sent."""

import time
from typing import Any

import orjson

from foretaste.serving.answers import Answer
from foretaste.storage.records import Stamp

TAIL = b'"}'
"""What follows the request's id in a body."""
_OVERHEAD = 600
"""Bytes of Python's objects around the text of a list."""


class Entry:
    """A list as bytes up to the request's id, which is new in every answer: ``head + id + TAIL`` is the body."""

    __slots__ = (
        "checked_at",
        "good_until",
        "head",
        "item_ids",
        "items",
        "made_at",
        "recommendation_id",
        "stamp",
        "token",
        "variant",
    )

    def __init__(
        self,
        head: bytes,
        stamp: Stamp,
        variant: int,
        *,
        recommendation_id: str,
        item_ids: tuple[str, ...],
        good_until: float,
        made_at: float,
    ) -> None:
        self.head, self.stamp, self.variant = head, stamp, variant
        self.items = stamp.items
        """State of the items up to which the list is known to be right; moves on when others change."""
        self.token: bytes | None = None
        """The store's sign that nothing was written since ``checked_at``, when the list was last found right."""
        self.checked_at = 0.0
        self.recommendation_id, self.item_ids = recommendation_id, item_ids
        self.good_until = good_until
        """On the cache's own clock, in seconds."""
        self.made_at = made_at
        """In seconds since 1970 UTC."""

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""
        return len(self.head) + _OVERHEAD + 64 * len(self.item_ids)


def head_of(answer: Answer) -> bytes:
    """The body of an answer up to where its request's id belongs."""
    return orjson.dumps(answer, default=_plain)[:-1] + b',"request_id":"'


def entry_of(answer: Answer, stamp: Stamp, variant: int, *, now: float, ttl_s: float) -> Entry:
    """An answer as an entry; ``now`` is on the cache's own clock."""
    own = (answer.item_id,) if answer.item_id is not None else ()
    return Entry(
        head_of(answer),
        stamp,
        variant,
        recommendation_id=answer.recommendation_id,
        item_ids=(*own, *(item.item_id for item in answer.items)),
        good_until=now + ttl_s,
        made_at=time.time(),
    )


def _plain(value: Any) -> Any:
    return dict(value) if hasattr(value, "keys") else list(value)
