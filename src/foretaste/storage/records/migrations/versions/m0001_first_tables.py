"""Users, items, events, dead letters, shared values and the change counter."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make all tables."""
    for name in ("users", "items"):
        op.create_table(
            name,
            sa.Column("record_id", sa.String(256), primary_key=True),
            sa.Column("attributes", sa.Text, nullable=False),
            sa.Column("is_available", sa.Boolean, nullable=False),
            sa.Column("is_deleted", sa.Boolean, nullable=False),
            sa.Column("created_at", sa.Float, nullable=False),
            sa.Column("updated_at", sa.Float, nullable=False),
            sa.Column("version", sa.BigInteger, nullable=False),
        )
        op.create_index(f"ix_{name}_version", name, ["version"])
    op.create_table(
        "events",
        sa.Column("sequence", _serial, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.String(256), nullable=False),
        sa.Column("user_id", sa.String(256), nullable=False),
        sa.Column("item_id", sa.String(256), nullable=False),
        sa.Column("type", sa.String(256), nullable=False),
        sa.Column("value", sa.Float),
        sa.Column("timestamp", sa.Float, nullable=False),
        sa.Column("session_id", sa.String(256)),
        sa.Column("context", sa.Text),
        sa.Column("recommendation_id", sa.String(256)),
        sa.Column("position", sa.Integer),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_event_id", "events", ["event_id"], unique=True)
    op.create_index("ix_events_user", "events", ["user_id", "sequence"])
    op.create_table(
        "dead_letters",
        sa.Column("letter_id", _serial, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("raw", sa.Text, nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("received_at", sa.Float, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "shared_values",
        sa.Column("key", sa.String(256), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "changes",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop all tables."""
    for name in ("changes", "shared_values", "dead_letters", "events", "items", "users"):
        op.drop_table(name)
