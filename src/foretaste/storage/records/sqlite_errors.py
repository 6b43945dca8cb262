"""What SQLite's errors mean to us."""

import sqlite3

from foretaste.errors import StorageError, StorageFullError, StorageUnavailableError


def translated(error: sqlite3.Error, path: str) -> StorageError:
    """The error of ours that says what happened to the store at ``path`` and what to do."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    text = str(error)
    if code == sqlite3.SQLITE_FULL:
        return StorageFullError(
            f"no room is left for the store {path}", hint="make room on the disk; nothing of this write was kept"
        )
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StorageUnavailableError(
            f"the store {path} is locked by another process", hint="try again; nothing of this write was kept"
        )
    if code == sqlite3.SQLITE_READONLY:
        return StorageUnavailableError(f"the store {path} is read-only", hint="check the rights of file and folder")
    if code == sqlite3.SQLITE_CANTOPEN:
        return StorageUnavailableError(
            f"the store {path} cannot be opened: {text}", hint="check that the folder exists and can be written"
        )
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return StorageError(f"{path} is damaged or no SQLite database: {text}", hint="restore it from a backup")
    if code == sqlite3.SQLITE_IOERR:
        return StorageUnavailableError(f"the disk failed under the store {path}: {text}", hint="check the disk")
    return StorageError(f"the store {path} refused the operation: {text}")
