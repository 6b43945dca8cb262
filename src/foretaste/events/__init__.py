"""What happened: the event, its check and the order in which events arrive."""

from foretaste.events.event import Event, check_event, check_id, new_event_id, parse_timestamp

__all__ = ["Event", "check_event", "check_id", "new_event_id", "parse_timestamp"]
