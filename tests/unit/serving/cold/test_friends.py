import pytest

from foretaste.data import Query, Reason
from foretaste.errors import StorageUnavailableError
from foretaste.serving.cold.circles import HIDES, MOST_FRIENDS, Circles, friends_of
from foretaste.serving.cold.friends import friends_maker
from foretaste.serving.config import parse_pipeline
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.live.users import EventWeights
from foretaste.serving.pipeline import Parts, Pipeline
from foretaste.serving.training import fit_models
from foretaste.storage.records import Record, open_records
from foretaste.testing.records import event

DAY_S = 86_400.0
NOW = 100 * DAY_S
MODELS = {"popular": {"kind": "popular"}}
FRIENDS = {"friends": ["ben", "cem", "dan"]}


@pytest.fixture(scope="module")
def bundle(shop):
    models, _ = fit_models(parse_pipeline({"models": MODELS}), shop)
    return Bundle("v1", models, shop.population, EventWeights())


@pytest.fixture
async def records(tmp_path):
    async with open_records(f"sqlite:///{tmp_path / 'r.db'}") as records:
        yield records


async def did(records, user_id, *actions):
    """Store (item, action, days ago)."""
    count = await records.count("event")
    await records.append_events(
        [
            event(f"e{count + n}", user_id, item_id, type=kind, timestamp=NOW - days * DAY_S)
            for n, (item_id, kind, days) in enumerate(actions)
        ]
    )


def outcome(bundle, circles, query, *, explain=False, catalogue=None, **settings):
    config = parse_pipeline({"models": MODELS, "sources": [{"kind": "friends_popular", **settings}]})
    running = Pipeline(config, parts=Parts({"friends_popular": friends_maker(circles)}))
    return running.run([query], bundle, catalogue=catalogue or Catalogue(bundle.items), now=NOW, explain=explain)


def found(bundle, circles, query, **more):
    one = outcome(bundle, circles, query, **more).lists[0]
    places = [p for p, source in enumerate(one.sources) if source == "friends_popular"]
    return {one.item_ids[p]: one.scores[p] for p in places}


async def test_items_of_several_friends_and_of_late_come_first(records, bundle):
    await did(records, "ben", ("p-001", "view", 7), ("p-001", "purchase", 14), ("p-002", "view", 0))
    await did(records, "cem", ("p-001", "view", 0), ("p-003", "dislike", 0), ("gone", "view", 0))
    circles = Circles(records)
    await circles.read("ann", FRIENDS, ["friends"])
    worth = found(bundle, circles, Query(user_id="ann"))
    assert list(worth) == ["p-001", "p-002"]
    assert list(worth.values()) == pytest.approx([5.0 / 4 + 1.0, 1.0])
    assert found(bundle, circles, Query(user_id="ann"), half_life_days=1e6)["p-001"] == pytest.approx(6.0, abs=1e-3)


async def test_history_exclusions_and_unavailable_items_hold(records, bundle):
    await did(records, "ben", *((f"p-00{n}", "view", 0) for n in range(4)))
    circles = Circles(records)
    await circles.read("ann", FRIENDS, ["friends"])
    query = Query(user_id="ann", history=("p-000",), exclude=frozenset({"p-001"}))
    sold_out = Catalogue(bundle.items).changed([Record("p-002", {}, False, 1.0, 1.0, 1)])
    assert list(found(bundle, circles, query, catalogue=sold_out)) == ["p-003"]


async def test_what_a_friend_does_next_is_seen_at_the_next_reading_and_what_they_hide_never(records, bundle):
    circles = Circles(records)
    await circles.read("ann", FRIENDS, ["friends"])
    assert found(bundle, circles, Query(user_id="ann")) == {}
    await did(records, "ben", ("p-001", "view", 0))
    await circles.read("ann", FRIENDS, ["friends"])
    assert list(found(bundle, circles, Query(user_id="ann"))) == ["p-001"]
    await records.upsert("user", [Record("ben", {HIDES: False}, True, 1.0, 1.0)])
    await circles.read("ann", FRIENDS, ["friends"])
    assert found(bundle, circles, Query(user_id="ann")) == {}


async def test_nobody_gets_what_the_friends_of_another_did(records, bundle):
    await did(records, "ben", ("p-001", "view", 0))
    circles = Circles(records)
    await circles.read("ann", FRIENDS, ["friends"])
    assert found(bundle, circles, Query(user_id="eve")) == {}
    assert found(bundle, circles, Query(history=("p-003",))) == {}


async def test_a_friends_choice_is_explained_without_naming_them(records, bundle):
    await did(records, "ben", ("p-001", "view", 0))
    circles = Circles(records)
    await circles.read("ann", FRIENDS, ["friends"])
    assert outcome(bundle, circles, Query(user_id="ann", k=1), explain=True).lists[0].reasons == (Reason("friends"),)


async def test_what_was_known_stays_while_the_store_cannot_be_read(records, bundle, monkeypatch):
    await did(records, "ben", ("p-001", "view", 0))
    circles = Circles(records)
    await circles.read("ann", FRIENDS, ["friends"])

    async def locked(user_id):
        raise StorageUnavailableError("locked")

    monkeypatch.setattr(records, "stamp", locked)
    await circles.read("ann", FRIENDS, ["friends"])
    assert list(found(bundle, circles, Query(user_id="ann"))) == ["p-001"]


@pytest.mark.parametrize(
    ("value", "friends"),
    [
        (["ben", "ben", "ann", 7, None, "", "session:v", {}], ("ben", "7")),
        ("ben| cem", ("ben", "cem")),
        (None, ()),
        (3.5, ()),
        ([str(n) for n in range(99)], tuple(str(n) for n in range(MOST_FRIENDS))),
    ],
)
def test_friends_are_read_in_the_forms_that_shops_write(value, friends):
    assert friends_of({"friends": value}, "friends", "ann") == friends
