"""The rollout of new versions: one shared value that every worker reads, changes with compare-and-set, and obeys."""

import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from foretaste.errors import ConflictError, StorageError
from foretaste.logs import get_logger
from foretaste.monitoring import Metrics
from foretaste.serving.live.clicks import ClickTest
from foretaste.serving.live.figures import Figures
from foretaste.serving.live.guards import RolloutConfig
from foretaste.serving.live.rollout_state import (
    RolloutState,
    Step,
    begun,
    decode,
    encode,
    next_step,
    rolled_back,
    settled,
    swapped,
)
from foretaste.storage.artifacts import Artifacts
from foretaste.storage.records import AuditEntry, Records

KEY = "rollout"
FIGURES_KEY = "rollout_figures"
MOST_TRIES = 20
"""Attempts to change the shared value before another worker's speed is called a failure."""
UNSETTLED_S = 5.0
"""After this time a swap that its worker did not finish is finished by another."""
Change = Callable[[RolloutState], RolloutState]
log = get_logger(__name__)


@dataclass
class Trial:
    """What one worker has seen of one step of a rollout."""

    number: int
    config: RolloutConfig
    old: Figures = field(default_factory=Figures)
    new: Figures = field(default_factory=Figures)
    clicks: ClickTest | None = None
    began: float = field(default_factory=time.monotonic)
    """By the monotonic clock: a jump of the other one neither shortens nor prolongs a step."""
    reported: float = 0.0


def steps_of(
    config: RolloutConfig,
    *,
    shadow: bool = False,
    canary: float | None = None,
    seconds: float | None = None,
    hold: bool = False,
) -> tuple[Step, ...]:
    """The steps of a rollout: shadow, canary (for this share of the users), and the watch after the swap.

    None at all when neither shadow nor canary is wanted: the version goes live at once. ``seconds`` replaces the
    configured length of shadow and canary; ``hold`` lets the last one wait for a person.
    """
    steps = [Step("shadow", seconds or config.shadow_s, config.shadow_share)] if shadow else []
    if canary is not None:
        steps.append(Step("canary", seconds or config.canary_s, canary))
    if not steps:
        return ()
    if hold:
        steps[-1] = msgspec.structs.replace(steps[-1], seconds=None)
    return (*steps, *watch_of(config))


def watch_of(config: RolloutConfig) -> tuple[Step, ...]:
    """The step after a swap; none when nothing is to be watched."""
    return (Step("watch", config.watch_s),) if config.watch_s else ()


class Rollout:
    """Reads and changes the rollout; any number of workers and the command line may do so at once.

    The live version is decided in the shared value; the artifact store's pointer follows at once, so a server that
    starts without this store's value finds it there too. A pointer that somebody else moved is taken over.
    """

    def __init__(self, records: Records, artifacts: Artifacts, *, metrics: Metrics, config: RolloutConfig) -> None:
        self.records, self._artifacts, self._metrics = records, artifacts, metrics
        self.config = config
        self.worker = f"{os.getpid()}-{secrets.token_hex(2)}"
        self.state = RolloutState()
        self._moving_since: float | None = None

    def steps(self, *, shadow: bool, canary: float | None, seconds: float | None, hold: bool) -> tuple[Step, ...]:
        """The steps of a rollout, with the lengths that the live pipeline configures where none is given."""
        return steps_of(self.config, shadow=shadow, canary=canary, seconds=seconds, hold=hold)

    def usual_steps(self) -> tuple[Step, ...]:
        """How a version of the schedule comes in: at once (none), or in steps, as the live pipeline says."""
        if self.config.retrained == "now" or self.state.live is None:
            return ()
        return steps_of(self.config, shadow=True, canary=self.config.canary_share)

    # --- the shared value ----------------------------------------------------------------------------------------

    async def read(self) -> RolloutState:
        """The state now, with the artifact store's pointer taken over where somebody else moved it.

        Raises:
            StorageError: a store cannot be read.
        """
        self.state = decode((await self.records.get_value(KEY))[0])
        pointer = await self._artifacts.live()
        if pointer == self.state.live:
            self._moving_since = None
            if self.state.is_moving:
                await self.change(settled)
        elif not self.state.is_moving:
            await self._take_over(pointer)
        elif await self._is_stuck():
            await self._settle(self.state)
        return self.state

    async def change(self, step: Change, *, actor: str = "") -> RolloutState:
        """Apply ``step`` to whatever the state is at that moment; it is called again when another worker was faster.

        Raises:
            ConflictError: the step is not possible from there.
            StorageError: the store cannot be written.
        """
        for _ in range(MOST_TRIES):
            value, version = await self.records.get_value(KEY)
            before = decode(value)
            after = step(before)
            if after == before:
                self.state = before
                return before
            try:
                await self.records.put_value(KEY, encode(after), expected_version=version)
            except ConflictError:
                continue
            self.state = after
            await self._tell(before, after, actor)
            if after.is_moving:
                await self._settle(after)
            return self.state
        raise ConflictError("the rollout is being changed by others all the time", hint="try again")

    async def _settle(self, state: RolloutState) -> None:
        """Let the artifact store follow a decision."""
        if state.live is not None:
            await self._artifacts.set_live(state.live)
        await self.change(settled)

    async def _is_stuck(self) -> bool:
        """Whether a swap has been under way for so long that its worker must be gone."""
        now = time.monotonic()
        if self._moving_since is None:
            self._moving_since = now
        return now - self._moving_since > UNSETTLED_S

    async def _take_over(self, pointer: str | None) -> None:
        def follow(state: RolloutState) -> RolloutState:
            if state.is_moving or pointer == state.live or pointer is None:
                return state
            watch = watch_of(self.config)
            return settled(swapped(state, pointer, watch=watch, now=time.time(), why="made live", actor="artifacts"))

        await self.change(follow, actor="artifacts")

    # --- what people ask for -------------------------------------------------------------------------------------

    async def begin(self, version: str, steps: Sequence[Step], *, guards: Mapping[str, Any], actor: str) -> None:
        """Begin a rollout.

        Raises:
            NotFoundError: no such version.
            ConflictError: it is live already, or nothing is.
            ConfigurationError: a guard is wrong.
        """
        self.config.with_values(guards)
        await self._artifacts.get(version)
        await self.read()
        now = time.time()
        await self.change(lambda s: begun(s, version, tuple(steps), guards=guards, now=now, actor=actor), actor=actor)

    async def swap(self, version: str, *, actor: str, why: str = "asked for") -> None:
        """Make a version live now.

        Raises:
            NotFoundError: no such version.
        """
        await self._artifacts.get(version)
        await self.read()
        now, watch = time.time(), watch_of(self.config)
        await self.change(lambda s: swapped(s, version, watch=watch, now=now, why=why, actor=actor), actor=actor)

    async def roll_back(self, to: str | None = None, *, why: str = "asked for", actor: str) -> RolloutState:
        """Give up the candidate, or go back to the version before or to ``to``.

        Raises:
            NotFoundError: no such version.
            ConflictError: there is nothing to go back to.
        """
        if to is not None:
            await self._artifacts.get(to)
        await self.read()
        now = time.time()
        return await self.change(lambda s: rolled_back(s, to=to, now=now, why=why, actor=actor), actor=actor)

    async def retire(self, keep: int) -> list[str]:
        """Delete published versions but for the ``keep`` newest and those that serve, served last, or are on their way.

        Returns the deleted ones, oldest last.
        """
        in_use = (await self.read()).in_use
        gone = [found.version for found in (await self._artifacts.versions())[keep:] if found.version not in in_use]
        for version in gone:
            await self._artifacts.delete(version)
            log.info("model_retired", version=version)
        return gone

    # --- what workers decide -------------------------------------------------------------------------------------

    async def refuse(self, version: str, why: str, *, serving: str | None) -> None:
        """A version that a worker cannot serve is withdrawn for all, when there is another."""

        def withdraw(state: RolloutState) -> RolloutState:
            now = time.time()
            if state.candidate == version:
                return rolled_back(state, now=now, why=why, actor=self.worker, action="refused")
            target = serving if serving is not None else state.previous
            if state.live != version or target is None or target == version:
                return state
            return rolled_back(state, to=target, now=now, why=why, actor=self.worker, action="refused")

        await self.change(withdraw, actor=self.worker)

    async def withdraw(self, number: int, why: str) -> None:
        """The step ``number`` has failed its guards: back, unless another worker has already acted."""
        await self.change(
            lambda s: s if s.number != number else rolled_back(s, now=time.time(), why=why, actor=self.worker),
            actor=self.worker,
        )

    async def move_on(self, number: int, why: str) -> None:
        """The step ``number`` has passed: the next one, unless another worker has already acted."""
        await self.change(
            lambda s: s if s.number != number else next_step(s, now=time.time(), why=why, actor=self.worker),
            actor=self.worker,
        )

    # --- figures -------------------------------------------------------------------------------------------------

    async def pool(self, trial: Trial) -> tuple[Figures, Figures]:
        """Report what this worker saw of a step and get what all saw: (new, old)."""
        own = {"new": msgspec.to_builtins(trial.new), "old": msgspec.to_builtins(trial.old)}
        for _ in range(MOST_TRIES):
            value, version = await self.records.get_value(FIGURES_KEY)
            workers = dict(value["workers"]) if _is_of(value, trial.number) else {}
            workers[self.worker] = own
            try:
                await self.records.put_value(
                    FIGURES_KEY,
                    {"number": trial.number, "workers": workers},
                    expected_version=version,
                    changes_lists=False,
                )
            except ConflictError:
                continue
            return _sum(workers, "new"), _sum(workers, "old")
        return trial.new, trial.old

    async def figures(self) -> tuple[Figures, Figures]:
        """What all workers have reported of the step under way: (new, old)."""
        value, _ = await self.records.get_value(FIGURES_KEY)
        workers = value["workers"] if _is_of(value, self.state.number) else {}
        return _sum(workers, "new"), _sum(workers, "old")

    async def status(self) -> dict[str, Any]:
        """Everything that a person wants to know, as JSON values."""
        state = await self.read()
        new, old = await self.figures()
        step = state.steps[0] if state.steps else None
        return {
            "live": state.live,
            "previous": state.previous,
            "candidate": state.candidate,
            "stage": state.stage,
            "share": state.share,
            "since": state.since or None,
            "seconds": step.seconds if step is not None else None,
            "next_stages": [step.stage for step in state.steps[1:]],
            "guards": self.config.with_values(state.guards).model_dump(),
            "new": new.summary() if step is not None else None,
            "old": old.summary() if step is not None else None,
            "history": [msgspec.to_builtins(entry) for entry in reversed(state.history)],
        }

    # --- telling -------------------------------------------------------------------------------------------------

    async def _tell(self, before: RolloutState, after: RolloutState, actor: str) -> None:
        """What changed goes into the log, the figures and the audit log."""
        fresh = [entry for entry in after.history if entry not in before.history]
        for entry in fresh:
            bad = entry.action in {"rolled_back", "refused"}
            say = log.warning if bad else log.info
            say("rollout", action=entry.action, version=entry.version, why=entry.why, live=after.live)
            self._metrics.count_rollout(entry.action)
        try:
            await self.records.add_audit(
                [
                    AuditEntry(
                        at=entry.at,
                        actor=entry.actor or actor,
                        action=f"model_{entry.action}",
                        subject=entry.version or "",
                        outcome="ok",
                        details={"why": entry.why, "live": after.live},
                    )
                    for entry in fresh
                ]
            )
        except StorageError as exc:
            log.warning("audit_not_kept", error=str(exc))


def _is_of(value: Any, number: int) -> bool:
    return isinstance(value, Mapping) and value.get("number") == number and isinstance(value.get("workers"), Mapping)


def _sum(workers: Mapping[str, Any], which: str) -> Figures:
    total = Figures()
    for reported in workers.values():
        try:
            total = total.plus(msgspec.convert(reported[which], Figures))
        except (msgspec.ValidationError, KeyError, TypeError, ValueError):
            continue
    return total
