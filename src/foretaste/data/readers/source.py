"""What the caller pointed at: one file, several, or a folder, checked and listed."""

import gzip
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from foretaste.errors import DataFileError

PathLike = Path | str
_HEAD_BYTES = 65_536
_PACKED = {".zip", ".tar", ".tgz", ".rar", ".7z", ".xlsx", ".xls", ".bz2", ".xz"}


@dataclass(frozen=True)
class Source:
    """Data files to read; ``folder`` is set when a folder was given, and then ``files`` lies in it."""

    files: tuple[Path, ...]
    folder: Path | None = None

    @classmethod
    def of(cls, paths: PathLike | Sequence[PathLike]) -> "Source":
        """Check that the paths are there.

        Raises:
            DataFileError: nothing given, not there, or a folder among several paths.
        """
        given = [Path(paths)] if isinstance(paths, Path | str) else [Path(path) for path in paths]
        if not given:
            raise DataFileError("no file was given", hint="name a file or a folder")
        for path in given:
            if "\0" in str(path) or not path.exists():
                raise DataFileError(f"there is no file or folder {str(path)[:200]!r}", hint="check the path")
        if len(given) == 1 and given[0].is_dir():
            return cls(tuple(_listed(given[0])), given[0])
        folders = [path for path in given if path.is_dir()]
        if folders:
            raise DataFileError(f"{folders[0]} is a folder", hint="give one folder, or only files")
        return cls(tuple(given))

    @property
    def name(self) -> str:
        """A name for the data set: the folder's, or the only or first file's."""
        return self.folder.resolve().name if self.folder is not None else stem(self.files[0])

    @property
    def shown(self) -> str:
        """The place as it stands in messages."""
        return str(self.folder) if self.folder is not None else ", ".join(map(str, self.files[:3]))

    def file(self, name: str) -> Path | None:
        """The file of that name directly in the folder (or among the files given); None when it is not there."""
        for path in self.files:
            if path.name == name and (self.folder is None or path.parent == self.folder):
                return path
        return None

    def has(self, *names: str) -> bool:
        """Whether all these files are there."""
        return all(self.file(name) is not None for name in names)

    def named(self, name: str) -> Path:
        """The file of that name.

        Raises:
            DataFileError: it is not there.
        """
        path = self.file(name)
        if path is None:
            raise DataFileError(f"{self.shown} has no file {name!r}")
        return path

    def ending(self, *suffixes: str) -> list[Path]:
        """Files whose names end so, sorted."""
        return sorted(path for path in self.files if path.name.lower().endswith(suffixes))


def stem(path: Path) -> str:
    """The file's name without any extension."""
    return path.name.partition(".")[0] or path.name


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Errors of the operating system, told as a :class:`DataFileError`."""
    try:
        yield
    except (OSError, EOFError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
        raise DataFileError(f"{path} cannot be read: {reason}") from exc


def read_bytes(path: Path) -> bytes:
    """The whole file, unpacked when it is gzip.

    Raises:
        DataFileError: unreadable.
    """
    with file_errors(path):
        if is_gzip(path):
            with gzip.open(path, "rb") as file:
                return file.read()
        return path.read_bytes()


def head_bytes(path: Path) -> bytes:
    """The first 64 kB, unpacked when it is gzip.

    Raises:
        DataFileError: unreadable.
    """
    with file_errors(path):
        if is_gzip(path):
            with gzip.open(path, "rb") as file:
                return file.read(_HEAD_BYTES)
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)


def is_gzip(path: Path) -> bool:
    """Whether the file starts like a gzip file."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def check_text(path: Path, head: bytes) -> None:
    """Refuse what cannot be a text table.

    Raises:
        DataFileError: an archive, a workbook, or binary.
    """
    if path.suffix.lower() in _PACKED or head[:4] == b"PK\x03\x04":
        raise DataFileError(f"{path} is an archive or a workbook", hint="unpack it, or save the table as CSV")
    if head[:4] == b"PAR1":
        raise DataFileError(f"{path} is a Parquet file", hint="name it with the ending .parquet")
    if head[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return  # UTF-16, decoded later
    strange = sum(byte < 9 or 13 < byte < 32 for byte in head)
    if b"\0" in head or strange > 0.01 * len(head):
        raise DataFileError(f"{path} is binary, not a text table", hint="give CSV, TSV, JSON lines, JSON or Parquet")


def decoded(raw: bytes) -> tuple[str, str]:
    """Text and the name of its encoding: UTF-8, UTF-16 where a mark says so, else Latin-1."""
    if raw[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return raw.decode("utf-16", errors="replace"), "utf-16"
    try:
        return raw.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        return raw.decode("latin-1"), "latin-1"


def _listed(folder: Path) -> list[Path]:
    """Files of a folder, and of its folders one level down (tables that come in parts)."""
    with file_errors(folder):
        found = []
        for path in sorted(folder.iterdir()):
            if path.name.startswith((".", "_")):
                continue
            if path.is_dir():
                found += [part for part in sorted(path.iterdir()) if part.is_file() and part.name[0] not in "._"]
            elif path.is_file():
                found.append(path)
        return found
