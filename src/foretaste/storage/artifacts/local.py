"""Model bundles in a local folder.

``versions/VERSION/`` holds a bundle and its card ``version.json``, ``staging/`` what is not whole yet, and the file
``live`` names the version that is served.
"""

import asyncio
import contextlib
import errno
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from foretaste.errors import (
    ConfigurationError,
    ConflictError,
    CorruptStateError,
    DataFileError,
    NotFoundError,
    StorageError,
    StorageFullError,
    StorageUnavailableError,
)
from foretaste.logs import get_logger
from foretaste.storage.artifacts.base import Artifacts, ModelVersion
from foretaste.storage.artifacts.copying import copy_durably, flush, write_durably

STALE_S = 24 * 3600.0
"""Age from which something in ``staging`` cannot be a publication under way."""

_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")
_CARD = "version.json"
_FILES = "files"
_FULL = {errno.ENOSPC, errno.EDQUOT}
log = get_logger(__name__)


class LocalArtifacts(Artifacts):
    """Bundles in ``folder``, for all processes of this machine.

    A publication is copied aside, flushed to the disk and renamed into place, so nobody sees half of one and a crash
    leaves none. The card keeps size and sha256 of every file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._versions = folder / "versions"
        self._staging = folder / "staging"
        self._live = folder / "live"

    async def open(self) -> None:
        await asyncio.to_thread(self._open)

    def _open(self) -> None:
        try:
            self._versions.mkdir(parents=True, exist_ok=True)
            self._staging.mkdir(exist_ok=True)
            probe = self._aside("probe")
            probe.touch()
            probe.unlink()
        except OSError as exc:
            raise StorageUnavailableError(
                f"the model folder {self.folder} cannot be written: {exc.strerror}",
                hint="check its rights, or choose another with ARTIFACT_URL or --home",
            ) from exc
        for left_over in self._staging.iterdir():  # by a crash; a young one may be another process at work
            with contextlib.suppress(OSError):
                if time.time() - left_over.stat().st_mtime > STALE_S:
                    _remove(left_over)

    async def close(self) -> None:
        """Nothing is held."""

    # --- publishing ----------------------------------------------------------------------------------------------

    async def publish(self, folder: Path, version: ModelVersion) -> ModelVersion:
        """Copy a bundle folder in; returns the version with ``size_bytes`` (and ``created_at``, where it was 0).

        Raises:
            ConfigurationError: the version id cannot be a folder's name.
            ConflictError: there is such a version.
            DataFileError: ``folder`` is none, or holds a link or the name of our card.
            StorageFullError, StorageUnavailableError: nothing was published.
        """
        if not _VERSION.fullmatch(version.version):
            raise ConfigurationError(
                f"{version.version[:80]!r} cannot be a version", hint="use letters, digits, - _ and . (new_version())"
            )
        return await asyncio.to_thread(self._publish, Path(folder), version)

    def _publish(self, folder: Path, version: ModelVersion) -> ModelVersion:
        target = self._versions / version.version
        if target.exists():
            raise _published(version.version)
        if not folder.is_dir() or (folder / _CARD).exists():
            raise DataFileError(f"{folder} is no bundle", hint=f"give a folder of a saved bundle, without {_CARD}")
        staged = self._aside(version.version)
        try:
            with self._translating():
                files = copy_durably(folder, staged)
                size = sum(facts["size_bytes"] for facts in files.values())
                whole = replace(version, size_bytes=size, created_at=version.created_at or time.time())
                card = {**asdict(whole), _FILES: files}
                write_durably(staged / _CARD, json.dumps(card, indent=1, sort_keys=True, allow_nan=False))
                flush(staged)
                self._move_in(staged, target)
        except (TypeError, ValueError) as exc:  # such as NaN among the metrics
            raise ConfigurationError(f"version {version.version!r} cannot be described in JSON: {exc}") from exc
        finally:
            _remove(staged)
        return whole

    def _move_in(self, staged: Path, target: Path) -> None:
        try:
            staged.rename(target)
        except OSError as exc:
            if exc.errno in {errno.ENOTEMPTY, errno.EEXIST}:  # another process published it meanwhile
                raise _published(target.name) from exc
            raise
        flush(self._versions)

    # --- reading -------------------------------------------------------------------------------------------------

    async def fetch(self, version: str) -> Path:
        """The bundle's folder, after a look at the sizes of its files (their contents are checked by loading).

        Raises:
            NotFoundError: no such version.
            CorruptStateError: a file is missing or of another size than published.
        """
        return await asyncio.to_thread(self._fetch, version)

    def _fetch(self, version: str) -> Path:
        place = self._place(version)
        for name, facts in self._card(version).get(_FILES, {}).items():
            path = place / name
            if not path.is_file() or path.stat().st_size != facts["size_bytes"]:
                raise CorruptStateError(
                    f"model version {version!r} is damaged: {name} is missing or cut", hint="delete it and train again"
                )
        return place

    async def versions(self) -> Sequence[ModelVersion]:
        """All published versions, newest first; one whose card is damaged is logged and left out."""
        return await asyncio.to_thread(self._all)

    def _all(self) -> list[ModelVersion]:
        found = []
        for path in self._versions.glob(f"*/{_CARD}"):
            try:
                found.append(self._version(path.parent.name))
            except (StorageError, CorruptStateError, NotFoundError) as exc:
                log.warning("model_version_unreadable", version=path.parent.name, error=str(exc))
        return sorted(found, key=lambda version: (version.created_at, version.version), reverse=True)

    async def get(self, version: str) -> ModelVersion:
        return self._version(version)

    def _version(self, version: str) -> ModelVersion:
        values = {name: value for name, value in self._card(version).items() if name != _FILES}
        try:
            return ModelVersion(**{**values, "models": tuple(values["models"])})
        except (TypeError, KeyError) as exc:
            raise _damaged(version, exc) from exc

    def _card(self, version: str) -> dict[str, Any]:
        path = self._place(version) / _CARD
        try:
            card = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise _unknown(version) from None
        except OSError as exc:
            raise self._translated(exc) from exc
        except ValueError as exc:
            raise _damaged(version, exc) from exc
        if not isinstance(card, dict):
            raise _damaged(version, "it is no object")
        return card

    async def live(self) -> str | None:
        # A small file in the page cache: about 15 µs, less than a hop to another thread.
        try:
            return self._live.read_text(encoding="utf-8").strip() or None
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise self._translated(exc) from exc

    # --- changing ------------------------------------------------------------------------------------------------

    async def set_live(self, version: str) -> None:
        await asyncio.to_thread(self._set_live, version)

    def _set_live(self, version: str) -> None:
        with self._translating(), self._alone():
            self._card(version)
            staged = self._aside("live")
            try:
                write_durably(staged, version)
                staged.replace(self._live)
            finally:
                staged.unlink(missing_ok=True)
            flush(self.folder)

    async def delete(self, version: str) -> None:
        await asyncio.to_thread(self._delete, version)

    def _delete(self, version: str) -> None:
        place = self._place(version)
        aside = self._aside(version)
        with self._translating(), self._alone():
            if not place.is_dir():
                raise _unknown(version)
            if self._live.is_file() and self._live.read_text(encoding="utf-8").strip() == version:
                raise ConflictError(f"model version {version!r} is live", hint="promote another one first")
            place.rename(aside)  # gone at once; who has mapped its files keeps them
            flush(self._versions)
        _remove(aside)

    # --- parts ---------------------------------------------------------------------------------------------------

    def _place(self, version: str) -> Path:
        if not _VERSION.fullmatch(version):  # also keeps ../ out of paths
            raise _unknown(version)
        return self._versions / version

    def _aside(self, name: str) -> Path:
        return self._staging / f"{name}-{os.getpid()}-{time.monotonic_ns()}"

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from changing what is live: what goes live must not be deleted meanwhile."""
        try:
            import fcntl
        except ImportError:  # no such lock on this system: one process at a time must publish
            yield
            return
        with (self.folder / ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise self._translated(exc) from exc

    def _translated(self, error: OSError) -> StorageError:
        if error.errno in _FULL:
            return StorageFullError(f"no room is left in the model folder {self.folder}", hint="delete old versions")
        return StorageUnavailableError(
            f"the model folder {self.folder} failed: {error.strerror}", hint="check its rights and its disk"
        )


def from_url(url: str) -> LocalArtifacts:
    """``file:///absolute/folder``; what follows ``file://`` is taken as it is, ``%`` and ``#`` are no signs.

    Raises:
        ConfigurationError: no absolute folder.
    """
    folder = Path(url.partition("://")[2])
    if not folder.is_absolute():
        raise ConfigurationError(f"{url!r} is no address of a folder", hint=f"write file://{folder.absolute()}")
    return LocalArtifacts(folder)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _unknown(version: str) -> NotFoundError:
    return NotFoundError(f"there is no model version {version[:80]!r}", hint="foretaste models list shows them")


def _published(version: str) -> ConflictError:
    return ConflictError(f"model version {version!r} is already published", hint="publish under a new_version()")


def _damaged(version: str, why: object) -> CorruptStateError:
    return CorruptStateError(
        f"the card of model version {version!r} is damaged: {why}", hint="delete the version and train again"
    )
