"""Files that are on the disk for certain when the call returns."""

import hashlib
import os
from pathlib import Path
from typing import TypedDict

from foretaste.errors import DataFileError

_PIECE_BYTES = 1 << 20


class FileFacts(TypedDict):
    """What a card remembers of a file."""

    size_bytes: int
    sha256: str


def copy_durably(source: Path, target: Path) -> dict[str, FileFacts]:
    """Copy a folder's tree and flush it; size and sha256 of every file by its path inside, with forward slashes.

    Raises:
        DataFileError: a link or something else that is neither file nor folder (a bundle must hold what it needs).
        OSError: reading or writing failed; ``target`` may hold a part.
    """
    facts: dict[str, FileFacts] = {}
    target.mkdir()
    for entry in sorted(source.iterdir()):
        if entry.is_symlink() or not (entry.is_file() or entry.is_dir()):
            raise DataFileError(f"{entry} is neither a file nor a folder", hint="a bundle holds plain files only")
        if entry.is_dir():
            inside = copy_durably(entry, target / entry.name)
            facts |= {f"{entry.name}/{path}": fact for path, fact in inside.items()}
        else:
            facts[entry.name] = _copy_file(entry, target / entry.name)
    flush(target)
    return facts


def _copy_file(source: Path, target: Path) -> FileFacts:
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as original, target.open("xb") as copy:
        while piece := original.read(_PIECE_BYTES):
            digest.update(piece)
            copy.write(piece)
            size += len(piece)
        copy.flush()
        os.fsync(copy.fileno())
    return {"size_bytes": size, "sha256": digest.hexdigest()}


def write_durably(path: Path, text: str) -> None:
    """Write a small file and flush it."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def flush(folder: Path) -> None:
    """Flush a folder's list of names, so that a rename in it survives a crash (where the system can do that)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
