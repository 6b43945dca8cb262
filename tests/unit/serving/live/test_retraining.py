"""Scheduled training: one worker at a time, an interval after the last, and the result goes live."""

import asyncio

import pytest

from foretaste.errors import ModelTrainingError
from foretaste.serving.bootstrap import open_engine
from foretaste.serving.live.retraining import KEY, LEASE_S, WISH, Retraining, train_in_child


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def retraining(records, clock, worker="a", *, train=None, log=None):
    log = [] if log is None else log

    async def usual():
        log.append(worker)
        return "v2"

    async def go_live(version):
        log.append(version)

    return Retraining(records, interval_s=100.0, train=train or usual, go_live=go_live, worker=worker, clock=clock)


async def test_it_trains_an_interval_after_the_last_training_ended(stores):
    clock, log = Clock(), []
    schedule = retraining(stores.records, clock, log=log)
    assert not await schedule.look()  # the first look begins to count
    clock.now += 99
    assert not await schedule.look()
    clock.now += 2
    assert await schedule.look()
    assert log == ["a", "v2"]
    assert not await schedule.look()
    clock.now += 101
    assert await schedule.look()


async def test_of_several_workers_one_trains(stores):
    clock, log = Clock(), []
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow():
        log.append("trained")
        began.set()
        await go_on.wait()
        return "v2"

    workers = [retraining(stores.records, clock, f"w{n}", train=slow, log=log) for n in range(4)]
    await workers[0].look()
    clock.now += 101
    looks = [asyncio.create_task(worker.look()) for worker in workers]
    await began.wait()
    await asyncio.sleep(0.05)
    go_on.set()
    assert sorted(await asyncio.gather(*looks)) == [False, False, False, True]
    assert log == ["trained", "v2"]


async def test_the_claim_of_a_dead_worker_runs_out(stores):
    clock = Clock()
    await stores.records.put_value(KEY, {"ended_at": 0.0, "holder": "dead", "until": clock.now + LEASE_S})
    schedule = retraining(stores.records, clock)
    assert not await schedule.look()
    clock.now += LEASE_S + 1
    assert await schedule.look()


async def test_a_clock_that_was_ahead_does_not_put_training_off_for_ever(stores):
    clock = Clock()
    await stores.records.put_value(KEY, {"ended_at": clock.now + 1e9, "holder": "x", "until": clock.now + 1e9})
    schedule = retraining(stores.records, clock)
    assert not await schedule.look()
    found, _ = await stores.records.get_value(KEY)
    assert found["ended_at"] == clock.now
    clock.now += 101
    assert await schedule.look()


async def test_a_training_that_fails_is_tried_again_an_interval_later(stores):
    clock, calls = Clock(), []

    async def fails():
        calls.append(1)
        raise ModelTrainingError("nothing to learn from")

    schedule = retraining(stores.records, clock, train=fails)
    await schedule.look()
    clock.now += 101
    assert await schedule.look()
    assert (await stores.records.get_value(KEY))[0]["error"] == "nothing to learn from"
    assert not await schedule.look()
    clock.now += 101
    assert await schedule.look()
    assert len(calls) == 2


async def test_counting_the_claim_makes_no_list_stale(stores):
    clock = Clock()
    before = (await stores.records.stamp("u-000")).shared
    schedule = retraining(stores.records, clock)
    await schedule.look()
    clock.now += 101
    await schedule.look()
    assert (await stores.records.stamp("u-000")).shared == before


async def test_a_child_process_trains_and_the_server_takes_the_result_up(settings):
    async with open_engine(settings.model_copy(update={"model_update_interval": 0.2}), retrains=True) as engine:
        before = (await engine.recommend("u-000")).model_version
        for _ in range(2400):  # on a busy machine the child, of low priority, takes long
            await asyncio.sleep(0.05)
            if (await engine.recommend("u-000")).model_version != before:
                break
        found = await engine.rollout()
        assert before not in (None, found["live"])
        assert found["history"][0]["actor"] == "schedule"


async def test_a_child_process_that_fails_says_why(tmp_path):
    with pytest.raises(ModelTrainingError, match="no events"):
        await train_in_child({"FORETASTE_HOME": str(tmp_path / "empty")})


async def test_a_wish_is_met_at_once_and_once_also_without_a_schedule(stores):
    clock, log = Clock(), []
    schedule = retraining(stores.records, clock, log=log)
    schedule._interval_s = None
    await schedule.look()
    clock.now += 1e6
    assert not await schedule.look()
    await stores.records.put_value(WISH, {"at": 0.0})
    assert await schedule.look()
    assert not await schedule.look()
    assert log == ["a", "v2"]


async def test_a_wish_that_comes_while_somebody_trains_is_met_afterwards(stores):
    clock, log = Clock(), []

    async def wished_meanwhile():
        log.append("trained")
        if len(log) == 1:
            await stores.records.put_value(WISH, {"at": 1.0})
        return "v2"

    schedule = retraining(stores.records, clock, train=wished_meanwhile)
    await schedule.look()
    clock.now += 101
    assert await schedule.look()
    assert await schedule.look()
    assert not await schedule.look()
    assert log == ["trained", "trained"]
