import asyncio
from dataclasses import replace

import orjson
import pytest

from foretaste.errors import StorageUnavailableError
from foretaste.monitoring import Metrics
from foretaste.serving.cache import TAIL, Asked
from foretaste.serving.exposures import ExposureLog
from foretaste.storage.records import Exposure, open_records


@pytest.fixture
async def records():
    async with open_records("sqlite://") as records:
        yield records


def log_of(records, **settings):
    return ExposureLog(records, metrics=Metrics(), clock=lambda: 1000.0, **settings)


def count(log, result):
    return log._metrics.registry.get_sample_value("foretaste_exposures_total", {"result": result}) or 0


def a_list(name="r", **more):
    return Exposure(name, ("a", "b"), "u", first_at=900.0, last_at=900.0, **more)


async def test_a_list_is_written_once_and_counts_each_serving(records):
    log = log_of(records)
    log.log(a_list())
    log.shown("r")
    log.shown("r")
    await log.flush()
    log.shown("r")
    await log.flush()
    found = await records.exposure("r")
    assert replace(found, number=0) == replace(a_list(), shown=4, last_at=1000.0)
    assert (count(log, "stored"), count(log, "shown_again")) == (1, 3)


async def test_it_writes_by_itself_and_when_closed(records):
    log = log_of(records, flush_s=0.01)
    await log.start()
    log.log(a_list())
    for _ in range(200):
        if await records.exposure("r"):
            break
        await asyncio.sleep(0.01)
    assert await records.count("exposure") == 1
    log.log(a_list("s"))
    log.shown("r")
    await log.close()
    assert (await records.exposure("r")).shown == 2
    assert await records.count("exposure") == 2
    await log.close()
    assert (await records.exposure("r")).shown == 2


async def test_a_store_that_fails_loses_nothing_within_the_bound(records, monkeypatch):
    real, log = records.log_exposures, log_of(records, most_waiting=3)

    async def unavailable(*_, **__):
        raise StorageUnavailableError("locked")

    monkeypatch.setattr(records, "log_exposures", unavailable)
    log.log(a_list("r0"))
    for n in range(2):
        log.shown("r0")
        log.shown(f"x{n}")
    await log.flush()
    for n in range(1, 5):
        log.log(a_list(f"r{n}"))
    log.shown("r0")
    log.shown("one too many")
    await log.flush()
    assert count(log, "dropped") == 3
    monkeypatch.setattr(records, "log_exposures", real)
    await log.flush()
    assert [e.recommendation_id for e in await records.exposures()] == ["r0", "r1", "r2"]
    assert (await records.exposure("r0")).shown == 4


async def test_what_cannot_be_written_at_the_end_is_counted(records, monkeypatch):
    log = log_of(records)

    async def unavailable(*_, **__):
        raise StorageUnavailableError("locked")

    monkeypatch.setattr(records, "log_exposures", unavailable)
    log.log(a_list())
    log.shown("r")
    await log.close()
    assert count(log, "dropped") == 2


async def test_a_list_that_cannot_be_kept_takes_no_other_with_it(records):
    log = log_of(records)
    log.log(a_list("good"))
    log.log(a_list("bad", arms={"what": object()}))
    log.log(a_list("also good"))
    log.shown("good")
    await log.flush()
    assert [e.recommendation_id for e in await records.exposures()] == ["good", "also good"]
    assert (await records.exposure("good")).shown == 2
    assert count(log, "dropped") == 1


async def test_old_lists_are_forgotten(records):
    await records.log_exposures([replace(a_list("old"), first_at=1.0)])
    log = ExposureLog(records, metrics=Metrics(), clock=lambda: 1000.0 + 86_400, keep_days=1, flush_s=0.01)
    await log.start()
    for _ in range(200):
        if not await records.exposure("old"):
            break
        await asyncio.sleep(0.01)
    await log.close()
    assert await records.count("exposure") == 0


async def test_every_list_that_the_engine_serves_is_logged(engine):
    one = await engine.recommend("u1", k=3)
    several = await engine.recommend_many(["u2", "u3"], k=2)
    session = await engine.recommend_session("s", k=2)
    popular = await engine.ranked("popular", 2)
    similar = await engine.similar_items(one.items[0].item_id, 2)
    given = await engine.recommend_for_history([one.items[0].item_id], k=2)
    await engine.exposures.flush()
    for answer in (one, *several, session, popular, similar, given):
        found = await engine.records.exposure(answer.recommendation_id)
        assert found.item_ids == tuple(item.item_id for item in answer.items)
        assert (found.scenario, found.model_version, found.shown) == (answer.scenario, answer.model_version, 1)
    assert (await engine.records.exposure(one.recommendation_id)).user_id == "u1"
    assert await engine.records.count("exposure") == 7


async def test_a_kept_list_that_is_served_again_counts(engine):
    asked = Asked("user", 3, "default", None, False, ())
    bodies = [await engine.lists.get("u1", asked) for _ in range(2)]
    bodies += await asyncio.gather(*(engine.lists.get("u2", asked) for _ in range(3)))
    await engine.exposures.flush()
    shown = {}
    for body in bodies:
        recommendation_id = orjson.loads(body + TAIL)["recommendation_id"]
        shown[recommendation_id] = (await engine.records.exposure(recommendation_id)).shown
    assert sorted(shown.values()) == [2, 3]
