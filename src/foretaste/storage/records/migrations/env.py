"""Runs migrations on the connection that :func:`foretaste.storage.records.migrate.upgrade` hands over."""

from alembic import context

from foretaste.storage.records.migrate import VERSION_TABLE
from foretaste.storage.records.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,  # SQLite changes a column by copying the table
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
