"""The engine: the one object behind the API, the command line and the tool. It coordinates, the work is elsewhere."""

import asyncio
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

from foretaste import __version__
from foretaste.data import Query
from foretaste.errors import ForetasteError, NotFoundError, StorageError, UnknownItemError, UnknownUserError
from foretaste.events import check_id, check_user_id, is_session_user, session_user
from foretaste.logs import get_logger
from foretaste.models.threads import n_threads
from foretaste.monitoring import Metrics
from foretaste.serving.answers import Answer, Status, Traced, WriteResult
from foretaste.serving.asking import answer_of, category_mask, clean_history, list_of_kind, similar_lists
from foretaste.serving.batcher import Batcher
from foretaste.serving.cache import Asked, CacheCollector, CachedLists, CacheLimits, SharedLists
from foretaste.serving.cold.sessions import in_session
from foretaste.serving.collect import record_events, upsert_records
from foretaste.serving.config import Kind, PipelineConfig
from foretaste.serving.exposures import ExposureLog, exposure_of
from foretaste.serving.live.figures import Made
from foretaste.serving.live.models import Live, LiveModels, Provisional
from foretaste.serving.live.rollout import steps_of
from foretaste.serving.live.rollout_state import Step
from foretaste.serving.live.serving import Arm
from foretaste.serving.live.trials import made_of_outcome
from foretaste.serving.live.users import History, UserStates, history_of
from foretaste.serving.pipeline import STAGES, Guard, Outcome, Parts
from foretaste.storage.artifacts import Artifacts, ModelVersion
from foretaste.storage.records import Page, Record, RecordKind, Records

DEFAULT_K = 10
log = get_logger(__name__)


class Engine:
    """Recommends, takes in what happens, and keeps its models up to date.

    ``async with Engine(…) as engine`` starts and stops it; ``open_engine(settings)`` also opens the stores. Methods
    may be called from many tasks at once.
    """

    def __init__(
        self,
        records: Records,
        artifacts: Artifacts,
        pipeline: PipelineConfig,
        *,
        default_k: int = DEFAULT_K,
        min_history: int = 1,
        use_own_pipeline: bool = False,
        provisional: Provisional | None = None,
        metrics: Metrics | None = None,
        cache: CacheLimits | None = None,
        shared_lists: SharedLists | None = None,
    ) -> None:
        self.records, self.artifacts = records, artifacts
        self.default_k = default_k
        self.metrics = metrics if metrics is not None else Metrics()
        self._executor = ThreadPoolExecutor(n_threads(), thread_name_prefix="foretaste-model")
        self._batcher = Batcher(n_threads())
        self._loader = ThreadPoolExecutor(2, thread_name_prefix="foretaste-loader")
        guard = Guard(on_change=self.metrics.set_breaker)
        self._users = UserStates(records)
        self.exposures = ExposureLog(records, metrics=self.metrics)
        self._started = time.monotonic()
        self._live = LiveModels(
            records,
            artifacts,
            pipeline,
            metrics=self.metrics,
            executor=self._loader,
            provisional=provisional,
            use_own_pipeline=use_own_pipeline,
            min_history=min_history,
            parts=Parts(guard=guard),
        )

        limits = cache if cache is not None else CacheLimits()
        self.lists = CachedLists(
            records,
            self._make_list,
            live_for=lambda user_id: self._live.arm(user_id).live,
            refresh=self._live.refresh,
            limits=limits,
            shared=shared_lists,
            on_shown=self.exposures.shown,
        )
        CacheCollector(self.metrics.registry, self.lists)

    async def __aenter__(self) -> "Engine":
        await self._live.start()
        await self.exposures.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.exposures.close()
        await self._live.close()
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._loader.shutdown(wait=True, cancel_futures=True)

    # --- lists ---------------------------------------------------------------------------------------------------

    async def recommend(
        self,
        user_id: str,
        k: int | None = None,
        *,
        scenario: str = "default",
        context: Mapping[str, object] | None = None,
        exclude: Iterable[str] = (),
        category: str | None = None,
        explain: bool = False,
    ) -> Answer:
        """The list of one user, from everything the store knows of them at this moment.

        An unknown user gets the fallback list, and the answer says so.

        Raises:
            InvalidRecordError: the id is no id.
            ConfigurationError: k out of range.
        """
        query = self._query(check_user_id(user_id), k, scenario, context, exclude)
        return (await self._answer([query], category=category, explain=explain))[0]

    async def trace(
        self,
        user_id: str,
        k: int | None = None,
        *,
        item_ids: Iterable[str] = (),
        scenario: str = "default",
        context: Mapping[str, object] | None = None,
        exclude: Iterable[str] = (),
        category: str | None = None,
        explain: bool = False,
    ) -> Traced:
        """The list of one user made anew, and how it came about: times, and for each of ``item_ids`` (by default the
        list and the next candidates) what put it where it is or left it out. It is not logged as shown.

        Raises:
            InvalidRecordError: the id is no id.
            ConfigurationError: k out of range.
        """
        query = self._query(check_user_id(user_id), k, scenario, context, exclude)
        arm, start = self._live.arm(query.user_id), time.perf_counter()
        history, store_failed = await self._history(query.user_id or "", arm.live)
        state_s, query = time.perf_counter() - start, _with_history(query, history)
        outcome = await self._in_thread(_recommend, arm.live, [query], category, explain, frozenset(item_ids))
        actions = history.actions if history is not None else None
        answer = self._answer_of(arm.live, query, outcome, 0, store_failed=store_failed, actions=actions)
        seconds = {"state": state_s, **outcome.seconds}
        timings = {stage: round(1e3 * seconds[stage], 4) for stage in STAGES if stage in seconds}
        return Traced(replace(answer, experiment=arm.experiment), timings, outcome.traces[0])

    async def recommend_session(
        self,
        session_id: str,
        k: int | None = None,
        *,
        scenario: str = "default",
        context: Mapping[str, object] | None = None,
        exclude: Iterable[str] = (),
        category: str | None = None,
        explain: bool = False,
    ) -> Answer:
        """The list of an anonymous session, from its events in the store; the newest count most.

        A session without events gets the fallback list, and the answer says so.

        Raises:
            InvalidRecordError: the id is no id.
            ConfigurationError: k out of range.
        """
        query = self._query(session_user(session_id), k, scenario, context, exclude)
        answer = (await self._answer([query], category=category, explain=explain))[0]
        return replace(answer, user_id=None, session_id=session_id)

    async def recommend_many(
        self,
        user_ids: Sequence[str],
        k: int | None = None,
        *,
        scenario: str = "default",
        exclude: Iterable[str] = (),
        explain: bool = False,
    ) -> list[Answer]:
        """The lists of many users in one batch, in the order given."""
        excluded = frozenset(exclude)
        queries = [self._query(check_user_id(user_id), k, scenario, None, excluded) for user_id in user_ids]
        return await self._answer(queries, explain=explain) if queries else []

    async def recommend_for_history(
        self,
        history: Sequence[Any],
        k: int | None = None,
        *,
        scenario: str = "default",
        context: Mapping[str, object] | None = None,
        exclude: Iterable[str] = (),
        category: str | None = None,
        explain: bool = False,
    ) -> Answer:
        """The list of somebody unknown with this history, oldest first: item ids, or objects like events.

        Raises:
            InvalidRecordError: an entry that is neither.
        """
        live = self._live.current
        given = clean_history(history, live.bundle.weights)
        query = _with_history(self._query(None, k, scenario, context, exclude), given)
        outcome, at = await self._run(Arm(live), [query], category, explain)
        return self._shown(self._answer_of(live, query, outcome, at, actions=given.actions))

    async def similar_items(self, item_id: str, k: int | None = None, *, explain: bool = False) -> Answer:
        """Items that resemble one item, the most similar first.

        An item that no model knows yet gets others of its category, and the answer says so.

        Raises:
            UnknownItemError: neither the models nor the store know the item.
        """
        item_id = check_id(item_id, "item_id")
        live = self._live.current
        if item_id not in live.catalogue:
            await self._live.refresh_items()
            live = self._live.current
        if item_id not in live.catalogue:
            raise UnknownItemError(f"item {item_id!r} is unknown", hint="add it with PUT /api/v1/items/{item_id}")
        query = replace(self._query(None, k, "similar", None, ()), exclude=frozenset({item_id}))
        outcome = await self._in_thread(similar_lists, live, item_id, query, explain)
        self._observe(outcome)
        answer = self._answer_of(live, query, outcome, 0)
        return self._shown(replace(answer, item_id=item_id))

    async def ranked(
        self, kind: Kind, k: int | None = None, *, category: str | None = None, explain: bool = False
    ) -> Answer:
        """The same list for everybody: ``popular``, ``trending`` or ``new``, in one category where asked."""
        live = self._live.current
        query = self._query(None, k, kind, None, ())
        outcome = await self._in_thread(list_of_kind, live, kind, query, category, explain)
        self._observe(outcome)
        return self._shown(self._answer_of(live, query, outcome, 0))

    # --- records -------------------------------------------------------------------------------------------------

    async def record_events(self, raw: Sequence[Any]) -> list[WriteResult]:
        """Store events durably; one result a record, in order. Refused ones go to the dead letters.

        Raises:
            StorageUnavailableError, StorageFullError: nothing of this call was stored; send it again.
        """
        return await record_events(self.records, raw, self.metrics)

    async def upsert(self, kind: RecordKind, raw: Sequence[Any]) -> list[WriteResult]:
        """Insert or replace users or items; one result a record, in order."""
        results = await upsert_records(self.records, kind, raw, self.metrics)
        if kind == "item":
            await self._live.refresh_items()
        return results

    async def get(self, kind: RecordKind, record_id: str) -> Record:
        """One user or item.

        Raises:
            UnknownUserError, UnknownItemError: there is none.
        """
        record = await self.records.get(kind, check_id(record_id, f"{kind}_id"))
        if record is None:
            raise _unknown(kind, record_id)
        return record

    async def page(self, kind: RecordKind, *, cursor: str | None = None, limit: int = 100) -> Page:
        """Users or items in the order of their ids."""
        return await self.records.page(kind, cursor=cursor, limit=limit)

    async def delete(self, kind: RecordKind, record_id: str) -> None:
        """Remove a user with all its events, or an item.

        Raises:
            UnknownUserError, UnknownItemError: there is none.
        """
        if not await self.records.delete(kind, check_id(record_id, f"{kind}_id")):
            raise _unknown(kind, record_id)
        if kind == "item":
            await self._live.refresh_items()

    # --- models --------------------------------------------------------------------------------------------------

    async def models(self) -> tuple[Sequence[ModelVersion], str | None]:
        """All published versions, newest first, and the live one."""
        return await self.artifacts.versions(), await self.artifacts.live()

    async def promote(
        self,
        version: str,
        steps: Sequence[Step] = (),
        *,
        guards: Mapping[str, Any] | None = None,
        actor: str = "local",
    ) -> ModelVersion:
        """Make a version live for all processes, after this one has loaded it and sent questions through it.

        With ``steps`` (:func:`foretaste.serving.live.rollout.steps_of`) it is first compared aside or shown to a share
        of the users, and goes live by itself when all is well; ``guards`` replace limits of the pipeline's.

        Raises:
            NotFoundError: no such version.
            CorruptStateError, ModelError: it cannot be served; the live one stays.
            ConflictError: (with steps) it is live already.
        """
        described = await self.artifacts.get(version)
        await self._live.promote(version, steps, guards=guards, actor=actor)
        return described

    async def take_retrained(self, version: str) -> None:
        """Bring in what the schedule trained: at once (loaded, tried, then watched), or in steps as the live pipeline
        says.

        Raises:
            CorruptStateError, ModelError: it cannot be served; the live one stays.
        """
        config = self._live.current.pipeline.config.rollout
        in_steps = config.retrained == "steps" and self._live.current.bundle.version is not None
        steps = steps_of(config, shadow=True, canary=config.canary_share) if in_steps else ()
        await self.promote(version, steps, actor="schedule")

    async def roll_back(self, to: str | None = None, *, actor: str = "local") -> None:
        """Give up what is being rolled out, or make the version before (or ``to``) live again.

        Raises:
            NotFoundError: no such version.
            ConflictError: there is nothing to go back to.
        """
        await self._live.roll_back(to, actor=actor)

    async def retire(self, keep: int) -> list[str]:
        """Delete all but the ``keep`` newest versions and those in use; returns the deleted ones."""
        return await self._live.rollout.retire(keep)

    def steps(self, *, shadow: bool, canary: float | None, seconds: float | None, hold: bool) -> tuple[Step, ...]:
        """The steps of a rollout, with the lengths that the live pipeline configures where none is given."""
        config = self._live.current.pipeline.config.rollout
        return steps_of(config, shadow=shadow, canary=canary, seconds=seconds, hold=hold)

    async def rollout(self) -> dict[str, Any]:
        """Where the rollout stands: versions, step, limits, figures of both versions, and what happened before."""
        return await self._live.status()

    async def refresh(self) -> None:
        """Look for a newer live version and changed items now instead of a moment later."""
        await self._live.refresh()

    async def status(self) -> Status:
        """How the service is: store, models, catalogue."""
        store = "ok"
        try:
            await self.records.ping()
        except ForetasteError as exc:
            store = str(exc)
        live, refused = self._live.current, self._live.refused
        model = "none" if live.bundle.version is None else "ok"
        if refused is not None:
            model = f"version {refused.version} was refused: {refused.why}"
        is_ready = store == "ok"
        healthy = is_ready and refused is None and self._live.store_error is None
        return Status(
            ready=is_ready,
            state="ok" if healthy else "degraded" if is_ready else "down",
            version=__version__,
            model_version=live.bundle.version,
            models=tuple(sorted(live.bundle.models)),
            store=store,
            model=model,
            uptime_s=time.monotonic() - self._started,
            details={
                "pipeline": live.pipeline.config.name,
                "scenarios": sorted(live.pipeline.config.scenarios),
                "items": int(live.catalogue.allowed.sum()),
                "users_in_model": len(live.bundle.users),
                "items_in_model": len(live.bundle.items),
            },
        )

    # --- inside --------------------------------------------------------------------------------------------------

    def _query(
        self,
        user_id: str | None,
        k: int | None,
        scenario: str,
        context: Mapping[str, object] | None,
        exclude: Iterable[str],
    ) -> Query:
        return Query(
            user_id=user_id,
            k=self.default_k if k is None else k,
            exclude=frozenset(exclude),
            scenario=scenario,
            context=context or {},
        )

    async def _answer(
        self, queries: Sequence[Query], *, category: str | None = None, explain: bool = False
    ) -> list[Answer]:
        made: dict[int, Answer] = {}
        for arm, places in self._live.arms([query.user_id for query in queries]):
            part = [queries[place] for place in places]
            answers = await self._live.answer(
                arm, len(part), partial(self._answer_by, queries=part, category=category, explain=explain)
            )
            self._live.shadow(answers, partial(self._made_aside, queries=part, category=category))
            made |= zip(places, answers, strict=True)
        return [self._shown(made[place]) for place in range(len(queries))]

    def _shown(self, answer: Answer) -> Answer:
        self.exposures.log(exposure_of(answer, time.time()))
        return answer

    async def _answer_by(
        self, arm: Arm, *, queries: Sequence[Query], category: str | None, explain: bool
    ) -> list[Answer]:
        """The lists of one arm: wholly from its models, catalogue and pipeline."""
        filled, failed, actions = [], [], []
        for query in queries:
            history, store_failed = await self._history(query.user_id or "", arm.live)
            filled.append(_with_history(query, history))
            failed.append(store_failed)
            actions.append(history.actions if history is not None else None)
        start = time.perf_counter()
        outcome, at = await self._run(arm, filled, category, explain)
        seconds = time.perf_counter() - start
        answers = [
            replace(
                self._answer_of(arm.live, query, outcome, at + b, store_failed=failed[b], actions=actions[b]),
                experiment=arm.experiment,
            )
            for b, query in enumerate(filled)
        ]
        self._live.seen(arm, answers, seconds)
        return answers

    async def _made_aside(self, arm: Arm, *, queries: Sequence[Query], category: str | None) -> list[Made]:
        """The lists that an arm would give; nobody gets them, and no figure of the service counts them."""
        filled = [_with_history(query, (await self._history(query.user_id or "", arm.live))[0]) for query in queries]
        outcome = await self._in_thread(_recommend, arm.live, filled, category, False, executor=arm.executor)
        return made_of_outcome(outcome, queries)

    async def _history(self, user_id: str, live: Live) -> tuple[History | None, bool]:
        """The user's history as the store has it now, and whether the store failed (then training data must do)."""
        try:
            state = await self._users.get(user_id)
        except StorageError as exc:
            self.metrics.count_store_error("user_state")
            log.warning("history_not_read", error=str(exc))
            return None, True
        self._live.notice(state.stamp.shared)
        bundle = live.bundle
        history = history_of(state.events, bundle.weights, user_id=user_id, population=bundle.population)
        if history is not None and is_session_user(user_id):
            history = in_session(history, live.pipeline.config.session)
        return history, False

    async def _make_list(self, subject: str, asked: Asked) -> Answer:
        """What the caches keep: a user's list, or what resembles an item."""
        if asked.kind == "similar":
            return await self.similar_items(subject, asked.k, explain=asked.explain)
        return await self.recommend(
            subject,
            asked.k,
            scenario=asked.scenario,
            exclude=asked.exclude,
            category=asked.category,
            explain=asked.explain,
        )

    async def _run(
        self, arm: Arm, queries: Sequence[Query], category: str | None, explain: bool
    ) -> tuple[Outcome, int]:
        """The outcome of the batch that the queries went with, and the place of the first of them in it."""
        live, scenario = arm.live, queries[0].scenario

        async def work(together: Sequence[Query]) -> Outcome:
            start = time.perf_counter()
            outcome = await self._in_thread(_recommend, live, together, category, explain, executor=arm.executor)
            self.metrics.observe_pipeline(_label(live, scenario), time.perf_counter() - start)
            self._observe(outcome)
            return outcome

        if arm.executor is not None:  # threads of its own
            return await work(queries), 0
        return await self._batcher.run((id(live), scenario, category, explain), queries, work)

    async def _in_thread(
        self, work: Callable[..., Outcome], *arguments: Any, executor: Executor | None = None
    ) -> Outcome:
        return await asyncio.get_running_loop().run_in_executor(executor or self._executor, work, *arguments)

    def _observe(self, outcome: Outcome) -> None:
        self.metrics.observe_stages(outcome.seconds)
        for source in outcome.failed:
            self.metrics.count_source_error(source)
        for source, why in {(skipped.source, skipped.why) for one in outcome.skipped for skipped in one}:
            self.metrics.count_skipped(source, why)

    def _answer_of(
        self,
        live: Live,
        query: Query,
        outcome: Outcome,
        b: int,
        *,
        store_failed: bool = False,
        actions: Mapping[str, str] | None = None,
    ) -> Answer:
        answer = answer_of(
            live,
            query,
            outcome,
            b,
            store_failed=store_failed,
            recommendation_id=uuid.uuid4().hex,
            actions=actions,
        )
        self.metrics.observe_list(
            scenario=_label(live, query.scenario),
            fallback=answer.fallback,
            sources=[item.source for item in answer.items],
            degraded=answer.degraded,
        )
        return answer


def _recommend(
    live: Live, queries: Sequence[Query], category: str | None, explain: bool, trace: frozenset[str] | None = None
) -> Outcome:
    return live.pipeline.run(
        queries,
        live.bundle,
        catalogue=live.catalogue,
        allowed=category_mask(live.catalogue, category),
        explain=explain,
        in_time=True,
        trace=trace,
    )


def _with_history(query: Query, history: History | None) -> Query:
    if history is None:
        return query
    return replace(
        query,
        history=history.item_ids,
        history_weights=history.weights,
        history_timestamps=history.timestamps,
        history_importance=history.importance,
    )


def _label(live: Live, scenario: str) -> str:
    """The scenario as a metric's label: only names that the pipeline has, so that callers cannot add labels."""
    known = scenario in live.pipeline.config.scenarios or scenario in {"similar", "popular", "trending", "new"}
    return scenario if known else "default"


def _unknown(kind: RecordKind, record_id: str) -> NotFoundError:
    if kind == "user":
        return UnknownUserError(f"user {record_id!r} is unknown", hint="add it with PUT /api/v1/users/{user_id}")
    return UnknownItemError(f"item {record_id!r} is unknown", hint="add it with PUT /api/v1/items/{item_id}")
