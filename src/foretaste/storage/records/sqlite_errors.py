"""What the errors of SQLite and of its driver mean to us."""

import sqlite3

from foretaste.errors import (
    ForetasteError,
    InvalidRecordError,
    StorageError,
    StorageFullError,
    StorageUnavailableError,
)

Failure = sqlite3.Error | UnicodeError | OverflowError
"""What the driver raises: the last two for a text or a number that cannot be stored."""
FAILURES = (sqlite3.Error, UnicodeError, OverflowError)

_NOTHING_KEPT = "nothing of this write was kept"
_UNSTORABLE = {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG}


def primary_code(error: BaseException) -> int:
    """SQLite's result code without its details; 0 for an error of the driver itself."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def translated(error: Failure, path: str) -> ForetasteError:
    """The error of ours that says what happened to the store at ``path`` and what to do."""
    code, text = primary_code(error), str(error)
    if code in _UNSTORABLE or not isinstance(error, sqlite3.Error) or text.startswith("Error binding parameter"):
        return InvalidRecordError(
            f"a record cannot be stored: {text}",
            hint="ids are text, times finite numbers; nothing of its batch was kept",
        )
    if code == sqlite3.SQLITE_FULL:
        return StorageFullError(
            f"no room is left for the store {path}", hint=f"make room on the disk and send again; {_NOTHING_KEPT}"
        )
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StorageUnavailableError(
            f"the store {path} is locked by another process", hint=f"try again; {_NOTHING_KEPT}"
        )
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
        return StorageUnavailableError(
            f"the store {path} is read-only: {text}", hint="check the rights of the file and of its folder"
        )
    if code == sqlite3.SQLITE_CANTOPEN:
        return StorageUnavailableError(
            f"the store {path} cannot be opened: {text}", hint="check that the folder exists and can be written"
        )
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return StorageError(
            f"{path} is damaged or no SQLite database: {text}", hint="restore it from a backup, or name another file"
        )
    if code == sqlite3.SQLITE_IOERR:
        return StorageUnavailableError(
            f"the disk failed under the store {path}: {text} ({getattr(error, 'sqlite_errorname', '')})",
            hint=f"check the disk, its quota and the limit of a file's size; {_NOTHING_KEPT}",
        )
    return StorageError(f"the store {path} refused the operation: {text}")
