"""Record stores, opened by URL: ``sqlite:///path`` is built in, others register in the group ``foretaste.records``."""

from foretaste.storage.records.base import Records
from foretaste.storage.records.values import (
    AuditEntry,
    Countable,
    DeadLetter,
    Exposure,
    Page,
    Position,
    Record,
    RecordKind,
    Stamp,
    Touched,
    UserState,
)
from foretaste.storage.urls import open_backend

BUILT_IN = {"sqlite": "foretaste.storage.records.sqlite:from_url"}
"""Scheme → module:function of the stores that come with Foretaste."""


def open_records(url: str) -> Records:
    """The record store behind ``url``, not opened yet (``async with`` or ``open()`` does).

    ``sqlite:///relative.db``, ``sqlite:////absolute.db``, or ``sqlite://`` for a private one that is gone after
    ``close``.

    Raises:
        UnknownNameError: no store for the scheme.
        ConfigurationError: the URL is malformed.
    """
    return open_backend("foretaste.records", BUILT_IN, url, Records)  # type: ignore[type-abstract]


__all__ = [
    "AuditEntry",
    "Countable",
    "DeadLetter",
    "Exposure",
    "Page",
    "Position",
    "Record",
    "RecordKind",
    "Records",
    "Stamp",
    "Touched",
    "UserState",
    "open_records",
]
