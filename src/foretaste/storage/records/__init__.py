"""Record stores, opened by URL: ``sqlite:///path`` is built in, others register in the group ``foretaste.records``."""

from foretaste.storage.records.base import DeadLetter, Page, Record, RecordKind, Records, UserState
from foretaste.storage.urls import backend

BUILT_IN = {"sqlite": "foretaste.storage.records.sqlite_url:from_url"}


def open_records(url: str) -> Records:
    """The record store behind ``url``, not opened yet.

    ``sqlite:///relative.db``, ``sqlite:////absolute.db``, or ``sqlite://`` for a private one that is gone after
    ``close``.

    Raises:
        UnknownNameError: no store for the scheme.
    """
    store: Records = backend("foretaste.records", BUILT_IN, url)(url)
    return store


__all__ = ["DeadLetter", "Page", "Record", "RecordKind", "Records", "UserState", "open_records"]
