"""Brings the tables of a SQL record store up to date."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from foretaste.errors import StorageError

if TYPE_CHECKING:
    from sqlalchemy import Engine

HEAD = "0001"
"""The newest migration; a store that says so needs none (kept here so that the check imports nothing)."""


def check_not_newer(revision: str | None) -> None:
    """Refuse a store that a newer version has written.

    Raises:
        StorageError: the revision is none of ours.
    """
    if revision is None:
        return
    known = {match[1] for path in _versions() if (match := re.match(r"m(\d+)_", path.name))}
    if revision not in known:
        raise StorageError(
            f"the store has schema {revision!r}, this version of Foretaste knows up to {HEAD!r}",
            hint="upgrade Foretaste, or point DATABASE_URL at another store",
        )


def upgrade(engine: "Engine") -> None:
    """Run all migrations that the store lacks; one process at a time must call it."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _versions() -> list[Path]:
    return sorted((Path(__file__).parent / "migrations" / "versions").glob("m*.py"))
