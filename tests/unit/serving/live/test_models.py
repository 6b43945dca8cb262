"""Taking up new versions: swapped as a whole, refused when damaged, never noticed by a request in flight."""

import asyncio

import pytest

from foretaste.errors import CorruptStateError, NotFoundError
from foretaste.serving.bootstrap import open_engine
from foretaste.serving.config import parse_pipeline
from foretaste.serving.training import train


async def test_a_new_version_is_taken_up_without_being_told(engine, pipeline):
    before = (await engine.recommend("u-000")).model_version
    version = await train(engine.records, engine.artifacts, pipeline, evaluate=False)
    for _ in range(100):
        await asyncio.sleep(0.05)
        answer = await engine.recommend("u-000")
        if answer.model_version != before:
            break
    assert answer.model_version == version.version


def damage(home, version, part="models/ease/arrays.safetensors"):
    path = home / "models" / "versions" / version / part
    content = bytearray(path.read_bytes())
    content[-1] ^= 0xFF
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    "part", ["models/ease/arrays.safetensors", "models/ease/manifest.json", "population/arrays.safetensors"]
)
async def test_a_damaged_version_is_refused_and_the_old_one_keeps_serving(engine, home, pipeline, part):
    before = (await engine.recommend("u-000")).model_version
    version = await train(engine.records, engine.artifacts, pipeline, promote=False, evaluate=False)
    damage(home, version.version, part)
    await engine.artifacts.set_live(version.version)
    await engine.refresh()
    answer = await engine.recommend("u-000")
    assert answer.model_version == before
    assert answer.items
    status = await engine.status()
    assert status.ready
    assert status.state == "degraded"
    assert version.version in status.model
    assert 'foretaste_model_loads_total{result="refused"} 1.0' in engine.metrics.text().decode()


async def test_promoting_a_damaged_version_fails_and_moves_nothing(engine, home, pipeline):
    before = await engine.artifacts.live()
    version = await train(engine.records, engine.artifacts, pipeline, promote=False, evaluate=False)
    damage(home, version.version)
    with pytest.raises(CorruptStateError):
        await engine.promote(version.version)
    assert await engine.artifacts.live() == before
    assert (await engine.recommend("u-000")).model_version == before


async def test_promoting_goes_back_and_forth(engine, pipeline):
    first = await engine.artifacts.live()
    second = (await train(engine.records, engine.artifacts, pipeline, promote=False, evaluate=False)).version
    await engine.promote(second)
    assert (await engine.recommend("u-000")).model_version == second
    await engine.promote(first)
    assert (await engine.recommend("u-000")).model_version == first
    with pytest.raises(NotFoundError):
        await engine.promote("20200101T000000-nothing")


async def test_a_version_whose_models_raise_fails_its_warm_up(engine, pipeline, monkeypatch):
    before = (await engine.recommend("u-000")).model_version
    version = await train(engine.records, engine.artifacts, pipeline, promote=False, evaluate=False)
    await engine.refresh()

    from foretaste.models.linear.ease import EASE

    kept = EASE._scores
    calls = []

    def raising(self, batch):
        calls.append(1)
        raise RuntimeError("broken inside")

    monkeypatch.setattr(EASE, "_scores", raising)
    await engine.artifacts.set_live(version.version)
    await engine.refresh()
    monkeypatch.setattr(EASE, "_scores", kept)
    assert calls
    assert (await engine.recommend("u-000")).model_version == before
    assert "warm-up" in (await engine.status()).model


async def test_the_version_brings_the_pipeline_it_was_trained_for(engine):
    other = parse_pipeline(
        {"name": "other", "models": {"popular": {"kind": "popular"}}, "fallback": {"chain": ["popular"]}}
    )
    await train(engine.records, engine.artifacts, other, evaluate=False)
    await engine.refresh()
    assert (await engine.status()).details["pipeline"] == "other"
    assert (await engine.recommend("u-000")).sources == ("popular",)


async def test_a_pipeline_named_in_the_settings_wins_over_the_versions(settings, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n[models.popular]\nkind = "popular"\n[fallback]\nchain = ["popular"]\n')
    async with open_engine(settings.model_copy(update={"pipeline_file": str(path)})) as engine:
        assert (await engine.status()).details["pipeline"] == "mine"
        assert (await engine.recommend("u-000")).sources == ("popular",)


async def test_before_the_first_training_baselines_over_the_events_answer(tmp_path):
    from foretaste.settings import load_settings

    async with open_engine(load_settings(foretaste_home=tmp_path / "new")) as engine:
        nothing = await engine.recommend("u1")
        assert (nothing.items, nothing.fallback, nothing.degraded, nothing.short_by) == ((), "no_model", True, 10)
        await engine.upsert("item", [{"item_id": "b", "title": "Bee"}])
        assert [item.title for item in (await engine.recommend("u1")).items] == ["Bee"]
        await engine.record_events([{"user_id": f"u{n}", "item_id": "a"} for n in range(3)])
        await engine.refresh()
        answer = await engine.recommend("u9")
        assert [item.item_id for item in answer.items] == ["a", "b"]
        assert answer.fallback == "no_model"
        assert answer.model_version is None
        assert [item.item_id for item in (await engine.recommend("u1")).items] == ["b"]


@pytest.mark.parametrize("turns", range(6))
async def test_following_ends_when_it_is_told_to_in_the_moment_of_a_change(engine, turns):
    live = engine._live
    follow = asyncio.create_task(live._follow())
    await asyncio.sleep(0.01)
    live.notice(-1)
    for _ in range(turns):
        await asyncio.sleep(0)
    follow.cancel()
    _, unfinished = await asyncio.wait({follow}, timeout=2)
    assert not unfinished
