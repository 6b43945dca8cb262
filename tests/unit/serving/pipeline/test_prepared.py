from dataclasses import replace

import numpy as np
import pytest

from foretaste.data import Query
from foretaste.errors import ConfigurationError, CorruptStateError
from foretaste.serving.config import parse_pipeline
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.live.prepared import PreparedLists
from foretaste.serving.live.users import EventWeights
from foretaste.serving.pipeline import Pipeline
from foretaste.serving.pipeline.guard import Guard
from foretaste.serving.pipeline.parts import Parts
from foretaste.serving.precompute import prepared_lists
from foretaste.serving.training import fit_models
from foretaste.storage.records import Record

MODELS = {"ease": {"kind": "ease", "regularization": 5.0}, "knn": {"kind": "item_knn"}, "popular": {"kind": "popular"}}


def described(**changes):
    values = {
        "models": MODELS,
        "precompute": {"sources": [{"model": "ease"}], "k": 12},
        "sources": [{"kind": "precomputed"}],
        "fallback": {"chain": ["popular"]},
    }
    return parse_pipeline(values | changes)


@pytest.fixture(scope="module")
def bundle(shop):
    pipeline = described()
    models, _ = fit_models(pipeline, shop)
    made = Bundle("v1", models, shop.population, EventWeights())
    return replace(made, lists=prepared_lists(pipeline, made))


def listed(bundle, user_id, **changes):
    return Pipeline(described(**changes)).run([Query(user_id=user_id, k=8)], bundle).lists[0]


def test_everybody_with_a_history_has_the_list_that_the_model_gives(bundle, shop):
    users = [user_id for user_id in shop.users.ids if listed(bundle, user_id).sources[0] == "precomputed"]
    assert len(users) == shop.n_users - 1  # the last one has no history
    own = bundle.models["ease"].recommend([Query(user_id=user_id, k=12) for user_id in users], 12)
    for b, user_id in enumerate(users):
        assert bundle.lists.rows[shop.users.row(user_id)].tolist() == own.item_rows[b].tolist()


def test_a_list_made_in_advance_leaves_out_what_the_user_took_since_excludes_or_may_not_see(bundle, shop):
    first, second, third, fourth, fifth = listed(bundle, "u-000").item_ids[:5]
    known = shop.histories.take(np.array([shop.users.row("u-000")]))
    history = (*shop.items.ids_of(known.item_rows), first)
    query = Query(user_id="u-000", history=history, exclude=frozenset({second, "unknown"}), k=8)
    catalogue = Catalogue(bundle.items).changed([Record(third, {}, False, 0.0, 0.0, 1)])
    asked = [query, Query(user_id="u-000", k=8)]
    some, others = Pipeline(described()).run(asked, bundle, catalogue=catalogue).lists
    assert some.item_ids[:2] == (fourth, fifth)
    assert others.item_ids[:4] == (first, second, fourth, fifth)


def test_a_ranking_model_puts_the_stored_candidates_in_the_order_of_the_newest_events(bundle, shop):
    stored = set(listed(bundle, "u-000").item_ids)
    ranking = {"ranking": {"model": "knn"}}
    coffee, garden = (shop.items.ids_of(rows) for rows in ([0, 1], [18, 19]))
    runner = Pipeline(described(**ranking))
    lists = [
        runner.run([Query(user_id="u-000", history=history, exclude_seen=False, k=12)], bundle).lists[0].item_ids
        for history in (coffee, garden)
    ]
    assert set(lists[0]) == set(lists[1]) > stored
    assert lists[0] != lists[1]


def test_strangers_get_no_list_that_was_made_for_somebody_else(bundle):
    for query in (Query(user_id="nobody", k=4), Query(user_id="u-035", k=4), Query(history=("i-00",), k=4)):
        outcome = Pipeline(described()).run([query], bundle)
        assert set(outcome.lists[0].sources) <= {"popular", "catalogue"}
        assert [skipped.why for skipped in outcome.skipped[0]] == ["empty"]


def test_lists_made_in_advance_serve_while_the_models_fail(bundle, monkeypatch):
    def fails(*_arguments, **_named):
        raise RuntimeError("out of order")

    monkeypatch.setattr(bundle.models["knn"], "recommend", fails)
    chain = {"sources": [{"model": "knn"}], "fallback": {"chain": ["precomputed", "popular"]}}
    runner = Pipeline(described(**chain), parts=Parts(guard=Guard()))
    outcome = runner.run([Query(user_id="u-000", k=8)], bundle, in_time=True)
    assert outcome.fallbacks == ("model_error",)
    assert outcome.lists[0].item_ids == listed(bundle, "u-000").item_ids
    assert set(outcome.lists[0].sources) == {"precomputed"}


def test_the_model_that_gave_the_list_explains_it(bundle):
    outcome = Pipeline(described()).run([Query(user_id="u-000", k=3)], bundle, explain=True)
    assert {reason.kind for reason in outcome.lists[0].reasons} == {"because_items"}


def test_a_version_without_such_lists_says_that_they_are_missing(bundle):
    outcome = Pipeline(described()).run([Query(user_id="u-000", k=3)], replace(bundle, lists=None))
    assert [(skipped.source, skipped.why) for skipped in outcome.skipped[0]] == [("precomputed", "missing")]
    assert len(outcome.lists[0]) == 3


def test_saved_lists_are_loaded_as_they_were_and_refused_when_they_fit_other_models(bundle, tmp_path):
    digest = bundle.lists.save(tmp_path)
    again = PreparedLists.load(tmp_path, bundle.population, sha256=digest)
    np.testing.assert_array_equal(again.rows, bundle.lists.rows)
    np.testing.assert_array_equal(again.scores, bundle.lists.scores)
    assert again.models == ("ease",)
    assert not again.rows.flags.writeable
    with pytest.raises(CorruptStateError, match="is not the one that was saved"):
        PreparedLists.load(tmp_path, bundle.population, sha256="0" * 64)
    fewer = PreparedLists(bundle.lists.rows[1:], bundle.lists.scores[1:], ("ease",))
    with pytest.raises(CorruptStateError, match="do not fit their models"):
        PreparedLists.load(tmp_path, bundle.population, sha256=fewer.save(tmp_path))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"precompute": None}, "needs a part \\[precompute\\]"),
        ({"precompute": {"sources": [{"kind": "catalogue"}]}}, "'catalogue' is no model"),
        ({"precompute": {"sources": [{"model": "deep"}]}}, "'deep' is used but not among the models"),
        ({"precompute": {"ranking": {"model": "deep"}, "sources": [{"model": "ease"}]}}, "'deep' is used but not"),
        ({"precompute": {"k": 5}}, "names no sources"),
    ],
)
def test_a_wrong_description_says_what_is_wrong(changes, said):
    with pytest.raises(ConfigurationError, match=said):
        described(**changes)
