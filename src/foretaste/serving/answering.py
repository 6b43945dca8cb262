"""How the engine answers: reads what the store knows, runs the pipeline in threads, and makes answers of the lists."""

import asyncio
import secrets
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

from foretaste.data import Query
from foretaste.errors import StorageError
from foretaste.events import is_session_user
from foretaste.logs import get_logger
from foretaste.models.threads import n_threads
from foretaste.monitoring import Metrics
from foretaste.serving.answers import Answer, Traced
from foretaste.serving.asking import answer_of, category_mask, list_of_kind, similar_lists
from foretaste.serving.batcher import Batcher
from foretaste.serving.cold.alike import Alike, SimilarUsers
from foretaste.serving.cold.circles import Circles
from foretaste.serving.cold.sessions import in_session
from foretaste.serving.config import Kind
from foretaste.serving.exploration import Explored
from foretaste.serving.exposures import ExposureLog, exposure_of
from foretaste.serving.live.figures import Made
from foretaste.serving.live.models import Live, LiveModels
from foretaste.serving.live.serving import Arm
from foretaste.serving.live.trials import made_of_outcome
from foretaste.serving.live.users import History, UserStates, history_of
from foretaste.serving.pipeline import STAGES, Outcome
from foretaste.storage.records import Records, UserState

log = get_logger(__name__)
Asker = tuple[Query, UserState | None]
"""A query, and what is known of its user."""


class Answering:
    """Makes the lists of an engine with the models that are live, in threads of its own.

    Args:
        records: where histories are read.
        live: the models.
        metrics: counts and times.
        exposures: what was shown is logged there.
        circles: what friends did, kept up to date for those who ask.
    """

    def __init__(
        self, records: Records, live: LiveModels, *, metrics: Metrics, exposures: ExposureLog, circles: Circles
    ) -> None:
        self._records, self._live, self._metrics, self._exposures = records, live, metrics, exposures
        self._circles = circles
        self._users = UserStates(records)
        self._similar_users = SimilarUsers()
        self._executor = ThreadPoolExecutor(n_threads(), thread_name_prefix="foretaste-model")
        self._batcher = Batcher[Asker](n_threads())

    def close(self) -> None:
        """Wait for the threads to end."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    async def up_to_date(self) -> None:
        """Bring rules and scenarios to where the store stands now; when it cannot be read, those known stay."""
        try:
            await self._live.steer((await self._records.stamp("")).shared)
        except StorageError as exc:
            self._metrics.count_store_error("stamp")
            log.warning("stamp_not_read", error=str(exc))

    async def traced(self, query: Query, *, item_ids: frozenset[str], category: str | None, explain: bool) -> Traced:
        """One list made anew with how it came about; it is not logged as shown."""
        await self.up_to_date()
        arm, start = self._live.arm(query.user_id), time.perf_counter()
        history, user = await self._history(query.user_id or "", arm.live)
        state_s, query = time.perf_counter() - start, _filled(query, history, user)
        outcome = await self._in_thread(_recommend, arm.live, [(query, user)], category, explain, True, item_ids)
        actions = history.actions if history is not None else None
        answer = self._answer_of(arm.live, query, outcome, 0, store_failed=user is None, actions=actions)
        seconds = {"state": state_s, **outcome.seconds}
        timings = {stage: round(1e3 * seconds[stage], 4) for stage in STAGES if stage in seconds}
        return Traced(replace(answer, experiment=arm.experiment), timings, outcome.traces[0])

    async def for_history(self, query: Query, given: History, *, category: str | None, explain: bool) -> Answer:
        """The list of somebody unknown with this history."""
        await self.up_to_date()
        live, query = self._live.current, _filled(query, given)
        outcome, at = await self._run(Arm(live), [(query, None)], category, explain)
        answer = self._answer_of(live, query, outcome, at, actions=given.actions)
        return self._shown(answer, outcome.explored[at] if outcome.explored else None)

    async def similar(self, live: Live, item_id: str, query: Query, *, explain: bool) -> Answer:
        """What resembles an item of the catalogue."""
        query = replace(query, exclude=frozenset({item_id}))
        outcome = await self._in_thread(similar_lists, live, item_id, query, explain)
        self._observe(outcome)
        answer = self._answer_of(live, query, outcome, 0)
        return self._shown(replace(answer, item_id=item_id))

    async def users_alike(self, query: Query) -> Alike | None:
        """Users who resemble the query's user; None when neither the models nor the store know the user."""
        user_id, bundle = query.user_id or "", self._live.arm(query.user_id).live.bundle
        state = await self._users.get(user_id)
        if not state.events and user_id not in bundle.users and await self._records.get("user", user_id) is None:
            return None
        history = [event.item_id for event in state.events if bundle.weights.weight(event) > 0]
        find = partial(self._similar_users.find, bundle, user_id, history, query.k)
        return await asyncio.get_running_loop().run_in_executor(self._executor, find)

    async def of_kind(self, kind: Kind, query: Query, *, category: str | None, explain: bool) -> Answer:
        """The same list for everybody."""
        await self.up_to_date()
        live = self._live.current
        outcome = await self._in_thread(list_of_kind, live, kind, query, category, explain)
        self._observe(outcome)
        return self._shown(self._answer_of(live, query, outcome, 0))

    async def lists(
        self, queries: Sequence[Query], *, category: str | None = None, explain: bool = False
    ) -> list[Answer]:
        """The list of each query, with what the store knows of its user at this moment."""
        await self.up_to_date()
        made: dict[int, Answer] = {}
        explored: dict[str, Explored] = {}
        for arm, places in self._live.arms([query.user_id for query in queries]):
            part = [queries[place] for place in places]
            answers = await self._live.answer(
                arm,
                len(part),
                partial(self._answer_by, queries=part, category=category, explain=explain, explored=explored),
            )
            self._live.shadow(answers, partial(self._made_aside, queries=part, category=category))
            made |= zip(places, answers, strict=True)
        answers = [made[place] for place in range(len(queries))]
        return [self._shown(answer, explored.get(answer.recommendation_id)) for answer in answers]

    def _shown(self, answer: Answer, explored: Explored | None = None) -> Answer:
        self._exposures.log(exposure_of(answer, time.time(), explored))
        return answer

    async def _answer_by(
        self, arm: Arm, *, queries: Sequence[Query], category: str | None, explain: bool, explored: dict[str, Explored]
    ) -> list[Answer]:
        """The lists of one arm: wholly from its models, catalogue and pipeline. ``explored`` takes what was explored in
        each, by its ``recommendation_id``.
        """
        asked: list[Asker] = []
        actions = []
        for query in queries:
            history, user = await self._history(query.user_id or "", arm.live)
            asked.append((_filled(query, history, user), user))
            actions.append(history.actions if history is not None else None)
        start = time.perf_counter()
        outcome, at = await self._run(arm, asked, category, explain)
        seconds = time.perf_counter() - start
        answers = [
            replace(
                self._answer_of(arm.live, query, outcome, at + b, store_failed=user is None, actions=actions[b]),
                experiment=arm.experiment,
            )
            for b, (query, user) in enumerate(asked)
        ]
        found = outcome.explored[at : at + len(asked)] or [None] * len(asked)
        explored |= {a.recommendation_id: one for a, one in zip(answers, found, strict=True) if one is not None}
        self._live.seen(arm, answers, seconds)
        return answers

    async def _made_aside(self, arm: Arm, *, queries: Sequence[Query], category: str | None) -> list[Made]:
        """The lists that an arm would give; nobody gets them, and no figure of the service counts them."""
        asked: list[Asker] = []
        for query in queries:
            history, user = await self._history(query.user_id or "", arm.live)
            asked.append((_filled(query, history, user), user))
        outcome = await self._in_thread(_recommend, arm.live, asked, category, False, False, executor=arm.executor)
        return made_of_outcome(outcome, queries)

    async def _history(self, user_id: str, live: Live) -> tuple[History | None, UserState | None]:
        """The user's history as the store has it now, and their state; no state when the store failed (then training
        data must do).
        """
        try:
            state = await self._users.get(user_id)
        except StorageError as exc:
            self._metrics.count_store_error("user_state")
            log.warning("history_not_read", error=str(exc))
            return None, None
        self._live.notice(state.stamp.shared)
        if state.attributes and (names := live.pipeline.config.friend_attributes):
            await self._circles.read(user_id, state.attributes, names)
        bundle = live.bundle
        history = history_of(state.events, bundle.weights, user_id=user_id, population=bundle.population)
        if history is not None and is_session_user(user_id):
            history = in_session(history, live.pipeline.config.session)
        return history, state

    async def _run(self, arm: Arm, asked: Sequence[Asker], category: str | None, explain: bool) -> tuple[Outcome, int]:
        """The outcome of the batch that the queries went with, and the place of the first of them in it."""
        live, scenario = arm.live, asked[0][0].scenario

        async def work(together: Sequence[Asker]) -> Outcome:
            start = time.perf_counter()
            outcome = await self._in_thread(_recommend, live, together, category, explain, True, executor=arm.executor)
            self._metrics.observe_pipeline(_label(live, scenario), time.perf_counter() - start)
            self._observe(outcome)
            return outcome

        if arm.executor is not None:  # threads of its own
            return await work(asked), 0
        return await self._batcher.run((id(live), scenario, category, explain), asked, work)

    async def _in_thread(
        self, work: Callable[..., Outcome], *arguments: Any, executor: Executor | None = None
    ) -> Outcome:
        return await asyncio.get_running_loop().run_in_executor(executor or self._executor, work, *arguments)

    def _observe(self, outcome: Outcome) -> None:
        self._metrics.observe_stages(outcome.seconds)
        for source in outcome.failed:
            self._metrics.count_source_error(source)
        for source, why in {(skipped.source, skipped.why) for one in outcome.skipped for skipped in one}:
            self._metrics.count_skipped(source, why)

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
        self._metrics.observe_list(
            scenario=_label(live, query.scenario),
            fallback=answer.fallback,
            sources=[item.source for item in answer.items],
            degraded=answer.degraded,
        )
        return answer


def _recommend(
    live: Live,
    asked: Sequence[Asker],
    category: str | None,
    explain: bool,
    explores: bool,
    trace: frozenset[str] | None = None,
) -> Outcome:
    return live.pipeline.run(
        [query for query, _ in asked],
        live.bundle,
        catalogue=live.catalogue,
        allowed=category_mask(live.catalogue, category),
        users=[user for _, user in asked],
        explain=explain,
        explores=explores,
        seed=secrets.randbits(64),
        in_time=True,
        trace=trace,
    )


def _filled(query: Query, history: History | None, user: UserState | None = None) -> Query:
    """The query with what is known of its user."""
    if user is not None and user.attributes:
        query = replace(query, attributes=user.attributes)
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
