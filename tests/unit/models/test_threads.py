"""Threads: how many, in which order, and BLAS given back as it was."""

import threading
import time

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from foretaste.errors import ConfigurationError
from foretaste.models import threads
from foretaste.models.threads import blas_threads, map_threads, n_threads


def blas_now() -> list[int]:
    import scipy.linalg  # noqa: F401

    _ = np.ones((2, 2)) @ np.ones((2, 2))
    return [info["num_threads"] for info in ThreadpoolController().info() if info["user_api"] == "blas"]


@pytest.fixture
def four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "n_threads", lambda: 4)


@pytest.mark.parametrize(("asked", "expected"), [("3", 3), (" 12 ", 12)])
def test_the_environment_decides_how_many(monkeypatch: pytest.MonkeyPatch, asked: str, expected: int) -> None:
    monkeypatch.setenv("FORETASTE_THREADS", asked)
    assert n_threads.__wrapped__() == expected


@pytest.mark.parametrize("asked", ["0", "-1", "two", "²", "1.5", "99999"])
def test_a_number_of_threads_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    monkeypatch.setenv("FORETASTE_THREADS", asked)
    with pytest.raises(ConfigurationError, match="FORETASTE_THREADS"):
        n_threads.__wrapped__()


@pytest.mark.parametrize(("quota", "cores"), [(None, 8), (0.4, 1), (2.0, 2), (2.6, 3), (64.0, 8)])
def test_without_it_the_cores_and_the_quota_decide(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, cores: int
) -> None:
    monkeypatch.delenv("FORETASTE_THREADS", raising=False)
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(threads, "_cgroup_cores", lambda: quota)
    assert n_threads.__wrapped__() == cores


@pytest.mark.usefixtures("four")
def test_results_come_in_the_order_of_the_parts() -> None:
    def work(part: int) -> int:
        time.sleep(0.002 * (5 - part))
        return part * part

    assert map_threads(work, range(5)) == [0, 1, 4, 9, 16]


@pytest.mark.usefixtures("four")
def test_parts_run_on_several_threads_and_one_part_in_the_caller() -> None:
    meet = threading.Barrier(3, timeout=10)  # breaks unless three parts run at once
    assert len(set(map_threads(lambda _: (meet.wait(), threading.get_ident())[1], range(3)))) == 3
    assert map_threads(lambda _: threading.get_ident(), [0]) == [threading.get_ident()]
    assert map_threads(lambda part: part, []) == []


@pytest.mark.usefixtures("four")
def test_an_error_in_a_part_reaches_the_caller_and_blas_is_given_back() -> None:
    before = blas_now()

    def work(part: int) -> None:
        if part == 3:
            raise KeyError("the third")

    with pytest.raises(KeyError, match="the third"):
        map_threads(work, range(5))
    assert blas_now() == before


def test_blas_is_limited_inside_and_given_back_after() -> None:
    with blas_threads(3):
        before = blas_now()
        assert before == [3] * len(before)
        assert before
        with blas_threads(1):
            assert blas_now() == [1] * len(before)
            with blas_threads(2):
                assert blas_now() == [1] * len(before)  # never more than an outer limit
    assert blas_now() != [3] * len(before) or n_threads() == 3


def test_limits_that_overlap_in_time_are_all_given_back() -> None:
    with blas_threads(2):  # whatever the machine has
        pass
    original = blas_now()
    first_in, second_in, first_out = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with blas_threads(1):
            first_in.set()
            second_in.wait(10)
        first_out.set()

    def second() -> None:
        first_in.wait(10)
        with blas_threads(1):
            second_in.set()
            first_out.wait(10)

    running = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(10)
    assert blas_now() == original
