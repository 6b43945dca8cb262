"""Migrations of the record store (alembic)."""
