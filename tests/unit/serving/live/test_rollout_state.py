"""From one state of a rollout to the next: pure functions."""

import pytest

from foretaste.errors import ConflictError
from foretaste.serving.live import rollout_state as r
from foretaste.serving.live.guards import RolloutConfig
from foretaste.serving.live.rollout import steps_of

CONFIG = RolloutConfig(watch_s=5)
LIVE = r.settled(r.swapped(r.RolloutState(), "v1", now=1.0, why="first", actor="a"))


def go(state):
    return r.settled(r.next_step(state, now=3.0, why="passed", actor="w"))


def test_a_rollout_goes_through_its_steps_and_ends_live():
    steps = steps_of(CONFIG, shadow=True, canary=0.05, seconds=10)
    assert [step.stage for step in steps] == ["shadow", "canary", "watch"]
    state = r.begun(LIVE, "v2", steps, guards={"min_samples": 5}, now=2.0, actor="me")
    seen = [(state.stage, state.live, state.candidate)]
    for _ in range(3):
        state = go(state)
        seen.append((state.stage, state.live, state.candidate))
    assert seen == [("shadow", "v1", "v2"), ("canary", "v1", "v2"), ("watch", "v2", None), ("idle", "v2", None)]
    assert state.previous == "v1"
    assert [entry.action for entry in state.history] == ["swapped", "begun", "canary", "swapped", "kept"]
    assert go(state) == state
    assert state.guards == {}


def test_every_step_has_a_number_of_its_own():
    state = r.begun(LIVE, "v2", steps_of(CONFIG, canary=0.1), guards={}, now=2.0, actor="")
    numbers = [LIVE.number, state.number, go(state).number, go(go(state)).number]
    assert len(set(numbers)) == 4


def test_a_rollback_gives_up_the_candidate_first_and_the_live_version_then():
    state = r.begun(LIVE, "v2", steps_of(CONFIG, canary=0.1), guards={}, now=2.0, actor="")
    back = r.rolled_back(state, now=3.0, why="slow", actor="w")
    assert (back.live, back.candidate, back.stage, back.is_moving) == ("v1", None, "idle", False)
    live = go(state)
    back = r.rolled_back(live, now=3.0, why="slow", actor="w")
    assert (back.live, back.previous, back.stage, back.is_moving) == ("v1", None, "idle", True)
    assert back.history[-1] == r.Entry(3.0, "rolled_back", "v2", "slow", "w")
    with pytest.raises(ConflictError):  # the bad one is no place to go back to
        r.rolled_back(back, now=4.0, why="", actor="")


def test_going_back_to_a_named_version_remembers_where_it_came_from():
    back = r.rolled_back(LIVE, to="v0", now=2.0, why="", actor="")
    assert (back.live, back.previous) == ("v0", "v1")
    with pytest.raises(ConflictError, match="live already"):
        r.rolled_back(back, to="v0", now=2.0, why="", actor="")


def test_a_newer_rollout_supersedes_the_one_under_way():
    state = r.begun(LIVE, "v2", steps_of(CONFIG, canary=0.1), guards={}, now=2.0, actor="")
    newer = r.begun(state, "v3", steps_of(CONFIG, shadow=True), guards={}, now=3.0, actor="")
    assert (newer.candidate, newer.stage) == ("v3", "shadow")
    assert [entry.action for entry in newer.history][-2:] == ["superseded", "begun"]
    swapped = r.swapped(newer, "v4", now=4.0, why="", actor="")
    assert (swapped.live, swapped.candidate) == ("v4", None)
    assert swapped.in_use == {"v4", "v1"}


def test_a_rollout_needs_something_to_compare_with():
    for state, version in ((LIVE, "v1"), (r.RolloutState(), "v1")):
        with pytest.raises(ConflictError):
            r.begun(state, version, steps_of(CONFIG, canary=0.1), guards={}, now=1.0, actor="")


def test_a_swap_twice_is_one():
    assert r.swapped(LIVE, "v1", now=9.0, why="", actor="") == LIVE


def test_a_state_survives_json_and_a_broken_one_is_empty():
    state = r.begun(LIVE, "v2", steps_of(CONFIG, canary=0.1, hold=True), guards={"min_samples": 5}, now=2.0, actor="")
    assert r.decode(r.encode(state)) == state
    assert state.steps[0].seconds is None
    for broken in (None, 7, {"live": 7}, {"steps": [{"stage": "nowhere"}]}):
        assert r.decode(broken) == r.RolloutState()


def test_the_history_does_not_grow_without_end():
    state = LIVE
    for n in range(60):
        state = r.settled(r.swapped(state, f"v{n + 2}", now=float(n), why="", actor=""))
    assert len(state.history) == r.MOST_HISTORY


def test_no_steps_means_at_once_and_no_watch_means_none():
    assert steps_of(CONFIG) == ()
    assert [step.stage for step in steps_of(RolloutConfig(watch_s=0), shadow=True)] == ["shadow"]
