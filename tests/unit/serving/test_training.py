import pytest

from foretaste.errors import (
    ConfigurationError,
    CorruptStateError,
    DataInsufficientError,
    ModelTrainingError,
    UnknownNameError,
)
from foretaste.serving.bootstrap import open_engine
from foretaste.serving.config import load_pipeline, packaged_pipelines, parse_pipeline
from foretaste.serving.ingest import ingest
from foretaste.serving.live.bundle import load
from foretaste.serving.live.prepared import PreparedLists
from foretaste.serving.training import baselines, fit_models, read_training_data, train


async def test_training_publishes_a_live_version_with_what_was_measured(stores, pipeline, shop):
    steps = []
    version = await train(stores.records, stores.artifacts, pipeline, on_progress=lambda *step: steps.append(step))
    assert await stores.artifacts.live() == version.version
    assert version.models == ("ease", "content", "popular", "trending", "newest")
    assert version.data["users"] == shop.n_users
    assert version.data["interactions"] == len(shop.interactions)
    assert 0.0 <= version.metrics["ndcg@10"] <= 1.0
    assert "time" in version.metrics["protocol"]
    assert parse_pipeline(version.pipeline) == pipeline
    assert {stage for stage, *_ in steps} >= {"reading", "fitting ease", "judging", "saving"}


async def test_a_version_that_is_not_promoted_leaves_the_live_one(stores, pipeline):
    before = await stores.artifacts.live()
    version = await train(stores.records, stores.artifacts, pipeline, promote=False, evaluate=False)
    assert await stores.artifacts.live() == before != version.version
    assert version.metrics == {}


async def test_an_empty_store_says_what_to_do(empty_stores, pipeline):
    with pytest.raises(DataInsufficientError, match="ingest"):
        await train(empty_stores.records, empty_stores.artifacts, pipeline)


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ({"kind": "no_such_model"}, UnknownNameError),
        ({"kind": "popular", "window": 3}, ConfigurationError),
        ({"kind": "popular", "max_items": 5, "or_else": {"kind": "nothing"}}, UnknownNameError),
    ],
)
async def test_a_wrong_model_is_found_before_any_data_is_read(empty_stores, spec, error):
    with pytest.raises(error):
        await train(empty_stores.records, empty_stores.artifacts, parse_pipeline({"models": {"m": spec}}))


async def test_an_optional_model_without_its_data_is_left_out_with_the_reason(empty_stores, pipeline):
    events = [{"user_id": f"u{n % 4}", "item_id": f"i{n % 5}"} for n in range(20)]
    import polars as pl

    await ingest(empty_stores.records, events=pl.DataFrame(events))
    data = await read_training_data(empty_stores.records, pipeline)
    models, skipped = fit_models(pipeline, data.dataset)
    assert set(models) == {"ease", "popular"}
    assert set(skipped) == {"content", "trending", "newest"}
    assert all(skipped.values())


async def test_a_needed_model_that_cannot_be_fitted_stops_the_training(empty_stores):
    import polars as pl

    await ingest(empty_stores.records, events=pl.DataFrame({"user_id": ["u"], "item_id": ["i"]}))
    strict = parse_pipeline({"models": {"trending": {"kind": "trending"}, "popular": {"kind": "popular"}}})
    with pytest.raises(DataInsufficientError):
        await train(empty_stores.records, empty_stores.artifacts, strict)
    assert await empty_stores.artifacts.live() is None
    assert list(await empty_stores.artifacts.versions()) == []


async def test_one_user_and_one_item_can_be_trained_on_with_a_note_that_nothing_was_judged(empty_stores):
    import polars as pl

    await ingest(empty_stores.records, events=pl.DataFrame({"user_id": ["u"], "item_id": ["i"], "timestamp": [5.0]}))
    version = await train(
        empty_stores.records, empty_stores.artifacts, parse_pipeline({"models": {"p": {"kind": "popular"}}})
    )
    assert "skipped" in version.metrics


async def test_baselines_serve_before_the_first_training(stores, pipeline):
    bundle = await baselines(stores.records, pipeline)
    assert bundle.version is None
    assert set(bundle.models) == {"popular", "trending", "newest"}


def test_a_pipeline_of_optional_models_that_all_fail_is_an_error(shop):
    from dataclasses import replace

    bare = replace(shop, item_frame=None, item_features={})
    only = parse_pipeline({"models": {"content": {"kind": "tfidf", "optional": True}}})
    with pytest.raises(ModelTrainingError, match="no model"):
        fit_models(only, bare)


@pytest.mark.parametrize("name", packaged_pipelines())
def test_every_packaged_pipeline_can_be_trained_and_uses_all_its_models(shop, name):
    pipeline = load_pipeline(name)
    models, skipped = fit_models(pipeline, shop)
    assert set(models) == set(pipeline.models)
    assert not skipped


async def test_lists_made_in_advance_are_published_with_their_models_and_served(settings, stores, pipeline):
    hybrid = {"precompute": {"k": 15}, "sources": [{"kind": "precomputed"}, {"model": "ease", "k": 15}]}
    steps = []
    version = await train(
        stores.records,
        stores.artifacts,
        parse_pipeline({**pipeline.dump(), **hybrid}),
        on_progress=lambda *step: steps.append(step),
    )
    assert set(version.digests) == {"population", "lists", *(f"models/{name}" for name in version.models)}
    assert ("precomputing", version.data["users"], version.data["users"], None) in steps
    assert 0.0 <= version.metrics["ndcg@10"] <= 1.0
    async with open_engine(settings) as engine:
        answer = await engine.recommend("u-000", k=5, scenario="default")
        assert not answer.degraded
        assert "precomputed" in {item.source for item in answer.items}
        first = answer.items[0].item_id
        await engine.record_events([{"user_id": "u-000", "item_id": first, "type": "view"}])
        after = await engine.recommend("u-000", k=5)
        assert first not in {item.item_id for item in after.items}


async def test_lists_that_were_exchanged_are_not_served(stores, pipeline):
    config = parse_pipeline({**pipeline.dump(), "precompute": {"k": 5}})
    version = await train(stores.records, stores.artifacts, config, evaluate=False)
    folder = await stores.artifacts.fetch(version.version)
    loaded = load(folder, version)
    assert loaded.lists is not None
    assert loaded.lists.models == ("ease", "content")
    loaded.lists.save(folder)  # the same arrays are the same lists
    PreparedLists(loaded.lists.rows[:, ::-1], loaded.lists.scores, ("ease",)).save(folder)
    with pytest.raises(CorruptStateError):
        load(folder, version)
