"""What happened: the event, its check and the order in which events arrive."""

from foretaste.events.event import (
    SESSION_PREFIX,
    Event,
    check_event,
    check_id,
    check_user_id,
    is_session_user,
    new_event_id,
    new_event_ids,
    parse_timestamp,
    session_user,
)

__all__ = [
    "SESSION_PREFIX",
    "Event",
    "check_event",
    "check_id",
    "check_user_id",
    "is_session_user",
    "new_event_id",
    "new_event_ids",
    "parse_timestamp",
    "session_user",
]
