import threading

import pytest

from foretaste.serving.pipeline import guard as module
from foretaste.serving.pipeline.guard import BREAK_AFTER, MOST_STUCK, PAUSE_S, Guard


class Clock:
    """A clock that a test moves."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def fails():
    raise RuntimeError("out of order")


def ask(guard, work, *, name="ease", version="v1", limit_s=5.0):
    return guard.together([(name, work)], version=version, limit_s=limit_s)[0]


@pytest.fixture
def release():
    """Lets the stuck calls of a test end."""
    event = threading.Event()
    yield event
    event.set()


def test_calls_run_at_the_same_time_and_answer_in_order():
    both = threading.Barrier(2, timeout=5)

    def meet(value):
        both.wait()
        return value

    told = Guard().together([("a", lambda: meet(1)), ("b", lambda: meet(2))], version="v1", limit_s=5.0)
    assert [one.value for one in told] == [1, 2]


def test_a_late_call_is_left_behind_and_the_others_count(release):
    told = Guard().together([("slow", release.wait), ("quick", lambda: 7)], version="v1", limit_s=1.0)
    assert [(one.value, one.trouble) for one in told] == [(None, "late"), (7, None)]


def test_an_error_is_told_and_not_raised():
    assert ask(Guard(), fails).trouble == "error"


def test_a_breaker_opens_after_troubles_in_a_row_and_one_call_tries_after_the_pause():
    clock, seen = Clock(), []
    guard = Guard(clock=clock, on_change=lambda name, state: seen.append((name, state)))
    assert [ask(guard, fails).trouble for _ in range(BREAK_AFTER)] == ["error"] * BREAK_AFTER
    assert ask(guard, lambda: 1).trouble == "paused"
    clock.now += PAUSE_S
    assert ask(guard, fails).trouble == "error"
    assert ask(guard, lambda: 1).trouble == "paused"
    clock.now += PAUSE_S
    assert ask(guard, lambda: 1).value == 1
    assert ask(guard, lambda: 2).value == 2
    assert seen == [("ease", s) for s in ("open", "half_open", "open", "half_open", "closed")]


def test_a_success_in_between_starts_the_count_anew():
    guard = Guard()
    for _ in range(3):
        for _ in range(BREAK_AFTER - 1):
            assert ask(guard, fails).trouble == "error"
        assert ask(guard, lambda: 1).value == 1


def test_a_new_version_and_another_source_start_with_a_clean_record():
    guard = Guard()
    for _ in range(BREAK_AFTER):
        ask(guard, fails)
    assert ask(guard, lambda: 1).trouble == "paused"
    assert ask(guard, lambda: 1, version="v2").value == 1
    assert ask(guard, lambda: 1, name="other").value == 1


def test_only_so_many_calls_of_one_source_are_ever_stuck(release):
    guard, begun = Guard(), []

    def stuck():
        begun.append(1)
        release.wait()

    troubles = [ask(guard, stuck, limit_s=0.02).trouble for _ in range(MOST_STUCK + 2)]
    assert troubles == ["late"] * MOST_STUCK + ["paused"] * 2
    assert len(begun) == MOST_STUCK


def test_a_source_is_asked_again_when_its_stuck_calls_have_come_back():
    guard, back = Guard(), threading.Event()
    for _ in range(MOST_STUCK):
        ask(guard, back.wait, limit_s=0.02)
    assert ask(guard, lambda: 1).trouble == "paused"
    back.set()
    for _ in range(500):
        if (told := ask(guard, lambda: 1)).value == 1:
            break
        threading.Event().wait(0.01)
    assert told.value == 1


def test_threads_are_bounded(monkeypatch, release):
    monkeypatch.setattr(module, "MOST_THREADS", 3)
    guard = Guard()
    told = guard.together([(f"s{n}", release.wait) for n in range(6)], version="v1", limit_s=0.05)
    assert {one.trouble for one in told} == {"late"}
    assert guard._threads == 3
