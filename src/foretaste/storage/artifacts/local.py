"""Model bundles in a local folder: ``versions/VERSION/`` with the bundle and ``version.json``, and the file
``live``.
"""

import asyncio
import json
import os
import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from foretaste.errors import ConflictError, NotFoundError, StorageError, StorageFullError, StorageUnavailableError
from foretaste.storage.artifacts.base import Artifacts, ModelVersion

_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")
_STAGING = ".staging-"
_STALE_S = 24 * 3600.0
_CARD = "version.json"


class LocalArtifacts(Artifacts):
    """Bundles in ``folder``. A publication is copied aside, flushed to the disk and renamed, so nobody sees half of
    one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._versions = folder / "versions"
        self._live = folder / "live"

    async def open(self) -> None:
        await asyncio.to_thread(self._open)

    def _open(self) -> None:
        try:
            self._versions.mkdir(parents=True, exist_ok=True)
            probe = self.folder / f".probe-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as exc:
            raise StorageUnavailableError(
                f"the model folder {self.folder} cannot be written: {exc.strerror}",
                hint="check its rights, or choose another with ARTIFACT_URL or --home",
            ) from exc
        for left_over in self._versions.glob(f"{_STAGING}*"):  # what a crash left behind
            if time.time() - left_over.stat().st_mtime > _STALE_S:
                shutil.rmtree(left_over, ignore_errors=True)

    async def close(self) -> None:
        """Nothing is held."""

    async def publish(self, folder: Path, version: ModelVersion) -> ModelVersion:
        return await asyncio.to_thread(self._publish, folder, version)

    def _publish(self, folder: Path, version: ModelVersion) -> ModelVersion:
        target = self._place(version.version)
        if target.exists():
            raise ConflictError(f"model version {version.version!r} is already published")
        staging = self._versions / f"{_STAGING}{version.version}-{os.getpid()}"
        try:
            shutil.copytree(folder, staging)
            files = [path for path in staging.rglob("*") if path.is_file()]
            complete = replace(version, size_bytes=sum(path.stat().st_size for path in files))
            card = staging / _CARD
            card.write_text(json.dumps(asdict(complete), indent=1, sort_keys=True, allow_nan=False), encoding="utf-8")
            for path in (*files, card):
                _flush(path)
            staging.rename(target)
            _flush(self._versions)
        except OSError as exc:
            raise _translated(exc, self.folder) from exc
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return complete

    async def fetch(self, version: str) -> Path:
        place = self._place(version)
        if not (place / _CARD).is_file():
            raise self._unknown(version)
        return place

    async def versions(self) -> Sequence[ModelVersion]:
        return await asyncio.to_thread(self._all)

    def _all(self) -> list[ModelVersion]:
        names = [path.parent.name for path in self._versions.glob(f"*/{_CARD}")]
        return [self._card(name) for name in sorted(names, reverse=True) if not name.startswith(_STAGING)]

    async def get(self, version: str) -> ModelVersion:
        return self._card(version)

    def _card(self, version: str) -> ModelVersion:
        path = self._place(version) / _CARD
        try:
            values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return ModelVersion(**{**values, "models": tuple(values["models"])})
        except FileNotFoundError:
            raise self._unknown(version) from None
        except (OSError, ValueError, TypeError, KeyError) as exc:
            raise StorageError(f"{path} is damaged: {exc}", hint="delete the version and train again") from exc

    async def live(self) -> str | None:
        try:
            return self._live.read_text(encoding="utf-8").strip() or None
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise _translated(exc, self.folder) from exc

    async def set_live(self, version: str) -> None:
        if not (self._place(version) / _CARD).is_file():
            raise self._unknown(version)
        await asyncio.to_thread(self._point_at, version)

    def _point_at(self, version: str) -> None:
        staged = self.folder / f".live-{os.getpid()}"
        try:
            staged.write_text(version, encoding="utf-8")
            _flush(staged)
            staged.replace(self._live)
            _flush(self.folder)
        except OSError as exc:
            raise _translated(exc, self.folder) from exc

    async def delete(self, version: str) -> None:
        place = self._place(version)
        if not (place / _CARD).is_file():
            raise self._unknown(version)
        if await self.live() == version:
            raise ConflictError(f"model version {version!r} is live", hint="promote another one first")
        await asyncio.to_thread(shutil.rmtree, place)

    def _place(self, version: str) -> Path:
        if not _VERSION.fullmatch(version):
            raise NotFoundError(f"{version[:80]!r} is no model version", hint="foretaste models list shows them")
        return self._versions / version

    def _unknown(self, version: str) -> NotFoundError:
        return NotFoundError(f"there is no model version {version!r}", hint="foretaste models list shows them")


def from_url(url: str) -> LocalArtifacts:
    """``file:///absolute/folder``; ``file://relative`` is taken from the working folder."""
    parsed = urlparse(url)
    return LocalArtifacts(Path(unquote(parsed.netloc + parsed.path)))


def _flush(path: Path) -> None:
    """Force a file's or a folder's contents to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _translated(error: OSError, folder: Path) -> StorageError:
    import errno

    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageFullError(f"no room is left in {folder}", hint="delete old model versions")
    return StorageUnavailableError(f"the model folder {folder} failed: {error.strerror}", hint="check its rights")
