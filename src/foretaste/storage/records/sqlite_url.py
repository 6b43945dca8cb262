"""SQLite's URLs, in SQLAlchemy's form."""

from pathlib import Path

from foretaste.storage.records.sqlite import SQLiteRecords


def from_url(url: str) -> SQLiteRecords:
    """``sqlite:///relative``, ``sqlite:////absolute``, ``sqlite://`` for a private store."""
    place = url.partition("://")[2].removeprefix("/")
    return SQLiteRecords(Path(place) if place and place != ":memory:" else None)
