"""Where the rollout of a new version stands: one small shared value, and the steps from one state to the next.

A rollout goes through the steps it was begun with: ``shadow`` (the new version answers aside, nobody sees it),
``canary`` (a share of the users sees it), then it is swapped in, and ``watch`` (it serves everybody, the old one is
kept at hand).
Every function here takes a state and gives the next one; :class:`~foretaste.serving.live.rollout.Rollout` puts it into
the store with compare-and-set, so that any number of workers agree on what happened.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from foretaste.errors import ConflictError

StageName = Literal["shadow", "canary", "watch"]
Stage = Literal["idle", "shadow", "canary", "watch"]
MOST_HISTORY = 20
"""Entries of the history that are kept in the state; the audit log has them all."""


class Step(msgspec.Struct, frozen=True):
    """One step of a rollout."""

    stage: StageName
    seconds: float | None = None
    """Shortest time; None waits until it is promoted or rolled back by hand."""
    share: float = 1.0
    """Of the requests that are compared (shadow), or of the users that are served (canary); 0 … 1."""


class Entry(msgspec.Struct, frozen=True):
    """Something that happened."""

    at: float
    action: str
    """``begun``, ``canary``, ``swapped``, ``kept``, ``rolled_back``, ``refused`` or ``superseded``."""
    version: str | None
    why: str = ""
    actor: str = ""


class RolloutState(msgspec.Struct, frozen=True):
    """What all workers agree on."""

    live: str | None = None
    """The version that serves; the artifact store has the same, but for a moment around a swap."""
    previous: str | None = None
    """What served before; where a rollback goes to."""
    candidate: str | None = None
    """The version on its way in."""
    steps: tuple[Step, ...] = ()
    """The step under way, then those to come; none when nothing is rolled out."""
    since: float = 0.0
    """When the step under way began, seconds since 1970 UTC."""
    guards: dict[str, Any] = msgspec.field(default_factory=dict)
    """Limits of this rollout that differ from the pipeline's."""
    number: int = 0
    """Grows with every step, so that figures of another one are not taken for this one's."""
    is_moving: bool = False
    """``live`` was decided, the artifact store is to follow."""
    history: tuple[Entry, ...] = ()

    @property
    def stage(self) -> Stage:
        """The step under way."""
        return self.steps[0].stage if self.steps else "idle"

    @property
    def share(self) -> float:
        """The share of the step under way; 0 when there is none."""
        return self.steps[0].share if self.steps else 0.0

    @property
    def in_use(self) -> frozenset[str]:
        """Versions that must not be deleted."""
        return frozenset(version for version in (self.live, self.previous, self.candidate) if version is not None)


def decode(value: Any) -> RolloutState:
    """The state in a shared value; an empty one when there is none or it cannot be understood."""
    if not isinstance(value, Mapping):
        return RolloutState()
    try:
        return msgspec.convert(value, RolloutState)
    except msgspec.ValidationError:
        return RolloutState()


def encode(state: RolloutState) -> dict[str, Any]:
    """The state as JSON values."""
    encoded: dict[str, Any] = msgspec.to_builtins(state)
    return encoded


def begun(
    state: RolloutState, version: str, steps: tuple[Step, ...], *, guards: Mapping[str, Any], now: float, actor: str
) -> RolloutState:
    """A rollout of ``version`` begins with the first of ``steps``; one under way is given up for it.

    Raises:
        ConflictError: the version is live, or there is nothing to compare it with.
    """
    if version == state.live:
        raise ConflictError(f"model version {version!r} is live already", hint="name another one")
    if state.live is None:
        raise ConflictError(
            "no version is live, so there is nothing to compare with", hint=f"foretaste models promote {version} --now"
        )
    if state.candidate is not None:
        state = _said(state, now, "superseded", state.candidate, f"by {version}", actor)
    state = msgspec.structs.replace(
        state, candidate=version, steps=steps, since=now, guards=dict(guards), number=state.number + 1
    )
    return _said(state, now, "begun", version, steps[0].stage, actor)


def next_step(state: RolloutState, *, now: float, why: str, actor: str) -> RolloutState:
    """The step under way is passed: the next one begins, or the candidate goes live, or a watch ends well."""
    if not state.steps:
        return state
    if state.stage == "watch":
        done = msgspec.structs.replace(state, steps=(), since=now, guards={}, number=state.number + 1)
        return _said(done, now, "kept", state.live, why, actor)
    rest = state.steps[1:]
    if rest and rest[0].stage != "watch":
        moved = msgspec.structs.replace(state, steps=rest, since=now, number=state.number + 1)
        return _said(moved, now, rest[0].stage, state.candidate, why, actor)
    assert state.candidate is not None
    return swapped(state, state.candidate, watch=rest, now=now, why=why, actor=actor)


def swapped(
    state: RolloutState, version: str, *, watch: tuple[Step, ...] = (), now: float, why: str, actor: str
) -> RolloutState:
    """``version`` serves from now on; the artifact store is to follow."""
    if version == state.live:
        return state
    if state.candidate is not None and state.candidate != version:
        state = _said(state, now, "superseded", state.candidate, f"by {version}", actor)
    moved = msgspec.structs.replace(
        state,
        live=version,
        previous=state.live,
        candidate=None,
        steps=watch if state.live is not None else (),
        since=now,
        guards=state.guards if watch else {},
        number=state.number + 1,
        is_moving=True,
    )
    return _said(moved, now, "swapped", version, why, actor)


def settled(state: RolloutState) -> RolloutState:
    """The artifact store has followed."""
    return msgspec.structs.replace(state, is_moving=False)


def rolled_back(
    state: RolloutState, *, to: str | None = None, now: float, why: str, actor: str, action: str = "rolled_back"
) -> RolloutState:
    """Back to where it was safe: a candidate is given up, else ``to`` or the previous version serves again.

    Raises:
        ConflictError: there is nothing to go back to.
    """
    if to is None and state.candidate is not None:
        given_up = msgspec.structs.replace(
            state, candidate=None, steps=(), since=now, guards={}, number=state.number + 1
        )
        return _said(given_up, now, action, state.candidate, why, actor)
    target = to if to is not None else state.previous
    if target is None or target == state.live:
        raise ConflictError(
            "there is no other version to go back to" if target is None else f"version {target!r} is live already",
            hint="foretaste models list shows all; name one with --to",
        )
    back = msgspec.structs.replace(
        state,
        live=target,
        previous=None if target == state.previous else state.live,
        candidate=None,
        steps=(),
        since=now,
        guards={},
        number=state.number + 1,
        is_moving=True,
    )
    return _said(back, now, action, state.live, why, actor)


def _said(state: RolloutState, at: float, action: str, version: str | None, why: str, actor: str) -> RolloutState:
    history = (*state.history, Entry(at, action, version, why[:500], actor))[-MOST_HISTORY:]
    return msgspec.structs.replace(state, history=history)
