"""The engine: the one object behind the API, the command line and the tool. It coordinates, the work is elsewhere."""

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from foretaste.data import Query
from foretaste.events import check_id, check_user_id, session_user
from foretaste.monitoring import Metrics
from foretaste.serving.access import Access, Audit
from foretaste.serving.answering import Answering
from foretaste.serving.answers import Answer, Status, Traced, WriteResult
from foretaste.serving.asking import clean_history
from foretaste.serving.cache import Asked, CacheCollector, CachedLists, CacheLimits, SharedLists
from foretaste.serving.cold.alike import Alike
from foretaste.serving.cold.circles import Circles
from foretaste.serving.cold.onboarding import Onboarding
from foretaste.serving.cold.sources import cold_sources
from foretaste.serving.collect import record_events, unknown_record, upsert_records
from foretaste.serving.commands import Commands
from foretaste.serving.config import Kind, PipelineConfig
from foretaste.serving.exposures import ExposureLog
from foretaste.serving.health import status_of
from foretaste.serving.live.counting import Counting
from foretaste.serving.live.following import Following
from foretaste.serving.live.models import LiveModels, Provisional
from foretaste.serving.live.rollout_state import Step
from foretaste.serving.live.rulers import Rulers
from foretaste.serving.pipeline import Guard, Parts
from foretaste.storage.artifacts import Artifacts, ModelVersion
from foretaste.storage.records import Page, Record, RecordKind, Records

DEFAULT_K = 10


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
        access: Access | None = None,
    ) -> None:
        self.records, self.artifacts = records, artifacts
        self.access = access if access is not None else Access(records)
        self.audit = Audit(records)
        self.default_k = default_k
        self.metrics = metrics if metrics is not None else Metrics()
        self._loader = ThreadPoolExecutor(2, thread_name_prefix="foretaste-loader")
        self.exposures = ExposureLog(records, metrics=self.metrics)
        self._started = time.monotonic()
        counting, circles = Counting(records, lambda: self._live.current), Circles(records)
        sources = {**counting.sources, **cold_sources(circles)}
        parts = Parts(sources, Guard(on_change=self.metrics.set_breaker))
        self._live = LiveModels(
            records,
            artifacts,
            pipeline,
            metrics=self.metrics,
            executor=self._loader,
            provisional=provisional,
            use_own_pipeline=use_own_pipeline,
            min_history=min_history,
            parts=parts,
        )
        self.following = Following(
            records, self._live, counting, parts.explorer, metrics=self.metrics, executor=self._loader
        )
        self._answering = Answering(
            records, self._live, metrics=self.metrics, exposures=self.exposures, circles=circles
        )
        self.rules = Rulers(records, self._live)
        """Rules and scenarios that the shop sets."""
        self.commands = Commands(records, self._live)
        """What administrators set and have done."""
        self.onboarding = Onboarding(records, self._live, self.metrics)
        """What newcomers are asked, and what they answer."""
        self.lists = CachedLists(
            records,
            self._make_list,
            live_for=lambda user_id: self._live.arm(user_id).live,
            refresh=self._live.refresh,
            steer=self._live.steer,
            limits=cache if cache is not None else CacheLimits(),
            shared=shared_lists,
            on_shown=self.exposures.shown,
        )
        CacheCollector(self.metrics.registry, self.lists)

    async def __aenter__(self) -> "Engine":
        await self._live.start()
        await self.following.start()
        await self.exposures.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.access.close()
        await self.exposures.close()
        await self.following.close()
        await self._live.close()
        self._answering.close()
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
        return (await self._answering.lists([query], category=category, explain=explain))[0]

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
        return await self._answering.traced(query, item_ids=frozenset(item_ids), category=category, explain=explain)

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
        answer = (await self._answering.lists([query], category=category, explain=explain))[0]
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
        return await self._answering.lists(queries, explain=explain) if queries else []

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
        given = clean_history(history, self._live.current.bundle.weights)
        query = self._query(None, k, scenario, context, exclude)
        return await self._answering.for_history(query, given, category=category, explain=explain)

    async def similar_items(self, item_id: str, k: int | None = None, *, explain: bool = False) -> Answer:
        """Items that resemble one item, the most similar first.

        An item that no model knows yet gets others of its category, and the answer says so.

        Raises:
            UnknownItemError: neither the models nor the store know the item.
        """
        item_id = check_id(item_id, "item_id")
        await self._answering.up_to_date()
        live = self._live.current
        if item_id not in live.catalogue:
            await self._live.refresh_items()
            live = self._live.current
        if item_id not in live.catalogue:
            raise unknown_record("item", item_id)
        query = self._query(None, k, "similar", None, ())
        return await self._answering.similar(live, item_id, query, explain=explain)

    async def similar_users(self, user_id: str, k: int | None = None) -> Alike:
        """Users who resemble one user, most alike first.

        Raises:
            UnknownUserError: neither the models nor the store know the user.
        """
        query = self._query(check_user_id(user_id), k, "similar", None, ())
        found = await self._answering.users_alike(query)
        if found is None:
            raise unknown_record("user", user_id)
        return found

    async def ranked(
        self, kind: Kind, k: int | None = None, *, category: str | None = None, explain: bool = False
    ) -> Answer:
        """The same list for everybody: ``popular``, ``trending`` or ``new``, in one category where asked."""
        query = self._query(None, k, kind, None, ())
        return await self._answering.of_kind(kind, query, category=category, explain=explain)

    # --- records -------------------------------------------------------------------------------------------------

    async def record_events(self, raw: Sequence[Any]) -> list[WriteResult]:
        """Store events durably; one result a record, in order. Refused ones go to the dead letters.

        Raises:
            StorageUnavailableError, StorageFullError: nothing of this call was stored; send it again.
        """
        results = await record_events(self.records, raw, self.metrics)
        self.following.wake()
        return results

    async def merge_session(self, user_id: str, session_id: str) -> int:
        """Give the events of an anonymous session to a known user; returns how many were moved now.

        Raises:
            InvalidRecordError: one of the ids is no id.
            StorageUnavailableError, StorageFullError: nothing was moved.
        """
        return await self.records.move_events(session_user(session_id), check_user_id(user_id))

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
            raise unknown_record(kind, record_id)
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
            raise unknown_record(kind, record_id)
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
        return self._live.rollout.steps(shadow=shadow, canary=canary, seconds=seconds, hold=hold)

    async def rollout(self) -> dict[str, Any]:
        """Where the rollout stands: versions, step, limits, figures of both versions, and what happened before."""
        return await self._live.status()

    async def refresh(self) -> None:
        """Look for a newer live version and changed items now instead of a moment later."""
        await self._live.refresh()

    async def status(self) -> Status:
        """How the service is: store, models, catalogue."""
        return await status_of(self.records, self._live, uptime_s=time.monotonic() - self._started)

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

    async def _make_list(self, subject: str, asked: Asked) -> Answer:
        """What the caches keep: a user's list, or what resembles an item."""
        if asked.kind == "similar":
            return await self.similar_items(subject, asked.k, explain=asked.explain)
        category, explain = asked.category, asked.explain
        return await self.recommend(
            subject, asked.k, scenario=asked.scenario, exclude=asked.exclude, category=category, explain=explain
        )
