"""Arrivals and declared interests as sources of a pipeline, over the tiny shop."""

import numpy as np
import pytest

from foretaste.data import Query, Reason
from foretaste.errors import ConfigurationError
from foretaste.serving.cold.circles import Circles
from foretaste.serving.cold.sources import cold_sources
from foretaste.serving.config import parse_pipeline
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.live.users import EventWeights
from foretaste.serving.pipeline import Parts, Pipeline
from foretaste.serving.training import fit_models
from foretaste.storage.records import Record

MODELS = {"popular": {"kind": "popular"}}
NEW = {
    "mug": {"title": "Enamel mug", "category": "coffee", "tags": ["coffee", "mug"]},
    "boots": {"title": "Winter boots", "category": "hiking", "tags": ["hiking", "boots"]},
    "lamp": {"title": "Desk lamp", "category": "office", "tags": ["neon"]},
    "sign": {"title": "Wall sign", "category": "office", "tags": ["neon"]},
    "plain": {"price": 3.0},
}


@pytest.fixture(scope="module")
def bundle(shop):
    models, _ = fit_models(parse_pipeline({"models": MODELS}), shop)
    return Bundle("v1", models, shop.population, EventWeights(), trained_at=1000.0)


@pytest.fixture(scope="module")
def catalogue(bundle, shop):
    """The shop's items, and five that came after the training."""
    rows = shop.item_frame.to_dicts()
    known = [Record(row.pop("item_id"), row, True, 1.0, 1.0, n) for n, row in enumerate(rows, 1)]
    new = [Record(item_id, values, True, 2000.0 + n, 0.0, 100 + n) for n, (item_id, values) in enumerate(NEW.items())]
    return Catalogue(bundle.items, 1000.0).changed(known).changed(new)


def pipeline(kind, **settings):
    config = {"models": MODELS, "sources": [{"kind": kind, **settings}], "fallback": {"chain": ["popular"]}}
    return Pipeline(parse_pipeline(config), parts=Parts(cold_sources(Circles(None))))


def lists(kind, bundle, catalogue, *queries, settings=None, **more):
    run = pipeline(kind, **(settings or {})).run(list(queries), bundle, catalogue=catalogue, **more)
    found = []
    for b in range(len(queries)):
        one = run.lists[b]
        found.append([i for i, source in zip(one.item_ids, one.sources, strict=True) if source == kind])
    return found


COFFEE, BOOTS = ("p-000", "p-002"), ("p-006", "p-007")


def test_each_user_gets_the_arrivals_that_resemble_their_history(bundle, catalogue):
    asked = [Query(history=COFFEE), Query(history=BOOTS), Query(user_id="stranger")]
    assert lists("arrivals", bundle, catalogue, *asked) == [["mug"], ["boots"], []]


def test_a_user_known_from_the_training_has_a_history_too(bundle, catalogue, shop):
    user = shop.users.id(0)  # prefers coffee
    assert lists("arrivals", bundle, catalogue, Query(user_id=user))[0][0] == "mug"


def test_the_newest_events_count_most_and_dislikes_nothing(bundle, catalogue):
    def first(*history, **more):
        return lists("arrivals", bundle, catalogue, Query(history=history, **more), settings={"half_life": 0.5})[0][0]

    assert first("p-006", "p-000") == "mug"
    assert first("p-000", "p-006") == "boots"
    assert first("p-000", "p-006", history_weights=(1.0, 0.0)) == "mug"
    assert first("p-000", "p-006", history_importance=(1.0, 0.1)) == "mug"


def test_an_arrival_leads_to_others_by_values_that_training_never_saw(bundle, catalogue):
    assert lists("arrivals", bundle, catalogue, Query(history=("lamp",))) == [["sign"]]
    assert lists("arrivals", bundle, catalogue, Query(history=("lamp",), exclude_seen=False))[0] == ["lamp", "sign"]


def test_masks_exclusions_and_unavailable_items_hold(bundle, catalogue):
    coffee = Query(history=COFFEE)
    mask = np.ones((1, len(catalogue.items)), dtype=bool)
    mask[0, catalogue.items.row("mug")] = False
    assert lists("arrivals", bundle, catalogue, coffee, allowed=mask) == [[]]
    assert lists("arrivals", bundle, catalogue, coffee, allowed=mask[0]) == [[]]
    assert lists("arrivals", bundle, catalogue, Query(history=COFFEE, exclude=frozenset({"mug"}))) == [[]]
    sold_out = catalogue.changed([Record("mug", NEW["mug"], False, 2000.0, 0.0, 200)])
    assert lists("arrivals", bundle, sold_out, coffee) == [[]]


def test_the_cosine_has_to_exceed_the_least_one(bundle, catalogue):
    assert lists("arrivals", bundle, catalogue, Query(history=COFFEE), settings={"least": 0.99}) == [[]]


def test_an_arrival_is_explained_by_what_it_shares_with_the_history(bundle, catalogue):
    made = pipeline("arrivals").run([Query(history=("p-007", "p-000"), k=1)], bundle, catalogue=catalogue, explain=True)
    (reason,) = made.lists[0].reasons
    assert (reason.kind, reason.item_ids) == ("content", ("p-000",))
    assert reason.features == ("categories: coffee",)


def test_the_same_maker_serves_a_catalogue_that_grows(bundle, catalogue):
    running = pipeline("arrivals")
    query = Query(history=COFFEE, k=1)
    assert running.run([query], bundle, catalogue=catalogue).lists[0].item_ids == ("mug",)
    more = catalogue.changed([Record("pot", {"title": "Coffee pot", "category": "coffee"}, True, 3000.0, 0.0, 300)])
    found = running.run([Query(history=COFFEE, k=2)], bundle, catalogue=more).lists[0]
    assert set(found.item_ids) == {"mug", "pot"}


# --- interests ---------------------------------------------------------------------------------------------------


def interested(*interests, **more):
    return Query(user_id="stranger", k=20, attributes={"interests": list(interests)}, **more)


def test_declared_interests_give_items_that_have_them_popular_ones_first(bundle, catalogue, shop):
    (found,) = lists("interests", bundle, catalogue, interested("Coffee"))
    assert set(found) == {"p-000", "p-001", "p-002", "p-003", "p-004", "p-005", "mug"}
    taken = np.bincount(shop.interactions.item_rows[shop.interactions.weights > 0], minlength=shop.n_items)
    counts = [int(taken[shop.items.row(i)]) if i in shop.items else 0 for i in found]
    assert counts == sorted(counts, reverse=True)


def test_rare_interests_and_several_of_them_count_more(bundle, catalogue):
    (found,) = lists("interests", bundle, catalogue, interested("coffee", "mug", "no such thing"))
    assert found[0] in {"mug", "p-005"}
    assert {"mug", "p-005"} == set(found[:2])
    assert lists("interests", bundle, catalogue, interested("no such thing"), interested()) == [[], []]


def test_interests_keep_to_masks_exclusions_and_history(bundle, catalogue):
    query = interested("mug", exclude=frozenset({"mug"}), history=("p-005",))
    assert lists("interests", bundle, catalogue, query) == [[]]
    mask = np.zeros(len(catalogue.items), dtype=bool)
    mask[catalogue.items.row("mug")] = True
    assert lists("interests", bundle, catalogue, interested("coffee"), allowed=mask) == [["mug"]]


def test_interests_are_explained_in_the_words_of_the_shop(bundle, catalogue):
    made = pipeline("interests").run([interested("NEON", "office")], bundle, catalogue=catalogue, explain=True)
    by_item = dict(zip(made.lists[0].item_ids, made.lists[0].reasons, strict=True))
    assert by_item["lamp"] == Reason("interests", features=("neon", "office"))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"kind": "arrivals", "half_life": 0}, r"half_life = 0 of kind 'arrivals'"),
        ({"kind": "arrivals", "colour": "red"}, r"colour = 'red' of kind 'arrivals'.*it has half_life"),
        ({"kind": "interests", "attribute": ""}, r"attribute = '' of kind 'interests'"),
    ],
)
def test_wrong_settings_of_a_source_are_named(source, said):
    with pytest.raises(ConfigurationError, match=said):
        parse_pipeline({"models": MODELS, "sources": [source]})
