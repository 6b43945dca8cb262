"""What one worker does in a rollout: answer aside, serve its share of the users, count, compare, and judge."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b

from foretaste.data import Query
from foretaste.errors import ConflictError
from foretaste.events import Event
from foretaste.logs import get_logger
from foretaste.serving.answers import Answer
from foretaste.serving.live.clicks import ClickTest
from foretaste.serving.live.figures import Figures, Made, overlap, rank_biased_overlap
from foretaste.serving.live.guards import breach, has_enough
from foretaste.serving.live.rollout import Rollout, Trial
from foretaste.serving.live.rollout_state import RolloutState
from foretaste.serving.live.serving import Arm, Live
from foretaste.serving.live.users import EventWeights
from foretaste.serving.pipeline import Outcome

REPORT_S = 1.0
"""How often figures are reported to the other workers and judged."""
WINDOW_S = 60.0
"""The usual figures of the live version cover one to two of these."""
MOST_ASIDE = 2
"""Questions answered aside at once; more are left out, so that comparing never piles up."""
MOST_RUNNING = 8
"""Canary runs at once (those that hang count) above which the other version answers at once."""
HARMLESS = {"empty", "missing"}
"""Reasons for which a source gave nothing that are no failure."""
Make = Callable[[Arm], Awaitable[list[Answer]]]
MakeAside = Callable[[Arm], Awaitable[Sequence[Made]]]
log = get_logger(__name__)


class Trials:
    """This worker's part in the rollout under way."""

    def __init__(self, rollout: Rollout) -> None:
        self._rollout = rollout
        self._state = RolloutState()
        self._trial: Trial | None = None
        self._executor: ThreadPoolExecutor | None = None
        self._weights = EventWeights()
        self._aside: set[asyncio.Task[None]] = set()
        self._running = 0
        self._items: tuple[set[str], set[str]] = (set(), set())
        self._recent, self._before = Figures(), Figures()
        self._recent_until = time.monotonic() + WINDOW_S
        self._random = random.Random()

    async def close(self) -> None:
        """Give up what runs aside."""
        for task in self._aside:
            task.cancel()
        await asyncio.gather(*self._aside, return_exceptions=True)
        self._end()

    # --- the canary ----------------------------------------------------------------------------------------------

    def is_in_canary(self, user_id: str | None) -> bool:
        """Whether a user belongs to the share that sees the candidate; always the same for one version and share."""
        state = self._state
        return (
            user_id is not None
            and state.stage == "canary"
            and state.candidate is not None
            and place_of(user_id, state.candidate) < state.share
        )

    def canary(self, candidate: Live) -> Arm:
        """The arm of those users."""
        return Arm(candidate, f"canary:{candidate.bundle.version}", self._threads())

    def arms(
        self, current: Live, candidate: Live | None, user_ids: Sequence[str | None]
    ) -> list[tuple[Arm, list[int]]]:
        """A batch divided by what answers: each arm with the places of its users."""
        usual = Arm(current)
        if candidate is None:
            return [(usual, list(range(len(user_ids))))]
        inside = [self.is_in_canary(user_id) for user_id in user_ids]
        divided = (
            (usual, [place for place, is_in in enumerate(inside) if not is_in]),
            (self.canary(candidate), [place for place, is_in in enumerate(inside) if is_in]),
        )
        return [(arm, places) for arm, places in divided if places]

    async def attempt(self, arm: Arm, n: int, make: Make) -> list[Answer] | None:
        """The lists of the canary; None when they failed or were not there in time, which is counted."""
        trial = self._trial
        if trial is None:
            return None
        start = time.perf_counter()
        is_late = self._running >= MOST_RUNNING
        if not is_late:
            self._running += 1
            work = asyncio.ensure_future(make(arm))
            work.add_done_callback(self._done)
            finished, _ = await asyncio.wait({work}, timeout=trial.config.time_limit_ms / 1e3)
            is_late = not finished
            try:
                if finished:
                    return await work
            except Exception as exc:  # noqa: BLE001 - the other version answers; it is logged and counted
                log.warning("canary_failed", experiment=arm.experiment, error=f"{type(exc).__name__}: {exc}")
        trial.new.count_failure(n, is_late=is_late, seconds=time.perf_counter() - start)
        return None

    def _done(self, work: "asyncio.Future[list[Answer]]") -> None:
        self._running -= 1
        if not work.cancelled():
            work.exception()  # looked at, so that a late failure is not reported as forgotten

    # --- the shadow ----------------------------------------------------------------------------------------------

    def shadow(self, candidate: Live, answers: Sequence[Answer], make: MakeAside) -> None:
        """On a sampled share of requests, let the candidate answer the same and compare; nobody waits for it."""
        state, trial = self._state, self._trial
        if trial is None or state.stage != "shadow" or len(self._aside) >= MOST_ASIDE:
            return
        if self._random.random() < state.share:
            task = asyncio.create_task(self._compare(trial, candidate, answers, make), name="foretaste-shadow")
            self._aside.add(task)
            task.add_done_callback(self._aside.discard)

    async def _compare(self, trial: Trial, candidate: Live, answers: Sequence[Answer], make: MakeAside) -> None:
        start = time.perf_counter()
        try:
            made = await make(Arm(candidate, executor=self._threads()))
        except Exception as exc:  # noqa: BLE001 - what this is for: a failure that nobody sees but we count
            log.warning("shadow_failed", version=candidate.bundle.version, error=f"{type(exc).__name__}: {exc}")
            trial.new.count_failure(len(answers), is_late=False, seconds=time.perf_counter() - start)
            return
        new = trial.new
        new.count(made, seconds=time.perf_counter() - start)
        for one, other in zip(made, answers, strict=True):
            others = [item.item_id for item in other.items]
            new.compared += 1
            new.overlap += overlap(one.item_ids, others)
            new.rbo += rank_biased_overlap(one.item_ids, others)
            self._items[0].update(one.item_ids)
            self._items[1].update(others)
        new.own_items, new.other_items = len(self._items[0]), len(self._items[1])

    # --- counting ------------------------------------------------------------------------------------------------

    def seen(self, arm: Arm, answers: Sequence[Answer], seconds: float) -> None:
        """Lists went out; ``seconds`` is what the pipeline took for all of them together."""
        state, trial = self._state, self._trial
        made = [made_of(answer) for answer in answers]
        if arm.experiment is None:
            self._count_usual(made, seconds)
        if trial is None:
            return
        if arm.experiment is not None:
            trial.new.count(made, seconds=seconds)
        elif state.stage == "watch":
            if arm.live.bundle.version == state.live:
                trial.new.count(made, seconds=seconds)
        else:
            trial.old.count(made, seconds=seconds)
        if trial.clicks is not None:
            for answer in answers:
                if answer.user_id is not None:
                    trial.clicks.serve(answer.user_id, is_new=arm.experiment is not None)

    def _count_usual(self, made: Sequence[Made], seconds: float) -> None:
        if time.monotonic() > self._recent_until:
            self._before, self._recent = self._recent, Figures()
            self._recent_until = time.monotonic() + WINDOW_S
        self._recent.count(made, seconds=seconds)

    @property
    def counts_clicks(self) -> bool:
        """Whether clicks are compared now."""
        return self._trial is not None and self._trial.clicks is not None

    def on_events(self, events: Sequence[Event]) -> None:
        """Signs of interest that name the list they came from."""
        clicks = self._trial.clicks if self._trial is not None else None
        if clicks is None:
            return
        for event in events:
            if event.recommendation_id and self._weights.weight(event) > 0:
                clicks.click(event.user_id, is_new=self.is_in_canary(event.user_id))

    # --- judging -------------------------------------------------------------------------------------------------

    def take(self, state: RolloutState) -> bool:
        """Begin to count for the step under way; whether it is another one than before."""
        if state.number == self._state.number:
            return False
        before, trial = self._state, self._trial
        self._state = state
        if not state.steps:
            self._end()
            return True
        config = self._rollout.config.with_values(state.guards)
        self._trial = Trial(state.number, config)
        self._items = (set(), set())
        if state.stage == "canary":
            self._trial.clicks = ClickTest(max_drop=config.max_click_drop, alpha=config.click_alpha)
        if state.stage == "watch":
            of_step = trial is not None and before.live == state.previous and trial.old.lists >= config.min_samples
            self._trial.old = trial.old if trial is not None and of_step else self._recent.plus(self._before)
            self._recent, self._before = Figures(), Figures()
        return True

    async def judge(self) -> bool:
        """Report, and move the rollout back or on when it is time; whether it was.

        Raises:
            StorageError: the store cannot be read or written.
        """
        state, trial = self._state, self._trial
        now = time.monotonic()
        if trial is None or now - trial.reported < REPORT_S:
            return False
        trial.reported = now
        new, old = await self._rollout.pool(trial)
        why = breach(trial.config, state.stage, new, old)
        if why is None and trial.clicks is not None:
            why = trial.clicks.breach()
        try:
            if why is not None:
                await self._rollout.withdraw(state.number, why)
                return True
            seconds = state.steps[0].seconds
            if seconds is None or now - trial.began < seconds:
                return False
            if state.stage != "watch" and not has_enough(trial.config, state.stage, new):
                return False
            await self._rollout.move_on(state.number, f"{new.lists} lists within the limits")
        except ConflictError as exc:  # another worker has acted, and nothing is left to do
            log.info("rollout_step_not_taken", why=str(exc))
        return True

    def _threads(self) -> ThreadPoolExecutor:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(2, thread_name_prefix="foretaste-candidate")
        return self._executor

    def _end(self) -> None:
        self._trial = None
        self._items = (set(), set())
        if self._executor is not None:
            self._executor.shutdown(wait=False)  # what is under way there finishes
            self._executor = None


def place_of(user_id: str, version: str) -> float:
    """A user's place in 0 … 1 for one version: evenly spread, and independent of the places for other versions."""
    digest = blake2b(f"{version}\x1f{user_id}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def made_of(answer: Answer) -> Made:
    """An answer, as far as it is judged."""
    has_failure = any(skipped.why not in HARMLESS for skipped in answer.fallbacks)
    return Made(
        [item.item_id for item in answer.items],
        len(answer.items) + answer.short_by,
        has_failure or answer.fallback == "model_error",
    )


def made_of_outcome(outcome: Outcome, queries: Sequence[Query]) -> list[Made]:
    """Lists that were made aside, as far as they are judged."""
    made = []
    for b, query in enumerate(queries):
        has_failure = bool(outcome.failed) or any(s.why not in HARMLESS for s in outcome.skipped[b])
        made.append(Made(outcome.lists[b].item_ids, query.k, has_failure))
    return made
