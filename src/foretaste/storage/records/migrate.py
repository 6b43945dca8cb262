"""Brings the tables of a SQL record store up to date."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from foretaste.errors import StorageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

HEAD = "0002"
"""The newest migration; a store that says so needs none. Kept here so that opening such a store imports nothing."""

VERSION_TABLE = "foretaste_schema"
"""Where a store says its revision; our own name, because a shop's database may have migrations of its own."""

_FOLDER = Path(__file__).parent / "migrations"


def check_known(revision: str) -> None:
    """Refuse a store that a newer version has written.

    Raises:
        StorageError: the revision is none of ours.
    """
    known = {match[1] for path in (_FOLDER / "versions").glob("m*.py") if (match := re.match(r"m(\d+)_", path.name))}
    if revision not in known:
        raise StorageError(
            f"the store has schema {revision!r}, this version of Foretaste knows up to {HEAD!r}",
            hint="upgrade Foretaste, or point DATABASE_URL at another store",
        )


def upgrade(connection: "Connection") -> None:
    """Run all migrations that the store lacks, inside the transaction that the caller holds and commits.

    The transaction must keep other processes from doing the same.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
