"""Makes what serves: models and items with their pipeline, under the rules and scenarios of now."""

import asyncio

from foretaste.serving.config import PipelineConfig
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.live.serving import Live
from foretaste.serving.live.steering import SteeringReader
from foretaste.serving.pipeline import Parts, Pipeline
from foretaste.storage.records import Records


class LiveMaker:
    """Makes each :class:`Live`, and makes it again when the shop has set other rules or scenarios."""

    def __init__(self, records: Records, *, min_history: int, parts: Parts | None) -> None:
        self._steering = SteeringReader(records)
        self._lock = asyncio.Lock()
        self._min_history, self._parts = min_history, parts

    def made(self, bundle: Bundle, catalogue: Catalogue, described: PipelineConfig) -> Live:
        """Models and items, served as their pipeline describes and the shop has set.

        Raises:
            ConfigurationError: what the shop has set and the pipeline do not go together.
        """
        steering = self._steering.current
        pipeline = Pipeline(steering.over(described), min_history=self._min_history, parts=self._parts)
        return Live(bundle, catalogue, pipeline, described, steering)

    def steered(self, live: Live) -> Live:
        """``live`` with the rules and scenarios of now."""
        if live.steering is self._steering.current:
            return live
        return self.made(live.bundle, live.catalogue, live.described)

    def is_behind(self, shared: int) -> bool:
        """Whether rules and scenarios were last read before this state of the counter of shared values."""
        return self._steering.is_behind(shared)

    async def catch_up(self, shared: int) -> bool:
        """Read rules and scenarios as they stand at this state of the counter, or later; whether they changed.

        Raises:
            StorageError: the store cannot be read; those of before stay.
            ConfigurationError: what stands there is wrong; those of before stay.
        """
        async with self._lock:
            return self.is_behind(shared) and await self._steering.read(shared)
