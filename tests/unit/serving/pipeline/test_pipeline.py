import numpy as np
import pytest

from foretaste.data import Query
from foretaste.models import Recommender
from foretaste.serving.config import parse_pipeline
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.live.users import EventWeights
from foretaste.serving.pipeline import CATALOGUE, Pipeline
from foretaste.serving.training import fit_models
from foretaste.storage.records import Record


class Broken(Recommender):
    """Fails whenever it is asked."""

    name = "broken"
    scores_without_history = True

    def _fit(self, data):
        pass

    def _scores(self, batch):
        raise RuntimeError("out of order")


@pytest.fixture(scope="module")
def bundle(pipeline, shop):
    models, _ = fit_models(pipeline, shop)
    return Bundle("v1", models, shop.population, EventWeights())


def with_broken(bundle, shop, *names):
    models = {name: Broken().fit(shop) if name in names else model for name, model in bundle.models.items()}
    return Bundle("v1", models, bundle.population, EventWeights())


def seen_by(shop, user_id):
    row = shop.users.row(user_id)
    part = shop.histories.slice(row)
    return set(shop.items.ids_of(shop.histories.item_rows[part]))


def a_user(shop):
    return shop.users.id(0)


def test_a_list_has_k_distinct_items_and_none_that_the_user_had(pipeline, bundle, shop):
    users = shop.users.ids.to_list()
    outcome = Pipeline(pipeline).run([Query(user_id=user, k=8) for user in users], bundle)
    for user, one in zip(users, outcome.lists, strict=True):
        assert len(set(one.item_ids)) == 8
        assert not seen_by(shop, user) & set(one.item_ids)


def test_every_item_says_which_source_gave_it(pipeline, bundle, shop):
    one = Pipeline(pipeline).run([Query(user_id=a_user(shop), k=5)], bundle).lists[0]
    assert len(one.sources) == 5
    assert set(one.sources) <= {"ease", "content", "popular", "newest", CATALOGUE}
    assert one.sources[0] in {"ease", "content"}


def test_all_items_that_may_be_shown_are_listed_when_k_asks_for_more(pipeline, bundle, shop):
    user = a_user(shop)
    one = Pipeline(pipeline).run([Query(user_id=user, k=500)], bundle).lists[0]
    assert set(one.item_ids) == set(shop.items.ids) - seen_by(shop, user)


def test_an_unknown_user_gets_the_fallback_chain_and_the_outcome_says_so(pipeline, bundle, shop):
    outcome = Pipeline(pipeline).run([Query(user_id="nobody", k=5), Query(user_id=a_user(shop), k=5)], bundle)
    assert outcome.fallbacks == ("cold_user", "none")
    assert set(outcome.lists[0].sources) == {"popular"}
    assert outcome.lists[0].item_ids == bundle.models["popular"].recommend([Query(k=5)])[0].item_ids


def test_a_user_below_the_minimum_history_is_served_as_cold(pipeline, bundle, shop):
    query = Query(history=(shop.items.id(0), shop.items.id(1)), k=3)
    assert Pipeline(pipeline, min_history=2).run([query], bundle).fallbacks == ("none",)
    assert Pipeline(pipeline, min_history=3).run([query], bundle).fallbacks == ("cold_user",)


def test_excluded_and_unavailable_items_never_come_and_others_take_their_place(pipeline, bundle, shop):
    query = Query(user_id=a_user(shop), k=6)
    before = Pipeline(pipeline).run([query], bundle).lists[0].item_ids
    catalogue = Catalogue(bundle.items).changed([Record(before[0], is_available=False, version=1)])
    excluded = Query(user_id=query.user_id, k=6, exclude=frozenset({before[1]}))
    after = Pipeline(pipeline).run([excluded], bundle, catalogue=catalogue).lists[0].item_ids
    assert len(after) == 6
    assert not {before[0], before[1]} & set(after)


def test_a_mask_is_pushed_down_so_that_k_items_come_back(pipeline, bundle, shop):
    allowed = np.zeros(len(shop.items), dtype=bool)
    allowed[-8:] = True
    outcome = Pipeline(pipeline).run([Query(k=5)], bundle, allowed=allowed)
    assert len(outcome.lists[0]) == 5
    assert set(outcome.lists[0].item_ids) <= set(shop.items.ids_of(np.flatnonzero(allowed)))


def test_one_failing_source_leaves_a_full_list_and_is_named(pipeline, bundle, shop):
    outcome = Pipeline(pipeline).run([Query(user_id=a_user(shop), k=5)], with_broken(bundle, shop, "ease"))
    assert len(outcome.lists[0]) == 5
    assert outcome.failed == ("ease",)
    assert [(s.source, s.why) for s in outcome.skipped[0]] == [("ease", "error")]
    assert outcome.fallbacks == ("none",)


def test_when_every_model_fails_the_catalogue_still_answers(pipeline, bundle, shop):
    outcome = Pipeline(pipeline).run(
        [Query(user_id=a_user(shop), k=5)], with_broken(bundle, shop, *bundle.models), explain=True
    )
    one = outcome.lists[0]
    assert len(one) == 5
    assert set(one.sources) == {CATALOGUE}
    assert not seen_by(shop, a_user(shop)) & set(one.item_ids)
    assert outcome.fallbacks == ("model_error",)
    assert one.reasons[0].kind == "new"


def test_a_model_that_the_bundle_lacks_is_passed_over_without_an_error(pipeline, bundle, shop):
    without = Bundle(
        "v1", {n: m for n, m in bundle.models.items() if n != "content"}, bundle.population, bundle.weights
    )
    outcome = Pipeline(pipeline).run([Query(user_id=a_user(shop), k=5)], without)
    assert outcome.failed == ()
    assert [(s.source, s.why) for s in outcome.skipped[0]] == [("content", "missing")]


def test_a_single_source_keeps_the_scores_of_its_model(bundle, shop):
    config = parse_pipeline({"models": {"ease": {"kind": "ease"}}, "sources": [{"model": "ease"}]})
    query = Query(user_id=a_user(shop), k=4)
    ours = Pipeline(config).run([query], bundle).lists[0]
    theirs = bundle.models["ease"].recommend([query])[0]
    assert ours.item_ids == theirs.item_ids
    assert ours.scores == pytest.approx(theirs.scores)


def test_a_scenario_may_show_items_again(pipeline, bundle, shop):
    user = a_user(shop)
    one = Pipeline(pipeline).run([Query(user_id=user, k=24, scenario="again")], bundle).lists[0]
    assert seen_by(shop, user) <= set(one.item_ids)


def test_a_ranking_model_orders_the_candidates_anew(bundle, shop):
    base = {
        "models": {"ease": {"kind": "ease"}, "popular": {"kind": "popular"}},
        "sources": [{"model": "ease", "k": 6}],
        "ranking": {"model": "popular"},
    }
    query = Query(user_id=a_user(shop), k=6)
    plain = Pipeline(parse_pipeline({**base, "ranking": None})).run([query], bundle).lists[0]
    ranked = Pipeline(parse_pipeline(base)).run([query], bundle).lists[0]
    counts = dict(zip(shop.items.ids, bundle.models["popular"].counts, strict=True))
    assert set(ranked.item_ids) == set(plain.item_ids)
    liked = [counts[item] for item in ranked.item_ids if counts[item] > 0]
    assert liked == sorted(liked, reverse=True)
    assert set(ranked.sources) == {"ease"}


def test_reasons_name_items_of_the_history(pipeline, bundle, shop):
    user = a_user(shop)
    one = Pipeline(pipeline).run([Query(user_id=user, k=5)], bundle, explain=True).lists[0]
    named = {i for reason in one.reasons if reason is not None for i in reason.item_ids}
    assert named
    assert named <= seen_by(shop, user)


def test_later_arrivals_are_ranked_by_no_model_but_come_from_the_catalogue(pipeline, bundle, shop):
    catalogue = Catalogue(bundle.items).changed([Record("fresh", {"title": "Fresh"}, True, 10.0, 10.0, 1)])
    one = Pipeline(pipeline).run([Query(user_id=a_user(shop), k=500)], bundle, catalogue=catalogue).lists[0]
    assert "fresh" in one.item_ids
    assert one.sources[one.item_ids.index("fresh")] == CATALOGUE


def test_an_item_of_the_history_that_came_after_training_is_not_shown_again(pipeline, bundle, shop):
    catalogue = Catalogue(bundle.items).changed([Record("fresh", {}, True, 10.0, 10.0, 1)])
    query = Query(history=(shop.items.id(0), "fresh"), k=500)
    one = Pipeline(pipeline).run([query], bundle, catalogue=catalogue).lists[0]
    assert "fresh" not in one.item_ids
    assert shop.items.id(0) not in one.item_ids


def test_a_batch_gives_what_single_questions_give(pipeline, bundle, shop):
    queries = [
        Query(user_id=shop.users.id(0), k=5),
        Query(user_id="nobody", k=3),
        Query(history=(shop.items.id(3),), k=7),
    ]
    together = Pipeline(pipeline).run(queries, bundle, explain=True)
    for b, query in enumerate(queries):
        alone = Pipeline(pipeline).run([query], bundle, explain=True)
        assert together.lists[b].item_ids == alone.lists[0].item_ids
        assert together.lists[b].sources == alone.lists[0].sources
        assert together.lists[b].reasons == alone.lists[0].reasons
        assert together.fallbacks[b] == alone.fallbacks[0]
