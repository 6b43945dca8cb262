"""The contract of an artifact store: versioned folders of files, and the registry of models kept in it."""

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One trained bundle: immutable once published.

    ``digests`` are the sha256 of the manifests inside the bundle (as ``save_bundle`` gave them); loading checks them.
    """

    version: str
    """Sortable: UTC time of publication and a random end, e.g. ``20260102T030405-a1b2c3``."""
    created_at: float
    models: tuple[str, ...]
    metrics: Mapping[str, Any] = field(default_factory=dict)
    pipeline: Mapping[str, Any] = field(default_factory=dict)
    """The pipeline (decoded TOML) that the bundle was trained for."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """What it learnt from: users, items, interactions, newest sequence."""
    digests: Mapping[str, str] = field(default_factory=dict)
    size_bytes: int = 0


def new_version(now: float | None = None) -> str:
    """A fresh version id that sorts by time of publication."""
    moment = datetime.fromtimestamp(time.time() if now is None else now, tz=UTC)
    return f"{moment:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


class Artifacts(ABC):
    """Keeps published model bundles and remembers which one is live. Opened by ``open_artifacts(url)``."""

    async def __aenter__(self) -> Self:
        """Open; ``async with`` closes it again."""
        await self.open()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    @abstractmethod
    async def open(self) -> None:
        """Prepare the place.

        Raises:
            StorageUnavailableError: it cannot be written.
        """

    @abstractmethod
    async def close(self) -> None:
        """Release what is held."""

    @abstractmethod
    async def publish(self, folder: Path, version: ModelVersion) -> ModelVersion:
        """Copy a bundle folder in, whole or not at all; a reader never sees half of it."""

    @abstractmethod
    async def fetch(self, version: str) -> Path:
        """A local folder with the bundle, to be memory-mapped.

        Raises:
            NotFoundError: no such version.
        """

    @abstractmethod
    async def versions(self) -> Sequence[ModelVersion]:
        """All published versions, newest first."""

    @abstractmethod
    async def get(self, version: str) -> ModelVersion:
        """One version.

        Raises:
            NotFoundError: no such version.
        """

    @abstractmethod
    async def live(self) -> str | None:
        """The version that should be served; None before the first. A cheap read, called often."""

    @abstractmethod
    async def set_live(self, version: str) -> None:
        """Make a version live, atomically, for all processes.

        Raises:
            NotFoundError: no such version.
        """

    @abstractmethod
    async def delete(self, version: str) -> None:
        """Remove a version.

        Raises:
            NotFoundError: no such version.
            ConflictError: it is live.
        """
