import numpy as np
import pytest

from foretaste.data import Query, Reason, RecLists, Vocabulary
from foretaste.serving.config import parse_pipeline
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.live.users import EventWeights
from foretaste.serving.pipeline import CATALOGUE, Parts, Pipeline
from foretaste.serving.training import fit_models
from foretaste.storage.records import Record


@pytest.fixture(scope="module")
def bundle(pipeline, shop):
    models, _ = fit_models(pipeline, shop)
    return Bundle("v1", models, shop.population, EventWeights())


class Friends:
    """A source with item ids of its own, one of which the catalogue does not have."""

    name = "catalogue"

    def __init__(self, *item_ids):
        self.items = Vocabulary(["elsewhere", *item_ids])

    def recommend(self, queries, k, *, allowed, now):
        rows = np.tile(np.arange(len(self.items), dtype=np.int32), (len(queries), 1))
        return RecLists(rows, np.ones(rows.shape, np.float32), self.items)

    def explain(self, query, item_ids):
        return [Reason("similar_users")] * len(item_ids)


def plugged_in(source, **more):
    config = parse_pipeline({"models": {"popular": {"kind": "popular"}}, "sources": [{"kind": "catalogue"}], **more})
    return Pipeline(config, parts=Parts(sources={"catalogue": lambda config, bundle, catalogue: source}))


def test_rows_of_another_vocabulary_are_translated_and_unknown_items_dropped(bundle, shop):
    a, b = shop.items.id(3), shop.items.id(7)
    one = plugged_in(Friends(b, a)).run([Query(user_id="nobody", k=2)], bundle).lists[0]
    assert one.item_ids == (b, a)


def test_a_kind_is_asked_for_strangers_too_and_explains_its_own_items(bundle, shop):
    made = plugged_in(Friends(shop.items.id(3)))
    outcome = made.run([Query(user_id="nobody", k=1)], bundle, explain=True)
    assert outcome.fallbacks == ("none",)
    assert outcome.lists[0].reasons == (Reason("similar_users"),)


def test_newest_items_leave_out_what_was_seen_excluded_or_hidden(bundle, shop):
    config = parse_pipeline({"models": {"popular": {"kind": "popular"}}, "sources": [{"kind": "catalogue"}]})
    records = [Record(f"n{n}", {}, n != 4, float(n), 0.0, 1) for n in range(1, 6)]
    catalogue = Catalogue(bundle.items).changed(records)
    query = Query(history=(shop.items.id(0), "n3"), exclude=frozenset({"n5"}), k=2)
    one = Pipeline(config).run([query], bundle, catalogue=catalogue, explain=True).lists[0]
    assert one.item_ids == ("n2", "n1")
    assert one.sources == (CATALOGUE, CATALOGUE)
    assert one.reasons == (Reason("new"), Reason("new"))


def test_sources_are_made_once_for_a_bundle_and_a_catalogue(bundle, shop):
    made = []

    def maker(config, bundle, catalogue):
        made.append(config.name)
        return Friends(shop.items.id(1))

    config = parse_pipeline({"models": {"popular": {"kind": "popular"}}, "sources": [{"kind": "catalogue"}]})
    running = Pipeline(config, parts=Parts(sources={"catalogue": maker}))
    catalogue = Catalogue(bundle.items)
    for _ in range(3):
        running.run([Query(k=2)], bundle, catalogue=catalogue)
    assert len(made) == 1
    running.run([Query(k=2)], bundle, catalogue=catalogue.changed([Record("new", version=2)]))
    assert len(made) == 2


def test_a_model_that_scores_attributes_is_asked_for_users_without_a_history_who_have_some(shop):
    config = parse_pipeline(
        {
            "models": {"people": {"kind": "segment_popular", "column": "favourite"}, "popular": {"kind": "popular"}},
            "sources": [{"model": "people"}, {"model": "popular"}],
            "fallback": {"chain": ["popular"]},
        }
    )
    models, _ = fit_models(config, shop)
    known = Bundle("v1", models, shop.population, EventWeights())
    music = Query(user_id="stranger", attributes={"favourite": "music"}, k=5)
    outcome = Pipeline(config).run([music, Query(user_id="nobody", k=5)], known, explain=True)
    assert outcome.fallbacks == ("none", "cold_user")
    assert set(outcome.lists[0].sources) == {"people"}
    assert outcome.lists[0].reasons[0] == Reason("popular", features=("favourite: music",))
    assert set(outcome.lists[1].sources) == {"popular"}
