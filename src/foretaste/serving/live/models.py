"""The live models: which version serves now, and how the next one is taken up without a request noticing."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace

from foretaste.data import Query
from foretaste.errors import ForetasteError, ModelError, StorageUnavailableError
from foretaste.logs import get_logger
from foretaste.models import Recommender
from foretaste.monitoring import Metrics
from foretaste.serving.config import PipelineConfig, parse_pipeline
from foretaste.serving.live.bundle import Bundle, empty_bundle, load
from foretaste.serving.live.catalogue import Catalogue, changes
from foretaste.serving.pipeline import Parts, Pipeline
from foretaste.storage.artifacts import Artifacts
from foretaste.storage.records import Records

POLL_S = 0.1
"""How often the live version and the catalogue are looked up."""
RETRY_S = 60.0
"""After this time a refused version is tried again."""
PROVISIONAL_S = 1.0
"""Least time between two rebuilds of the baselines that serve before the first training."""
log = get_logger(__name__)
Provisional = Callable[[PipelineConfig], Awaitable[Bundle]]


@dataclass(frozen=True)
class Live:
    """All that one request needs, taken once at its start: models, catalogue and pipeline that fit each other."""

    bundle: Bundle
    catalogue: Catalogue
    pipeline: Pipeline


@dataclass(frozen=True)
class Refusal:
    """A version that could not be taken up."""

    version: str
    why: str
    at: float


class LiveModels:
    """Follows the live version of the artifact store and the items of the record store.

    ``current`` is replaced as one reference: a request that holds the old value finishes with it. A version that is
    damaged or fails its warm-up is refused, and the one before stays.
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
        self._min_history = min_history
        self._parts = parts
        self._provisional = provisional
        self._counted_events = -1
        self._rebuild_after = 0.0
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        bundle = empty_bundle()
        self.current = Live(bundle, Catalogue(bundle.items), self._pipeline(pipeline))
        self.refused: Refusal | None = None
        self.store_error: str | None = None

    def _pipeline(self, config: PipelineConfig) -> Pipeline:
        return Pipeline(config, min_history=self._min_history, parts=self._parts)

    async def start(self) -> None:
        """Load what is live now, then keep following."""
        await self.refresh()
        self._task = asyncio.create_task(self._follow(), name="foretaste-live-models")

    async def close(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            await self.refresh()

    async def refresh(self) -> None:
        """Take up a newer version and changed items, if there are any; never raises for a store or a model."""
        async with self._lock:
            try:
                wanted = await self._artifacts.live()
                await self._follow_items()
                if wanted is not None and wanted != self.current.bundle.version and not self._is_refused(wanted):
                    await self._take_up(wanted)
                elif wanted is None and self.current.bundle.version is None:
                    await self._rebuild_provisional()
                self.store_error = None
            except ForetasteError as exc:
                if self.store_error != str(exc):
                    log.warning("refresh_failed", error=str(exc))
                self._metrics.count_store_error("refresh")
                self.store_error = str(exc)

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
        pipeline = self._pipeline(config)
        catalogue = self.current.catalogue

        def prepare() -> Live:
            bundle = load(folder, described)
            live = Live(bundle, catalogue.for_models(bundle.items, bundle.trained_at).prepare(), pipeline)
            warm_up(live)
            return live

        return await asyncio.get_running_loop().run_in_executor(self._executor, prepare)

    def adopt(self, live: Live) -> None:
        """Serve with ``live`` from the next request on."""
        if live.catalogue.version != self.current.catalogue.version:
            facts = self.current.catalogue
            live = replace(live, catalogue=facts.for_models(live.bundle.items, live.bundle.trained_at).prepare())
        self.current = live
        self._metrics.set_catalogue(int(live.catalogue.allowed.sum()))
        if live.bundle.version is not None:
            self.refused = None
            self._metrics.count_load("loaded")
            self._metrics.set_model(live.bundle.version, time.time())
            log.info("model_live", version=live.bundle.version, models=sorted(live.bundle.models))

    def _is_refused(self, version: str) -> bool:
        refused = self.refused
        return refused is not None and refused.version == version and time.monotonic() - refused.at < RETRY_S

    async def _take_up(self, version: str) -> None:
        try:
            self.adopt(await self.check(version))
        except StorageUnavailableError:
            raise
        except Exception as exc:  # noqa: BLE001 - a bad version must not stop the service; it is logged, counted, shown
            why = str(exc) if isinstance(exc, ForetasteError) else f"{type(exc).__name__}: {exc}"
            self.refused = Refusal(version, why, time.monotonic())
            self._metrics.count_load("refused")
            log.error("model_refused", version=version, error=why, serving=self.current.bundle.version)

    async def _follow_items(self) -> None:
        before = self.current.catalogue
        changed = await changes(self._records, before.version)
        if changed:
            loop = asyncio.get_running_loop()
            after = await loop.run_in_executor(self._executor, lambda: before.changed(changed).prepare())
            self.current = replace(self.current, catalogue=after)
            self._metrics.set_catalogue(int(after.allowed.sum()))

    async def _rebuild_provisional(self) -> None:
        """Before the first training: baselines over the events that are there, built again when more have come."""
        if self._provisional is None or time.monotonic() < self._rebuild_after:
            return
        count = await self._records.count("event")
        if count in {self._counted_events, 0}:
            return
        start = time.monotonic()
        try:
            bundle = await self._provisional(self._config)
        except ModelError as exc:
            log.warning("baselines_failed", error=str(exc))
            return
        self._counted_events = count
        self._rebuild_after = time.monotonic() + max(PROVISIONAL_S, 10 * (time.monotonic() - start))
        catalogue = self.current.catalogue.for_models(bundle.items, bundle.trained_at)
        self.adopt(Live(bundle, catalogue.prepare(), self.current.pipeline))


def warm_up(live: Live) -> None:
    """Send every kind of question through the pipeline, so that kernels are compiled and faults show.

    Raises:
        ModelError: a model raised, or a list that must not be empty is.
    """
    bundle, pipeline = live.bundle, live.pipeline
    users = bundle.users.ids.head(1).to_list()
    items = tuple(bundle.items.ids.head(3).to_list())
    for scenario in ("default", *pipeline.config.scenarios):
        questions = [
            [Query(user_id=user, k=5, scenario=scenario) for user in users],
            [Query(history=items, history_weights=(1.0,) * len(items), k=5, scenario=scenario)],
            [Query(k=5, scenario=scenario)],
        ]
        for queries in filter(None, questions):
            outcome = pipeline.run(queries, bundle, catalogue=live.catalogue, explain=True)
            if outcome.failed:
                raise ModelError(f"model {outcome.failed[0]!r} of version {bundle.version} failed its warm-up")
            if len(bundle.items) > len(items) and live.catalogue.allowed.sum() > len(items) + 1:
                _check_not_empty(int(outcome.lists.lengths.min()), str(bundle.version))
    for name, model in bundle.models.items():
        _warm_up_similar(name, model, items[:1])


def _check_not_empty(length: int, version: str) -> None:
    if length == 0:
        raise ModelError(f"version {version} gives empty lists", hint="train again, or look at its data")


def _warm_up_similar(name: str, model: Recommender, items: tuple[str, ...]) -> None:
    if model.finds_similar_items and items:
        try:
            model.similar_items(items, 5)
        except Exception as exc:
            raise ModelError(f"model {name!r} failed its warm-up: {type(exc).__name__}: {exc}") from exc
