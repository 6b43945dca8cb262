"""How long each stage takes, and how much time is left."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from foretaste.serving.config import DeadlinesConfig

STAGES = ("state", "cache", "candidates", "ranking", "rules", "rerank", "explore", "fill", "explain", "log")
"""All stages of a request, in order; a pipeline runs those from ``candidates`` to ``explain``."""


class Watch:
    """Times the stages of one batch and knows its deadlines.

    Without ``deadlines`` there is always time.
    """

    def __init__(self, deadlines: DeadlinesConfig | None = None) -> None:
        self.seconds: dict[str, float] = {}
        """Stage → seconds spent in it so far."""
        self._deadlines = deadlines
        self._start = time.perf_counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def limit(self, stage: str) -> float | None:
        """Seconds that a call of this stage may take from now on; None when it may take any time, 0 when none is left.

        The stage's own deadline counts from now, the total one from the start.
        """
        if self._deadlines is None:
            return None
        left = self._deadlines.total_ms / 1e3 - (time.perf_counter() - self._start)
        own = self._deadlines.of(stage)
        return max(0.0, left if own is None else min(own / 1e3, left))
