"""Record stores, opened by URL: ``sqlite:///path`` is built in."""

from foretaste.storage.records.base import DeadLetter, Page, Record, RecordKind, Records, UserState

__all__ = ["DeadLetter", "Page", "Record", "RecordKind", "Records", "UserState"]
