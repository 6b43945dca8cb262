"""Learns beside the traffic: every now and then a copy of the live models takes in what came since the training."""

import asyncio
import math
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import replace
from functools import partial

from foretaste.data import grown
from foretaste.errors import ForetasteError
from foretaste.events import Event
from foretaste.logs import get_logger
from foretaste.monitoring import Metrics
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.models import LiveModels
from foretaste.serving.live.users import UNKNOWN_TIME, EventWeights
from foretaste.storage.records import Records

LOOK_S = 1.0
"""Longest time between two looks whether it is time."""
MOST_AT_ONCE = 50_000
"""Events that one update takes in at most; the next one goes on from there."""
REST = 10.0
"""After an update at least this many times what it took passes before the next one."""
log = get_logger(__name__)


class ModelUpdates:
    """Updates the live models of one worker as ``[updates]`` of the live pipeline says.

    Events are read from the store, where those of deleted users are gone, from the one that the models learnt last; so
    workers need not agree, and one that starts anew catches up. Models that learn from a few events in the time that
    these take (``updates_in_part``) are copied, updated and tried in a thread of the loader, then swapped in together;
    the others stay as they are. While a rollout is under way, after an update that failed and after ``most_events``
    the version stays as it is.
    """

    def __init__(self, records: Records, live: LiveModels, *, metrics: Metrics, executor: Executor) -> None:
        self._records, self._live, self._metrics, self._executor = records, live, metrics, executor
        self._given_up: str | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Update from now on."""
        self._task = asyncio.create_task(self._run(), name="foretaste-updates")

    async def close(self) -> None:
        """Stop; what is being made is dropped."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        not_before = 0.0
        while True:
            every_s = self._live.current.pipeline.config.updates.every_s
            await asyncio.sleep(LOOK_S if every_s is None else min(LOOK_S, every_s))
            start = time.monotonic()
            if every_s is None or start < not_before:
                continue
            try:
                await self.update()
            except Exception as exc:  # noqa: BLE001 - the models before go on serving; it is logged and counted
                self._metrics.count_update("failed")
                log.warning("update_failed", error=str(exc) if isinstance(exc, ForetasteError) else repr(exc))
            end = time.monotonic()
            not_before = max(start + every_s, end + REST * (end - start))

    async def update(self) -> int:
        """Take in what came since the live models last learnt; returns how many events.

        Raises:
            StorageError: the events cannot be read.
            ModelError: a model cannot take them in; this version is not tried again.
        """
        bundle = self._live.current.bundle
        most = self._most(bundle)
        found = await self._records.new_events(bundle.sequence or 0, most) if most else ()
        if not found:
            return 0
        start = time.monotonic()
        try:
            work = partial(with_events, bundle, found)
            after = await asyncio.get_running_loop().run_in_executor(self._executor, work)
            is_taken = await self._live.take_updated(bundle, after)
        except Exception:
            self._given_up = bundle.version
            raise
        self._metrics.count_update("taken" if is_taken else "outrun")
        if not is_taken:
            return 0
        log.info("models_updated", version=after.label, events=len(found), seconds=round(time.monotonic() - start, 3))
        return len(found)

    def _most(self, bundle: Bundle) -> int:
        """How many events the bundle may take in now."""
        if bundle.version is None or bundle.version == self._given_up or bundle.sequence is None:
            return 0
        if self._live.rollout.state.steps or not any(model.updates_in_part for model in bundle.models.values()):
            return 0
        left = self._live.current.pipeline.config.updates.most_events - bundle.n_taken_in
        if left <= 0:
            self._given_up = bundle.version
            log.warning("updates_ended", version=bundle.label, why="as many as [updates] most_events; train anew")
        return max(0, min(left, MOST_AT_ONCE))


def with_events(bundle: Bundle, events: Sequence[tuple[int, Event]]) -> Bundle:
    """The bundle with events (and their sequences) that came later in the models that can learn from them.

    Raises:
        ModelError: a model gave values that are not finite.
    """
    taken = [(event, weight) for _, event in events if (weight := _weight(bundle.weights, event)) is not None]
    growth = grown(
        bundle.population,
        [event.user_id for event, _ in taken],
        [event.item_id for event, _ in taken],
        [weight for _, weight in taken],
        [math.nan if event.timestamp == UNKNOWN_TIME else event.timestamp for event, _ in taken],
    )
    models = {
        name: model.updated(growth.population, users=growth.users, items=growth.items)
        if model.updates_in_part
        else model
        for name, model in bundle.models.items()
    }
    return replace(
        bundle,
        models=models,
        population=growth.population,
        sequence=events[-1][0],
        n_taken_in=bundle.n_taken_in + len(events),
    )


def _weight(weights: EventWeights, event: Event) -> float | None:
    """The weight of an event; None for one that has none, which is passed over."""
    try:
        weight = weights.weight(event)
    except (ArithmeticError, ValueError) as exc:
        log.warning("event_passed_over", subscriber="updates", event_id=event.event_id, error=str(exc))
        return None
    return weight if math.isfinite(weight) else None
