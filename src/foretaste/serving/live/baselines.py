"""What serves before the first training: baselines over the events that are there."""

import time
from collections.abc import Awaitable, Callable

from foretaste.errors import ModelError
from foretaste.logs import get_logger
from foretaste.serving.config import PipelineConfig
from foretaste.serving.live.bundle import Bundle
from foretaste.storage.records import Records

REBUILD_S = 1.0
"""Least time between two builds."""
Provisional = Callable[[PipelineConfig], Awaitable[Bundle]]
"""Builds the baselines that a pipeline names from the events in the store."""
log = get_logger(__name__)


class Baselines:
    """Builds them again when more events have come; a build that took long is not soon followed by another."""

    def __init__(self, records: Records, pipeline: PipelineConfig, build: Provisional) -> None:
        self._records, self._pipeline, self._build = records, pipeline, build
        self._counted = -1
        self._not_before = 0.0

    async def newer(self) -> Bundle | None:
        """Baselines over more events than the ones before; None where there are none, or it is too soon.

        Raises:
            StorageError: the events cannot be read.
        """
        start = time.monotonic()
        if start < self._not_before:
            return None
        count = await self._records.count("event")
        if count in {self._counted, 0}:
            return None
        try:
            bundle = await self._build(self._pipeline)
        except ModelError as exc:
            log.warning("baselines_failed", error=str(exc))
            return None
        self._counted = count
        now = time.monotonic()
        self._not_before = now + max(REBUILD_S, 10 * (now - start))
        return bundle
