"""The tables of a record store, for every SQL database."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()
_serial = BigInteger().with_variant(Integer, "sqlite")


def _records(name: str) -> Table:
    """Users and items look alike: an id, JSON attributes, and the version of the last change."""
    return Table(
        name,
        metadata,
        Column("record_id", String(256), primary_key=True),
        Column("attributes", Text, nullable=False),
        Column("is_available", Boolean, nullable=False),
        Column("is_deleted", Boolean, nullable=False),
        Column("created_at", Float, nullable=False),
        Column("updated_at", Float, nullable=False),
        Column("version", BigInteger, nullable=False),
        Index(f"ix_{name}_version", "version"),
    )


users = _records("users")
items = _records("items")

events = Table(
    "events",
    metadata,
    Column("sequence", _serial, primary_key=True, autoincrement=True),
    Column("event_id", String(256), nullable=False),
    Column("user_id", String(256), nullable=False),
    Column("item_id", String(256), nullable=False),
    Column("type", String(256), nullable=False),
    Column("value", Float),
    Column("timestamp", Float, nullable=False),
    Column("session_id", String(256)),
    Column("context", Text),
    Column("recommendation_id", String(256)),
    Column("position", Integer),
    # an index, no constraint of the table: a bulk load into an empty table builds it at the end
    Index("ix_events_event_id", "event_id", unique=True),
    Index("ix_events_user", "user_id", "sequence"),
    sqlite_autoincrement=True,  # a sequence is never given twice, even after deletes
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("letter_id", _serial, primary_key=True, autoincrement=True),
    Column("kind", String(32), nullable=False),
    Column("raw", Text, nullable=False),
    Column("code", String(64), nullable=False),
    Column("message", Text, nullable=False),
    Column("received_at", Float, nullable=False),
    sqlite_autoincrement=True,
)

shared_values = Table(
    "shared_values",
    metadata,
    Column("key", String(256), primary_key=True),
    Column("value", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
)

changes = Table(
    "changes",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("version", BigInteger, nullable=False),
)

exposures = Table(
    "exposures",
    metadata,
    Column("number", _serial, primary_key=True, autoincrement=True),
    Column("recommendation_id", String(256), nullable=False),
    Column("user_id", String(256)),
    Column("scenario", String(256), nullable=False),
    Column("model_version", String(256)),
    Column("experiment", String(256)),
    Column("item_ids", Text, nullable=False),
    Column("propensities", Text),
    Column("explored", Text),
    Column("arms", Text),
    Column("first_at", Float, nullable=False),
    Index("ix_exposures_recommendation_id", "recommendation_id", unique=True),
    Index("ix_exposures_user", "user_id"),
    sqlite_autoincrement=True,
)

# Apart from the lists: many are counted up twice a second, and narrow rows make few pages to write.
exposure_counts = Table(
    "exposure_counts",
    metadata,
    Column("number", _serial, primary_key=True, autoincrement=False),
    Column("shown", BigInteger, nullable=False),
    Column("last_at", Float, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("entry_id", _serial, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("actor", String(256), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(512), nullable=False),
    Column("outcome", String(64), nullable=False),
    Column("details", Text),
    Column("request_id", String(256)),
    sqlite_autoincrement=True,
)
