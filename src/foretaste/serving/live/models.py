"""The live models: which version serves whom now, and how the next one is taken up without a request noticing."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from foretaste.errors import ForetasteError, StorageUnavailableError
from foretaste.logs import get_logger
from foretaste.monitoring import Metrics
from foretaste.serving.answers import Answer
from foretaste.serving.config import PipelineConfig, parse_pipeline
from foretaste.serving.live.baselines import Baselines, Provisional
from foretaste.serving.live.bundle import Bundle, empty_bundle, load
from foretaste.serving.live.catalogue import Catalogue, changes
from foretaste.serving.live.making import LiveMaker
from foretaste.serving.live.rollout import Rollout
from foretaste.serving.live.rollout_state import RolloutState, Step
from foretaste.serving.live.serving import Arm, Live, Refusal
from foretaste.serving.live.trials import Make, MakeAside, Trials
from foretaste.serving.live.warming import warm_up
from foretaste.serving.pipeline import Parts
from foretaste.storage.artifacts import Artifacts
from foretaste.storage.records import Records

T = TypeVar("T")
POLL_S = 0.1
"""How often the live version and the catalogue are looked up when no request brings word of a change."""
RETRY_S = 60.0
"""After this time a refused version is tried again."""
log = get_logger(__name__)


class LiveModels:
    """Follows the rollout, the live version of the artifact store and the items of the record store.

    ``current`` is replaced as one reference: a request that holds the old value finishes with it. A version that is
    damaged or fails its warm-up is refused, and the one before stays. A candidate is loaded beside it; :meth:`arm` says
    who is served by which. ``generation`` grows whenever the same request might be answered otherwise for a reason in
    this process (models, catalogue, rollout), so a cached list is valid for the generation that it was made in.
    """

    def __init__(
        self,
        records: Records,
        artifacts: Artifacts,
        pipeline: PipelineConfig,
        *,
        metrics: Metrics,
        executor: Executor,
        provisional: Provisional | None = None,
        use_own_pipeline: bool = False,
        min_history: int = 1,
        parts: Parts | None = None,
    ) -> None:
        self._records, self._artifacts, self._metrics, self._executor = records, artifacts, metrics, executor
        self._config = pipeline
        self._own_pipeline = use_own_pipeline
        self._baselines = Baselines(records, pipeline, provisional) if provisional is not None else None
        self._lock = asyncio.Lock()
        self._items_lock = asyncio.Lock()
        self._wake = asyncio.Event()
        self._shared = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._errors: dict[str, str] = {}
        self.generation = 0
        self.rollout = Rollout(records, artifacts, metrics=metrics, config=pipeline.rollout)
        self.trials = Trials(self.rollout)
        """What this worker does in the rollout under way."""
        bundle = empty_bundle()
        self._maker = LiveMaker(records, min_history=min_history, parts=parts)
        self._current = self._maker.made(bundle, Catalogue(bundle.items), pipeline)
        self._candidate: Live | None = None
        self._kept: Live | None = None
        self.refused: Refusal | None = None

    @property
    def store_error(self) -> str | None:
        """Why models or items could not be followed last; None when they could."""
        return next(iter(self._errors.values()), None)

    @property
    def current(self) -> Live:
        """What serves everybody who is in no canary."""
        return self._current

    @property
    def candidate(self) -> Live | None:
        """The loaded version that is being rolled out."""
        return self._candidate

    async def steer(self, shared: int) -> None:
        """Serve by the rules and scenarios as they stood at this counter of shared values, or later.

        What cannot be read, or is wrong, is logged and tried again; the rules before stay.
        """
        if not self._maker.is_behind(shared):
            return
        async with self._reporting("rules"):
            if not await self._maker.catch_up(shared):
                return
            self._current = self._maker.steered(self._current)
            self._candidate = None if self._candidate is None else self._maker.steered(self._candidate)
            self._kept = None if self._kept is None else self._maker.steered(self._kept)
            self.generation += 1

    async def start(self) -> None:
        """Load what is live now, then keep following."""
        await self.refresh()
        self._tasks = [
            asyncio.create_task(self._follow(), name="foretaste-live-models"),
            asyncio.create_task(self._follow_items(), name="foretaste-live-items"),
        ]

    async def close(self) -> None:
        """Stop following."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.trials.close()

    async def _follow(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):  # wait_for of Python 3.11 may swallow that the task is cancelled
                    await self._wake.wait()
            self._wake.clear()
            async with self._lock, self._reporting("models"):
                await self._follow_rollout()

    async def _follow_items(self) -> None:
        while True:  # a task of its own: loading a version takes seconds
            await asyncio.sleep(POLL_S)
            await self.refresh_items()
            await self._steer_now()

    async def _steer_now(self) -> None:
        async with self._reporting("stamp"):
            await self.steer((await self._records.stamp("")).shared)

    def notice(self, shared: int) -> None:
        """A request saw this counter of shared values: when it has moved on, look at once what changed."""
        if shared != self._shared:
            self._shared = shared
            self._wake.set()

    # --- who is served by what -----------------------------------------------------------------------------------

    def arm(self, user_id: str | None) -> Arm:
        """What answers this user: the same version for as long as the canary's share does not change."""
        if self._candidate is not None and self.trials.is_in_canary(user_id):
            return self.trials.canary(self._candidate)
        return Arm(self._current)

    def arms(self, user_ids: Sequence[str | None]) -> list[tuple[Arm, list[int]]]:
        """A batch divided by what answers: each arm with the places of its users."""
        return self.trials.arms(self._current, self._candidate, user_ids)

    async def answer(self, arm: Arm, n: int, make: Make) -> list[Answer]:
        """The ``n`` lists of one arm; when a canary fails or is late, those of the version that serves the others."""
        if arm.experiment is None:
            return await make(arm)
        answers = await self.trials.attempt(arm, n, make)
        return answers if answers is not None else await make(Arm(self._current))

    def shadow(self, answers: Sequence[Answer], make: MakeAside) -> None:
        """Perhaps let the candidate answer the same questions aside, and compare; the request does not wait."""
        if self._candidate is not None:
            self.trials.shadow(self._candidate, answers, make)

    def seen(self, arm: Arm, answers: Sequence[Answer], seconds: float) -> None:
        """Lists of an arm are ready; ``seconds`` is the time that the pipeline took for all of them."""
        self.trials.seen(arm, answers, seconds)

    # --- what people ask for -------------------------------------------------------------------------------------

    async def promote(
        self, version: str, steps: Sequence[Step] = (), *, guards: Mapping[str, Any] | None = None, actor: str
    ) -> None:
        """Load and try a version, then roll it out in steps, or make it live at once when there are none.

        Raises:
            NotFoundError: no such version.
            CorruptStateError, ModelError: it cannot be served; nothing changes.
            ConflictError: it is live already, or (with steps) nothing is.
            ConfigurationError: a guard is wrong.
        """
        async with self._lock:
            checked = await self.check(version)
            if steps:
                await self.rollout.begin(version, steps, guards=guards or {}, actor=actor)
                self._set_candidate(await self._fitted(checked))
            else:
                await self.rollout.swap(version, actor=actor)
                self.adopt(await self._fitted(checked))
            self.refused = None
            await self._follow_rollout()

    async def roll_back(self, to: str | None = None, *, why: str = "asked for", actor: str) -> None:
        """Give up what is being rolled out, or go back to the version before or to ``to``.

        Raises:
            NotFoundError: no such version.
            ConflictError: there is nothing to go back to.
            CorruptStateError, ModelError: ``to`` cannot be served; nothing changes.
        """
        async with self._lock:
            if to is not None:
                await self.check(to)
            await self.rollout.roll_back(to, why=why, actor=actor)
            await self._follow_rollout()

    async def status(self) -> dict[str, Any]:
        """Where the rollout stands, and what this process refused."""
        refused = self.refused
        return {
            **await self.rollout.status(),
            "refused": {"version": refused.version, "why": refused.why} if refused is not None else None,
        }

    # --- following -----------------------------------------------------------------------------------------------

    async def refresh(self) -> None:
        """Take up a newer version and changed items, if there are any; never raises for a store or a model."""
        await self.refresh_items()
        await self._steer_now()
        async with self._lock, self._reporting("models"):
            await self._follow_rollout()

    async def refresh_items(self) -> None:
        """Take up changed items alone: no version that is being loaded is waited for."""
        async with self._items_lock, self._reporting("items"):
            before = self._current.catalogue
            changed = await changes(self._records, before.version)
            if not changed:
                return
            after = await self._in_loader(lambda: before.changed(changed).prepare())
            while self._current.bundle.items is not after.model_items:  # other models went live meanwhile
                after = await self._in_loader(partial(_catalogue_for, after, self._current.bundle))
            self._current = replace(self._current, catalogue=after)
            self.generation += 1
            self._metrics.set_catalogue(int(after.allowed.sum()))
            if self._candidate is not None:
                self._set_candidate(await self._fitted(self._candidate))

    @asynccontextmanager
    async def _reporting(self, what: str) -> AsyncIterator[None]:
        try:
            yield
            self._errors.pop(what, None)
        except ForetasteError as exc:
            if self._errors.get(what) != str(exc):
                log.warning("refresh_failed", what=what, error=str(exc))
            self._metrics.count_store_error("refresh")
            self._errors[what] = str(exc)

    async def _follow_rollout(self) -> None:
        """Do what the shared state says: serve its live version, hold its candidate, and judge."""
        await self._follow_live(await self.rollout.read())
        await self._follow_candidate(self.rollout.state)
        state = self.rollout.state
        if self.trials.take(state):
            self.generation += 1
        if state.stage != "watch":
            self._kept = None
        if await self.trials.judge():
            self._wake.set()

    async def _follow_live(self, state: RolloutState) -> None:
        wanted, serving = state.live, self._current.bundle.version
        if wanted is None:
            if serving is None:
                await self._serve_baselines()
        elif wanted != serving and not self._is_refused(wanted):
            live = await self._accepted(wanted)
            if live is not None:
                self.adopt(await self._fitted(live))

    async def _follow_candidate(self, state: RolloutState) -> None:
        wanted, held = state.candidate, self._candidate
        if wanted is None:
            self._set_candidate(None)
        elif (held is None or held.bundle.version != wanted) and not self._is_refused(wanted):
            self._set_candidate(None)
            live = await self._accepted(wanted)
            if live is not None:
                self._set_candidate(await self._fitted(live))

    def _set_candidate(self, candidate: Live | None) -> None:
        if candidate is not self._candidate:
            self._candidate = candidate
            self.generation += 1

    # --- loading -------------------------------------------------------------------------------------------------

    def _is_refused(self, version: str) -> bool:
        refused = self.refused
        return refused is not None and refused.version == version and time.monotonic() - refused.at < RETRY_S

    async def _accepted(self, version: str) -> Live | None:
        """A version that may serve, or None when it is refused: then it is withdrawn for all workers."""
        try:
            return await self._ready(version)
        except StorageUnavailableError:
            raise
        except Exception as exc:  # noqa: BLE001 - a bad version must not stop the service; it is logged, counted, shown
            why = str(exc) if isinstance(exc, ForetasteError) else f"{type(exc).__name__}: {exc}"
        self.refused = Refusal(version, why, time.monotonic())
        self._metrics.count_load("refused")
        serving = self._current.bundle.version
        log.error("model_refused", version=version, error=why, serving=serving)
        await self.rollout.refuse(version, why, serving=serving)
        return None

    async def _ready(self, version: str) -> Live:
        """A version that is at hand, or loaded and tried now."""
        for live in (self._current, self._candidate, self._kept):
            if live is not None and live.bundle.version == version:
                return live
        return await self.check(version)

    async def check(self, version: str) -> Live:
        """Load and warm up a version without making it live.

        Raises:
            NotFoundError: no such version.
            CorruptStateError, ModelError: it cannot be served.
        """
        described = await self._artifacts.get(version)
        folder = await self._artifacts.fetch(version)
        config = self._config
        if described.pipeline and not self._own_pipeline:
            config = parse_pipeline(described.pipeline, origin=f"pipeline of version {version}")
        catalogue = self._current.catalogue
        return await self._in_loader(lambda: self._tried(load(folder, described), catalogue, config))

    async def take_updated(self, before: Bundle, after: Bundle) -> bool:
        """Serve with the models of ``before`` after they have learnt more; False where others went live meanwhile.

        Raises:
            ModelError: they cannot be served; the live ones stay.
        """
        now = self._current
        live = await self._fitted(await self._in_loader(partial(self._tried, after, now.catalogue, now.described)))
        if self._current.bundle is not before:
            return False
        self._current = live
        self.generation += 1
        return True

    def _tried(self, bundle: Bundle, catalogue: Catalogue, config: PipelineConfig) -> Live:
        live = self._maker.made(bundle, _catalogue_for(catalogue, bundle), config)
        warm_up(live)
        return live

    async def _fitted(self, live: Live) -> Live:
        """``live`` with the items and rules of now; between its return and the next ``await`` nothing can change."""
        while live.catalogue.version != self._current.catalogue.version:
            catalogue = await self._in_loader(partial(_catalogue_for, self._current.catalogue, live.bundle))
            live = replace(live, catalogue=catalogue)
        return self._maker.steered(live)

    async def _in_loader(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def adopt(self, live: Live) -> None:
        """Serve with ``live``, whose items are up to date, from the next request on."""
        before = self._current
        if live is before:
            return
        self._kept = before if before.bundle.version is not None else None
        self._current = live
        self._set_candidate(None)
        self.generation += 1
        self.rollout.config = live.pipeline.config.rollout
        self._metrics.set_catalogue(int(live.catalogue.allowed.sum()))
        if live.bundle.version is not None:
            self.refused = None
            self._metrics.count_load("loaded")
            self._metrics.set_model(live.bundle.version, time.time())
            log.info("model_live", version=live.bundle.version, models=sorted(live.bundle.models))

    async def _serve_baselines(self) -> None:
        """Before the first training: baselines over the events that are there."""
        bundle = await self._baselines.newer() if self._baselines is not None else None
        if bundle is not None:
            fitting = await self._in_loader(partial(_catalogue_for, self._current.catalogue, bundle))
            self.adopt(await self._fitted(self._maker.made(bundle, fitting, self._current.described)))


def _catalogue_for(catalogue: Catalogue, bundle: Bundle) -> Catalogue:
    return catalogue.for_models(bundle.items, bundle.trained_at).prepare()


__all__ = ["Live", "LiveModels", "Provisional", "Refusal"]
