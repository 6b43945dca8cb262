"""Tables of users, items, moments and pairs, by hand on a few rows."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from foretaste.data import Dataset, Interactions, Vocabulary
from foretaste.errors import ConfigurationError
from foretaste.features import co_occurrence, context_table, item_table, session_table, transitions, user_table
from foretaste.testing import tiny_shop

DAY = 86_400.0
EVENTS = [  # user, item, weight, day, action
    ("ann", "tea", 1.0, 0.0, "view"),
    ("ann", "pot", 5.0, 8.0, "purchase"),
    ("ann", "tea", 5.0, 10.0, "purchase"),
    ("bob", "pot", 1.0, 10.0, "view"),
    ("bob", "mug", 0.0, 10.01, "skip"),
]
ITEMS = pl.DataFrame(
    {
        "item_id": ["tea", "pot", "mug", "rug"],
        "category": ["food", "kitchen", "kitchen", "home"],
        "price": [4.0, 20.0, 8.0, None],
        "published": [date(1970, 1, 1), None, date(1970, 1, 6), date(1970, 1, 11)],
    }
)
KINDS = {"category": "categorical", "price": "numeric", "published": "date"}


def make_data(events=EVENTS, items=ITEMS, *, is_explicit=False, users=("ann", "bob", "eve")):
    people, things = Vocabulary(users), Vocabulary(items["item_id"])
    actions = tuple(dict.fromkeys(event[4] for event in events)) or ("view",)
    interactions = Interactions(
        people.rows([e[0] for e in events]),
        things.rows([e[1] for e in events]),
        np.array([e[2] for e in events], dtype=np.float32),
        np.array([e[3] * DAY for e in events], dtype=np.float64),
        np.array([actions.index(e[4]) for e in events], dtype=np.uint8),
        actions,
    ).sorted()
    frame = pl.DataFrame({"user_id": list(users), "age": range(30, 30 + len(users))})
    kinds = {name: kind for name, kind in KINDS.items() if name in items.columns}
    return Dataset(
        people, things, interactions, is_explicit=is_explicit, user_frame=frame, item_frame=items, item_features=kinds
    )


def test_a_users_row_says_how_often_how_lately_for_how_much_and_what():
    table = user_table(make_data(), now=11 * DAY)
    ann, bob, eve = table.to_dicts()
    assert ann == {
        "user_id": "ann",
        "n_interactions": 3,
        "n_items": 2,
        "mean_rating": None,
        "recency_days": pytest.approx(1.0),
        "tenure_days": pytest.approx(11.0),
        "frequency": pytest.approx(3 / 11),
        "monetary_value": pytest.approx(24.0),
        "preferred_categories": ["food", "kitchen"],
        "age": 30,
    }
    assert bob["monetary_value"] is None  # he bought nothing
    assert bob["preferred_categories"] == ["kitchen"]
    assert bob["frequency"] == pytest.approx(2.0)  # two in one day
    assert eve["n_interactions"] == 0
    assert eve["age"] == 32
    assert [eve[name] for name in ("recency_days", "frequency", "monetary_value", "preferred_categories")] == [None] * 4


def test_ratings_have_a_mean_and_days_count_from_the_newest_one():
    rated = make_data([("ann", "tea", 4.0, 1.0, "rating"), ("ann", "pot", 2.0, 3.0, "rating")], is_explicit=True)
    ann = user_table(rated).to_dicts()[0]
    assert ann["mean_rating"] == 3.0
    assert ann["recency_days"] == 0.0
    assert ann["monetary_value"] == 24.0  # no action is a purchase, so every one counts
    tea = item_table(rated).to_dicts()[0]
    assert tea["mean_rating"] == 4.0


def test_an_items_row_says_how_popular_how_old_and_how_dear():
    table = item_table(make_data(), windows_days=(1, 7), now=10.5 * DAY)
    tea, pot, mug, rug = table.to_dicts()
    assert (tea["n_interactions"], tea["n_users"], tea["popularity"]) == (2, 1, 0.5)
    assert (pot["popularity"], pot["popularity_1d"], pot["popularity_7d"]) == (1.0, 0.5, 1.0)
    assert (mug["n_interactions"], mug["popularity_7d"]) == (0, 0.0)  # a skip is no sign of interest
    assert tea["age_days"] == pytest.approx(10.5)
    assert pot["age_days"] == pytest.approx(2.5)  # since the first interaction
    assert rug["age_days"] == pytest.approx(0.5)
    assert [row["price_band"] for row in (tea, mug, pot, rug)] == ["lowest", "middle", "highest", None]
    assert rug["category"] == "home"


def test_without_times_prices_or_features_the_rest_is_there():
    bare = ITEMS.select("item_id")
    data = make_data([("ann", "tea", 1.0, np.nan, "view")], bare)
    tea = item_table(data).to_dicts()[0]
    assert (tea["n_users"], tea["popularity_7d"], tea["age_days"], tea["price_band"]) == (1, None, None, None)
    ann = user_table(data).to_dicts()[0]
    assert (ann["n_items"], ann["recency_days"], ann["frequency"], ann["preferred_categories"]) == (1, None, None, None)
    assert context_table(data).null_count().row(0) == (1, 1, 1, 1)
    empty = make_data([], bare)
    assert user_table(empty)["n_interactions"].to_list() == [0, 0, 0]
    assert item_table(empty)["popularity"].to_list() == [0.0] * 4
    assert len(session_table(empty)) == len(transitions(empty)) == len(co_occurrence(empty)) == 0


def test_times_of_day_and_weekdays_are_those_of_the_calendar():
    # 1970-01-01 was a Thursday; day 2.3 is Saturday 07:12.
    data = make_data([("ann", "tea", 1.0, 0.0, "view"), ("ann", "pot", 1.0, 2.3, "view")])
    assert context_table(data).to_dicts() == [
        {"hour": 0, "weekday": 4, "weekend": False, "daytime": "night"},
        {"hour": 7, "weekday": 6, "weekend": True, "daytime": "morning"},
    ]
    assert context_table(data, utc_offset_s=-3600)["weekday"].to_list() == [3, 6]


def test_a_visit_ends_after_a_pause_and_with_the_user():
    minute = 1 / 1440
    steps = [0.0, 10 * minute, 50 * minute, 51 * minute]
    events = [("ann", item, 1.0, at, "view") for item, at in zip(["tea", "pot", "mug", "tea"], steps, strict=True)]
    events += [("bob", "tea", 1.0, 51 * minute, "view"), ("bob", "pot", 1.0, 52 * minute, "view")]
    data = make_data(events)
    table = session_table(data)
    assert table["session"].to_list() == [0, 0, 1, 1, 2, 2]
    assert table["place"].to_list() == [0, 1, 0, 1, 0, 1]
    assert session_table(data, gap_s=3600)["session"].to_list() == [0, 0, 0, 0, 1, 1]
    assert transitions(data).rows() == [("tea", "pot", 2, 1.0), ("mug", "tea", 1, 1.0)]
    with pytest.raises(ConfigurationError, match="gap_s"):
        session_table(data, gap_s=-1)


def test_co_occurrence_counts_users_of_both_whatever_the_block():
    shop = tiny_shop()
    board = (shop.matrix("binary") > 0).toarray().astype(int)
    both = board.T @ board
    found = co_occurrence(shop, k=1000)
    assert len(found) == int((both > 0).sum()) - int((np.diag(both) > 0).sum())
    for item, other, n_users, lift in found.head(50).rows():
        i, j = shop.items.row(item), shop.items.row(other)
        assert n_users == both[i, j]
        n_active = (board.sum(axis=1) > 0).sum()
        assert lift == pytest.approx(both[i, j] * n_active / (both[i, i] * both[j, j]))
    few = co_occurrence(shop, k=2, block=5)
    assert few.group_by("item_id").len()["len"].max() == 2
    assert few.rows()[:2] == found.rows()[:2]
    with pytest.raises(ConfigurationError, match="at least 1"):
        co_occurrence(shop, k=0)
