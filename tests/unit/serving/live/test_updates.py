"""Models that learn beside the traffic, in real engines over one store."""

import asyncio
import threading

import pytest

from foretaste.errors import ModelTrainingError
from foretaste.serving.bootstrap import open_engine
from foretaste.serving.cache import Asking
from foretaste.serving.config import parse_pipeline
from foretaste.serving.live import updates
from foretaste.serving.live.rollout_state import Step
from foretaste.serving.training import train

LEARNING = {
    "models": {
        "ease": {"kind": "ease", "regularization": 5.0},
        "knn": {"kind": "item_knn"},
        "als": {"kind": "ials", "n_factors": 6, "epochs": 3},
        "popular": {"kind": "popular"},
    },
    "sources": [{"model": "ease", "k": 20}, {"model": "knn", "k": 20}, {"model": "als", "k": 20}],
    "rerank": [{"kind": "mmr"}],
    "similar": {"models": ["ease", "knn"]},
    "fallback": {"chain": ["popular"]},
}
FRESH = [{"user_id": f"fan-{n}", "item_id": item} for n in range(6) for item in ("p-000", "p-001", "fresh")]


@pytest.fixture
async def version(stores):
    return (await train(stores.records, stores.artifacts, parse_pipeline(LEARNING), evaluate=False)).version


@pytest.fixture
async def learner(settings, version):
    async with open_engine(settings) as engine:
        yield engine


def ids(answer):
    return [item.item_id for item in answer.items]


async def test_an_item_that_came_after_the_training_is_found_after_an_update(learner, version):
    await learner.record_events([{"user_id": "curious", "item_id": item} for item in ("p-000", "p-001")])
    await learner.record_events(FRESH)
    assert "fresh" not in ids(await learner.recommend("curious", 20))
    assert await learner.following.updates.update() == 20
    answer = await learner.recommend("curious", 20)
    assert (answer.model_version, answer.degraded) == (f"{version}+20", False)
    assert "fresh" in ids(answer)
    assert {"ease", "knn"} & set(answer.sources)
    assert (await learner.similar_items("fresh", 2)).sources == ("knn",)
    assert (await learner.similar_items("p-000", 3)).sources == ("ease",)
    assert (await learner.similar_users("fan-0", 3)).user_ids
    assert (await learner.status()).model_version == f"{version}+20"


async def test_popularity_counts_on_and_nothing_is_taken_in_twice(learner, version):
    await learner.record_events([{"user_id": f"x-{n}", "item_id": "p-020", "type": "purchase"} for n in range(90)])
    assert (await learner.ranked("popular", 1)).items[0].item_id != "p-020"
    assert await learner.following.updates.update() == 90
    assert await learner.following.updates.update() == 0
    assert (await learner.ranked("popular", 1)).items[0].item_id == "p-020"
    await learner.record_events([{"user_id": "x-0", "item_id": "p-021"}])
    assert await learner.following.updates.update() == 1
    assert (await learner.recommend("x-1", 3)).model_version == f"{version}+91"


async def test_a_kept_list_is_made_anew_after_an_update(learner, version):
    asked = Asking()("user", 5)
    assert version.encode() in await learner.lists.get("u-000", asked)
    await learner.record_events(FRESH)
    await learner.following.updates.update()
    assert f"{version}+{len(FRESH)}".encode() in await learner.lists.get("u-000", asked)


async def test_a_version_that_goes_live_during_an_update_wins(learner, version, monkeypatch):
    newer = await train(learner.records, learner.artifacts, parse_pipeline(LEARNING), promote=False, evaluate=False)
    begun, go_on, real = threading.Event(), threading.Event(), updates.with_events

    def slow(bundle, events):
        begun.set()
        assert go_on.wait(20)
        return real(bundle, events)

    monkeypatch.setattr(updates, "with_events", slow)
    await learner.record_events(FRESH)
    updating = asyncio.create_task(learner.following.updates.update())
    await asyncio.to_thread(begun.wait, 20)
    await learner.promote(newer.version)
    go_on.set()
    assert await updating == 0
    assert (await learner.recommend("u-000", 3)).model_version == newer.version
    sample = learner.metrics.registry.get_sample_value
    assert sample("foretaste_model_updates_total", {"result": "outrun"}) == 1
    await learner.roll_back()
    assert (await learner.recommend("u-000", 3)).model_version == version


async def test_lists_that_are_made_during_updates_are_whole_and_of_one_version(learner, version):
    done = False

    async def ask():
        seen = set()
        while not done:
            answer = await learner.recommend("u-003", 10)
            assert len(ids(answer)) == len(set(ids(answer))) == 10
            assert not answer.degraded
            seen.add(answer.model_version)
        return seen

    asking = [asyncio.create_task(ask()) for _ in range(4)]
    labels = {version}
    for n in range(1, 6):
        await learner.record_events([{"user_id": f"y-{n}", "item_id": item} for item in ("p-000", f"new-{n}")])
        assert await learner.following.updates.update() == 2
        labels.add(f"{version}+{2 * n}")
    done = True
    seen = set().union(*await asyncio.gather(*asking))
    assert seen <= labels
    assert len(seen) > 1


async def test_a_model_that_cannot_take_events_in_leaves_what_serves_as_it_is(learner, version, monkeypatch):
    calls = []

    def broken(bundle, events):
        calls.append(len(events))
        raise ModelTrainingError("not finite")

    monkeypatch.setattr(updates, "with_events", broken)
    await learner.record_events(FRESH)
    with pytest.raises(ModelTrainingError):
        await learner.following.updates.update()
    assert await learner.following.updates.update() == 0  # this version is not tried again
    assert calls == [len(FRESH)]
    assert (await learner.recommend("u-000", 3)).model_version == version


async def test_a_worker_that_starts_anew_catches_up_with_the_others(settings, learner):
    await learner.record_events(FRESH[:9])
    await learner.following.updates.update()
    await learner.record_events(FRESH[9:])
    await learner.following.updates.update()
    async with open_engine(settings) as other:
        assert await other.following.updates.update() == len(FRESH)
        ours, theirs = [(await engine.recommend("fan-0", 5)).model_version for engine in (learner, other)]
        assert ours == theirs
        assert (await other.similar_items("fresh", 2)).sources == ("knn",)


async def test_events_of_a_deleted_user_are_not_learnt(learner):
    await learner.record_events(FRESH)
    await learner.record_events([{"user_id": "gone", "item_id": "secret"}])
    await learner.delete("user", "gone")
    assert await learner.following.updates.update() == len(FRESH)
    assert (await learner.status()).details["items_in_model"] == 25  # with "fresh", without "secret"


async def test_while_a_version_is_rolled_out_the_live_one_stays_as_it_is(learner, version):
    newer = await train(learner.records, learner.artifacts, parse_pipeline(LEARNING), promote=False, evaluate=False)
    await learner.promote(newer.version, (Step("canary", None, 0.5),))
    await learner.record_events(FRESH)
    assert await learner.following.updates.update() == 0
    await learner.roll_back()
    assert await learner.following.updates.update() == len(FRESH)


@pytest.mark.parametrize("most", [None, 4])
async def test_a_pipeline_with_an_interval_learns_by_itself_up_to_its_most_events(settings, stores, most):
    values = LEARNING | {"updates": {"every_s": 0.02} | ({"most_events": most} if most else {})}
    version = (await train(stores.records, stores.artifacts, parse_pipeline(values), evaluate=False)).version
    async with open_engine(settings) as engine:
        await engine.record_events(FRESH)
        wanted = f"{version}+{most or len(FRESH)}"
        for _ in range(500):
            label = (await engine.status()).model_version
            if label == wanted:
                break
            await asyncio.sleep(0.02)
        assert label == wanted
        assert await engine.following.updates.update() == 0
