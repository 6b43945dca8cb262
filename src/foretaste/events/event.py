"""The event: one thing that one user did to one item at one time."""

import math
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from foretaste.errors import InvalidRecordError

MAX_ID_LENGTH = 256
"""Characters in a user, item, event or session id."""

MAX_CLOCK_SKEW_S = 24 * 3600.0
"""How far in the future a timestamp may lie before the event is refused."""

INVISIBLE = "".join(
    f"{chr(first)}-{chr(last)}"
    for first, last in (
        (0x00, 0x1F), (0x7F, 0xA0), (0xAD, 0xAD), (0x61C, 0x61C), (0x1680, 0x1680), (0x180E, 0x180E),
        (0x2000, 0x200F), (0x2028, 0x202F), (0x205F, 0x206F), (0x3000, 0x3000), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB),
        (0xFFFE, 0xFFFF), (0xE0000, 0xE007F),
    )
)  # fmt: skip
"""Characters that no id may hold, as ranges for a regular expression's class: controls, blanks other than the plain
one, joiners and marks that do not show. A list of our own, as «printable» changes with every version of Unicode."""

SESSION_PREFIX = "session:"
"""Start of the user ids under which the events of anonymous sessions are stored; no caller may give such an id."""

_HAS_INVISIBLE = re.compile(f"[{INVISIBLE}\ud800-\udfff]").search
_DATE = re.compile(r"[12]\d{3}[01]\d[0-3]\d", re.ASCII)


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One interaction. ``event_id`` makes it idempotent: the same id applied twice counts once.

    ``timestamp`` is in seconds since 1970-01-01 UTC. ``value`` is what came with the action (stars of a rating,
    quantity of a purchase, seconds read); None when nothing came. ``type`` is the action's name, e.g. ``view`` or
    ``purchase``.
    """

    event_id: str
    user_id: str
    item_id: str
    type: str = "view"
    value: float | None = None
    timestamp: float
    session_id: str | None = None
    context: dict[str, Any] = {}
    recommendation_id: str | None = None
    position: int | None = None


def new_event_id() -> str:
    """A new event id, for a sender that gave none (its retries then count twice)."""
    return next(new_event_ids(time.time(), 1))


def new_event_ids(now: float, most: int) -> Iterator[str]:
    """``most`` new ids at most, for a batch.

    They begin with the time in milliseconds, so that ids made one after the other lie side by side in a store's index
    (random ones touch a page each), and go on with 80 random bits, like a UUID of version 7 (RFC 9562).
    """
    start, text = f"{int(1000.0 * now) & 0xFFFFFFFFFFFF:012x}", secrets.token_hex(10 * most)
    for at in range(0, len(text), 20):
        yield start + text[at : at + 20]


def parse_timestamp(value: object) -> float:
    """Seconds since the epoch from a number (seconds, or milliseconds when above 1e11) or an ISO 8601 text.

    A text of digits is a number too, unless it has the eight of a date (``20260101``). A text without a zone is taken
    as UTC.

    Raises:
        InvalidRecordError: for anything else.

    >>> parse_timestamp("1970-01-01T00:01:00Z")
    60.0
    """
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not _is_finite(value):
            raise InvalidRecordError(f"timestamp {_shown(value)} is not a finite number")
        return float(value) / 1000.0 if abs(value) > 1e11 else float(value)
    if isinstance(value, str) and len(value) <= 100:
        text = value.strip()
        readings = (_from_iso, _from_number) if _DATE.fullmatch(text) else (_from_number, _from_iso)
        for read in readings:
            found = read(text)
            if found is not None:
                return parse_timestamp(found)
    raise InvalidRecordError(
        f"timestamp {_shown(value)} is neither seconds since 1970 nor ISO 8601",
        hint="send e.g. 1767225600 or 2026-01-01T00:00:00Z",
    )


def _from_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _from_iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def check_id(value: object, field: str) -> str:
    """The id as text; numbers are accepted.

    Raises:
        InvalidRecordError: empty, too long, not text or an integer, or with control or other invisible characters.
    """
    if type(value) is str and len(value) <= MAX_ID_LENGTH and value.isascii() and value.isprintable() and value.strip():
        return value  # nearly all: none of what follows can be wrong with them
    if isinstance(value, int) and not isinstance(value, bool):
        if value.bit_length() > 3 * MAX_ID_LENGTH:
            raise InvalidRecordError(f"{field} is a number of {value.bit_length()} bits, too long for an id")
        return str(value)
    if not isinstance(value, str):
        raise InvalidRecordError(f"{field} must be text or a whole number, not {type(value).__name__}")
    if not value.strip():
        raise InvalidRecordError(f"{field} is empty")
    if len(value) > MAX_ID_LENGTH:
        raise InvalidRecordError(
            f"{field} has {len(value)} characters, at most {MAX_ID_LENGTH} are allowed: {value[:40]!r}…"
        )
    if _HAS_INVISIBLE(value):
        raise InvalidRecordError(f"{field} has control or invisible characters: {value[:40]!r}")
    return value


def check_user_id(value: object, field: str = "user_id") -> str:
    """The id of a known user as text: :func:`check_id`, less the ids that are kept for anonymous sessions.

    Raises:
        InvalidRecordError: as :func:`check_id`, or an id that starts with ``session:``.
    """
    user_id = check_id(value, field)
    if user_id.startswith(SESSION_PREFIX):
        raise InvalidRecordError(
            f"{field} {_shown(user_id)} starts with {SESSION_PREFIX!r}, which is kept for anonymous sessions",
            hint="send session_id and no user_id for somebody who is not signed in",
        )
    return user_id


def session_user(session_id: object) -> str:
    """The user id under which the events of an anonymous session are stored.

    >>> session_user("v-17")
    'session:v-17'

    Raises:
        InvalidRecordError: no id, or one that leaves no room for the prefix.
    """
    text = check_id(session_id, "session_id")
    if len(text) > MAX_ID_LENGTH - len(SESSION_PREFIX):
        raise InvalidRecordError(
            f"session_id has {len(text)} characters, at most {MAX_ID_LENGTH - len(SESSION_PREFIX)} are allowed "
            "where no user_id is given"
        )
    return SESSION_PREFIX + text


def is_session_user(user_id: str) -> bool:
    """Whether the id stands for an anonymous session."""
    return user_id.startswith(SESSION_PREFIX)


def check_event(record: Mapping[str, Any], *, now: float | None = None, ids: Iterator[str] | None = None) -> Event:
    """An event from a decoded record, or a reason why not.

    ``product_id`` is read as ``item_id`` and ``action_type``, ``interaction_type`` or ``event_type`` as ``type``; a
    missing timestamp becomes ``now`` and a missing id the next of ``ids``, or a new one. Null counts as missing. An
    event with a ``session_id`` and no ``user_id`` belongs to an anonymous session (:func:`session_user`).

    Raises:
        InvalidRecordError: names the field, the value and what is allowed.
    """
    if not isinstance(record, Mapping):
        raise InvalidRecordError(f"a record must be an object with fields, not {type(record).__name__}")
    now = time.time() if now is None else now
    user_id = _whose(record)
    item_id = check_id(_first(record, "item_id", "product_id"), "item_id")
    action = _first(record, "type", "action_type", "interaction_type", "event_type")
    action = "view" if action is None else check_id(action, "type")
    raw_time = record.get("timestamp")
    timestamp = now if raw_time is None else parse_timestamp(raw_time)
    if timestamp < 0:
        raise InvalidRecordError(f"timestamp {_shown(raw_time)} lies before 1970")
    if timestamp > now + MAX_CLOCK_SKEW_S:
        raise InvalidRecordError(
            f"timestamp {_shown(raw_time)} lies more than a day in the future",
            hint="check the sender's clock and unit",
        )
    event_id = _first(record, "event_id", "id")
    session_id = record.get("session_id")
    recommendation_id = record.get("recommendation_id")
    context = _first(record, "context")
    context = {} if context is None else context
    if not isinstance(context, dict):
        raise InvalidRecordError(f"context must be an object, not {type(context).__name__}")
    return Event(
        event_id=check_id(event_id, "event_id")
        if event_id is not None
        else next(ids)
        if ids is not None
        else new_event_id(),
        user_id=user_id,
        item_id=item_id,
        type=_normal(action),
        value=_number(_first(record, "value", "rating"), "value"),
        timestamp=timestamp,
        session_id=None if session_id is None else check_id(session_id, "session_id"),
        context=context,
        recommendation_id=None if recommendation_id is None else check_id(recommendation_id, "recommendation_id"),
        position=_position(record.get("position")),
    )


@lru_cache(maxsize=1024)
def _normal(action: str) -> str:
    return action.strip().lower().replace(" ", "_").replace("-", "_")


def _whose(record: Mapping[str, Any]) -> str:
    if record.get("user_id") is None and record.get("session_id") is not None:
        return session_user(record["session_id"])
    return check_user_id(record.get("user_id"))


def _first(record: Mapping[str, Any], *names: str) -> Any:
    for name in names:
        value = record.get(name)
        if value is not None:
            return value
    return None


def _number(value: object, field: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidRecordError(f"{field} must be a number, not {_shown(value)}")
    if not _is_finite(value) or abs(value) > 1e15:
        raise InvalidRecordError(f"{field} {_shown(value)} is not a usable finite number")
    return float(value)


def _position(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1_000_000:
        raise InvalidRecordError(f"position must be a whole number from 0, not {_shown(value)}")
    return value


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the range of floats
        return False


def _shown(value: object) -> str:
    """A refused value for a message, cut short."""
    if isinstance(value, str):
        return repr(value) if len(value) <= 60 else f"{value[:60]!r}…"
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, a very deep list
        return f"(a huge {type(value).__name__})"
    return text if len(text) <= 60 else f"{text[:60]}…"
