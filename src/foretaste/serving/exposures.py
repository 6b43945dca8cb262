"""The log of what was shown: kept in memory for a moment, then written many at a time."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from foretaste.errors import ForetasteError, InvalidRecordError
from foretaste.logs import get_logger
from foretaste.monitoring import Metrics
from foretaste.serving.answers import Answer, ExploredItem
from foretaste.serving.exploration import Explored
from foretaste.storage.records import Exposure, Records

FLUSH_S = 0.5
"""Time between two writes."""
MOST_WAITING = 50_000
"""Lists, and as many further servings of lists, that wait at most while the store cannot take them."""
KEEP_DAYS = 90.0
"""Days after which a list is forgotten."""
CLEAN_EVERY_S = 60.0
_DAY_S = 86_400.0
log = get_logger(__name__)


class ExposureLog:
    """Writes what was shown to the store, twice a second.

    A list is logged whole once (:meth:`log`); serving the same list again from a cache only counts (:meth:`shown`, a
    fraction of a microsecond). What is in memory is lost when the process is killed: at most ``flush_s`` of it. While
    the store fails it waits, up to ``most_waiting`` lists and as many servings; what is more is dropped and counted.
    """

    def __init__(
        self,
        records: Records,
        *,
        metrics: Metrics,
        flush_s: float = FLUSH_S,
        most_waiting: int = MOST_WAITING,
        keep_days: float | None = KEEP_DAYS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._records, self._metrics, self._clock = records, metrics, clock
        self._flush_s, self._most, self._keep_days = flush_s, most_waiting, keep_days
        self._lists: dict[str, Exposure] = {}
        self._again: dict[str, int] = {}
        self._writing = asyncio.Lock()
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_failing = False

    async def start(self) -> None:
        """Write from now on, until :meth:`close`."""
        self._stop.clear()
        self._task = asyncio.create_task(self._run(), name="foretaste-exposures")

    async def close(self) -> None:
        """Stop, and write what waits."""
        if self._task is not None:
            self._stop.set()  # not cancelled: a write that is cut off may have been done
            await self._task
            self._task = None
        await self.flush()
        if self._lists or self._again:
            self._drop(len(self._lists) + sum(self._again.values()))
            log.warning("exposures_lost", lists=len(self._lists), servings=sum(self._again.values()))
            self._lists, self._again = {}, {}

    def log(self, exposure: Exposure) -> None:
        """A list is shown for the first time."""
        if len(self._lists) >= self._most:
            self._drop(1)
        else:
            self._lists[exposure.recommendation_id] = exposure

    def shown(self, recommendation_id: str) -> None:
        """A list that was logged before is shown once more."""
        again = self._again
        count = again.get(recommendation_id)
        if count is not None:
            again[recommendation_id] = count + 1
        elif len(again) < self._most:
            again[recommendation_id] = 1
        else:
            self._drop(1)

    async def flush(self) -> None:
        """Write what waits; what the store does not take waits on."""
        async with self._writing:
            lists, self._lists = self._lists, {}
            again, self._again = self._again, {}
            if not lists and not again:
                return
            try:
                await self._write(lists, again)
            except ForetasteError as exc:
                self._keep(lists, again)
                self._metrics.count_store_error("exposures")
                if not self._is_failing:
                    log.warning("exposures_not_written", error=str(exc))
                self._is_failing = True
            else:
                self._is_failing = False

    async def _write(self, lists: dict[str, Exposure], again: dict[str, int]) -> None:
        now = self._clock()
        counts = {recommendation_id: (times, now) for recommendation_id, times in again.items()}
        try:
            await self._records.log_exposures(list(lists.values()), again=counts)
        except InvalidRecordError:
            lists = await self._write_singly(lists)
            await self._records.log_exposures([], again=counts)
        self._metrics.count_exposures("stored", len(lists))
        self._metrics.count_exposures("shown_again", sum(again.values()))

    async def _write_singly(self, lists: dict[str, Exposure]) -> dict[str, Exposure]:
        """Write each list for itself, without those that cannot be kept; what was written."""
        written = {}
        for recommendation_id, exposure in lists.items():
            try:
                await self._records.log_exposures([exposure])
                written[recommendation_id] = exposure
            except InvalidRecordError as exc:
                self._drop(1)
                log.warning("exposure_refused", recommendation_id=recommendation_id, error=str(exc))
        return written

    def _keep(self, lists: dict[str, Exposure], again: dict[str, int]) -> None:
        """Put back what was not written, before what came since; the newest is dropped beyond the bound."""
        newer_lists, newer_again = self._lists, self._again
        self._lists, self._again = lists, again
        for exposure in newer_lists.values():
            self.log(exposure)
        for recommendation_id, times in newer_again.items():
            if recommendation_id in again or len(again) < self._most:
                again[recommendation_id] = again.get(recommendation_id, 0) + times
            else:
                self._drop(times)

    def _drop(self, n: int) -> None:
        self._metrics.count_exposures("dropped", n)

    async def _run(self) -> None:
        clean_at = 0.0
        while not self._stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), self._flush_s)
            try:
                await self.flush()
                if self._keep_days is not None and time.monotonic() >= clean_at:
                    clean_at = time.monotonic() + CLEAN_EVERY_S
                    await self._records.drop_exposures(self._clock() - self._keep_days * _DAY_S)
            except ForetasteError as exc:
                log.warning("exposures_not_cleaned", error=str(exc))
            except Exception as exc:  # noqa: BLE001 - the log must outlive what nobody thought of; it is logged
                log.error("exposure_log_failed", error=f"{type(exc).__name__}: {exc}")


def exposure_of(answer: Answer, now: float, explored: Explored | None = None) -> Exposure:
    """An answer as it is logged when it is served for the first time, with what was explored in it."""
    items = answer.items if explored is not None else ()
    return Exposure(
        answer.recommendation_id,
        tuple(item.item_id for item in answer.items),
        user_id=answer.user_id,
        scenario=answer.scenario,
        model_version=answer.model_version,
        experiment=answer.experiment,
        propensities=tuple(item.propensity if isinstance(item, ExploredItem) else 1.0 for item in items),
        explored=tuple(isinstance(item, ExploredItem) for item in items),
        arms=explored.arms if explored is not None else {},
        first_at=now,
        last_at=now,
    )
