"""Lists that were shown, how often, and the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add three tables; what is there stays as it is."""
    op.create_table(
        "exposures",
        sa.Column("number", _serial, primary_key=True, autoincrement=True),
        sa.Column("recommendation_id", sa.String(256), nullable=False),
        sa.Column("user_id", sa.String(256)),
        sa.Column("scenario", sa.String(256), nullable=False),
        sa.Column("model_version", sa.String(256)),
        sa.Column("experiment", sa.String(256)),
        sa.Column("item_ids", sa.Text, nullable=False),
        sa.Column("propensities", sa.Text),
        sa.Column("explored", sa.Text),
        sa.Column("arms", sa.Text),
        sa.Column("first_at", sa.Float, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_exposures_recommendation_id", "exposures", ["recommendation_id"], unique=True)
    op.create_index("ix_exposures_user", "exposures", ["user_id"])
    op.create_table(
        "exposure_counts",
        sa.Column("number", _serial, primary_key=True, autoincrement=False),
        sa.Column("shown", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.Float, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("entry_id", _serial, primary_key=True, autoincrement=True),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("actor", sa.String(256), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(512), nullable=False),
        sa.Column("outcome", sa.String(64), nullable=False),
        sa.Column("details", sa.Text),
        sa.Column("request_id", sa.String(256)),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Drop them."""
    for name in ("audit", "exposure_counts", "exposures"):
        op.drop_table(name)
