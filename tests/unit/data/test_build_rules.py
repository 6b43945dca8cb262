"""Weights, duplicates, minimum counts, decay: the rules between rows and the matrix."""

import time
from collections import Counter, defaultdict

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretaste.data import ActionWeights, BuildConfig, ColumnMap, DatasetBuilder, build_dataset
from foretaste.data.weights import normal_action
from foretaste.errors import ConfigurationError, DataFormatError

DAY = 86_400.0


def weights(table, **config) -> list[float]:
    return build_dataset(table, config=config).interactions.weights.tolist()


def actions_table(*types: str, **columns) -> dict[str, list]:
    n = len(types)
    return {"user_id": ["a"] * n, "item_id": [f"i{k}" for k in range(n)], "type": list(types), **columns}


def test_each_action_has_its_weight_whatever_its_spelling() -> None:
    table = actions_table("view", "Add-To-Cart", "transaction", "like", "skip", "DISLIKE")
    assert weights(table) == [1.0, 3.0, 5.0, 4.0, 0.0, 0.0]


def test_action_weights_can_be_set_and_added() -> None:
    chosen = ActionWeights(purchase=10, tasting=2)
    assert weights(actions_table("purchase", "tasting", "view"), action_weights=chosen) == [10.0, 2.0, 1.0]
    assert chosen.table()["return"] == 0.0


@pytest.mark.parametrize("bad", [-1, float("nan"), float("inf"), "much"])
def test_weights_must_be_finite_and_not_negative(bad) -> None:
    with pytest.raises(ConfigurationError, match="action_weights"):
        BuildConfig.of({"action_weights": {"tasting": bad}})


def test_unknown_actions_count_as_one_with_a_warning_or_are_refused() -> None:
    builder = DatasetBuilder().add_interactions(actions_table("sniff", "view"))
    assert builder.build().interactions.weights.tolist() == [1.0, 1.0]
    warning = builder.report.warnings["actions_of_unknown_kind_weighted_1"]
    assert (warning.count, warning.examples) == (1, ["'sniff'"])
    with pytest.raises(DataFormatError, match="no weight is set for the action 'sniff'"):
        weights(actions_table("sniff"), unknown_actions="error")


def test_more_kinds_of_action_than_can_be_meant_are_refused() -> None:
    with pytest.raises(DataFormatError, match="really the kind of action"):
        weights(actions_table(*[f"kind {n}" for n in range(300)]))


def test_quantity_multiplies_the_weight_where_asked() -> None:
    table = actions_table("purchase", "purchase", "view", quantity=[1, 3, 7])
    assert weights(table) == [5.0, 5.0, 1.0]
    assert weights(table, multiply_by_value=["purchase"]) == [5.0, 10.0, 1.0]


def test_ratings_among_other_actions_count_in_proportion_to_the_best() -> None:
    table = actions_table("rating", "rating", "view", value=[5, 1, None])
    assert weights(table) == [5.0, 1.0, 1.0]
    assert not build_dataset(table).is_explicit


def test_values_are_ratings_or_weights_by_the_name_of_their_column() -> None:
    base = {"user_id": ["a", "a"], "item_id": ["x", "y"]}
    assert build_dataset({**base, "rating": [4, 2]}).is_explicit
    plays = build_dataset({**base, "plays": [40, 2]})
    assert (plays.is_explicit, plays.duplicates, plays.interactions.weights.tolist()) == (False, "sum", [40.0, 2.0])
    assert build_dataset({**base, "plays": [4, 2]}, config={"value_kind": "rating"}).is_explicit
    assert not build_dataset({**base, "rating": [4, 2]}, config={"value_kind": "weight"}).is_explicit


def test_negative_weights_become_zero_with_a_warning_but_ratings_may_be_negative() -> None:
    base = {"user_id": ["a", "a"], "item_id": ["x", "y"]}
    builder = DatasetBuilder().add_interactions({**base, "weight": [-2, 3]})
    assert builder.build().interactions.weights.tolist() == [0.0, 3.0]
    assert builder.report.warnings["negative_weights_taken_as_0"].examples == ["-2.0"]
    assert weights({**base, "rating": [-9.5, 3]}) == [-9.5, 3.0]


def test_low_ratings_become_zero_below_the_positive_rating() -> None:
    data = build_dataset(
        {"user_id": ["a"] * 3, "item_id": ["x", "y", "z"], "rating": [5, 3, 4]}, config={"positive_rating": 4}
    )
    assert data.interactions.weights.tolist() == [5.0, 0.0, 4.0]
    assert not data.is_explicit
    assert data.matrix().nnz == 2


def test_ratings_outside_their_scale_are_dropped() -> None:
    builder = DatasetBuilder(BuildConfig(rating_scale=(1, 5)))
    builder.add_interactions({"user_id": ["a"] * 4, "item_id": list("wxyz"), "rating": [0, 1, 5, 11]})
    assert builder.build().interactions.weights.tolist() == [1.0, 5.0]
    assert builder.report.interactions.dropped["rating_outside_its_scale"].examples == ["0", "11"]


def test_missing_nan_infinite_and_text_ratings_are_dropped_and_counted_apart() -> None:
    builder = DatasetBuilder()
    ratings = ["5", "NaN", None, "", "great", "inf", "4.5", " 3 "]
    builder.add_interactions({"user_id": ["a"] * 8, "item_id": list("abcdefgh"), "rating": ratings})
    assert builder.build().interactions.weights.tolist() == [5.0, 4.5, 3.0]
    counts = {name: reason.count for name, reason in builder.report.interactions.dropped.items()}
    assert counts == {"value_is_not_a_number": 1, "value_is_missing_or_NaN": 3, "value_is_not_finite": 1}


def test_likes_and_reading_time_speak_where_nothing_else_does() -> None:
    records = [
        {"user_id": "a", "item_id": "1", "liked": True},
        {"user_id": "a", "item_id": "2", "liked": False},
        {"user_id": "a", "item_id": "3", "read_time": 10},
        {"user_id": "a", "item_id": "4", "read_time": 30},
        {"user_id": "a", "item_id": "5", "read_time": 90},
        {"user_id": "a", "item_id": "6", "interaction_type": "purchase", "liked": False},
        {"user_id": "a", "item_id": "7", "rating": 3},
    ]
    data = build_dataset(records)
    by_item = dict(zip(data.items.ids_of(data.interactions.item_rows), data.interactions.weights.tolist(), strict=True))
    assert by_item["1"] == 4.0
    assert by_item["2"] == 0.0
    assert by_item["3"] == pytest.approx(np.log2(1 + 10 / 30))
    assert by_item["4"] == 1.0
    assert by_item["5"] == 2.0
    assert by_item["6"] == 5.0
    assert by_item["7"] == 5.0  # the best rating in the data
    assert set(data.interactions.type_names) == {"like", "dislike", "read", "purchase", "rating"}


def test_reading_time_counts_where_reading_is_the_named_action() -> None:
    records = [
        {"user_id": "a", "item_id": "1", "interaction_type": "read", "read_time": 10},
        {"user_id": "a", "item_id": "2", "interaction_type": "read", "read_time": 30},
        {"user_id": "a", "item_id": "3", "interaction_type": "read", "read_time": 90},
        {"user_id": "a", "item_id": "4", "interaction_type": "read"},
        {"user_id": "a", "item_id": "5", "interaction_type": "view", "read_time": 90},
    ]
    data = build_dataset(records)
    by_item = dict(zip(data.items.ids_of(data.interactions.item_rows), data.interactions.weights.tolist(), strict=True))
    assert by_item == {"1": pytest.approx(np.log2(1 + 10 / 30)), "2": 1.0, "3": 2.0, "4": 1.0, "5": 1.0}


def test_a_rating_given_again_replaces_the_older_one() -> None:
    table = {
        "user_id": ["a"] * 4,
        "item_id": ["x", "x", "y", "x"],
        "rating": [5, 2, 3, 4],
        "timestamp": [30, 10, 5, 20],
    }
    builder = DatasetBuilder().add_interactions(table)
    data = builder.build()
    assert data.matrix().toarray().tolist() == [[5.0, 3.0]]
    assert builder.report.interactions.dropped["rated_again_later"].count == 2
    without_times = {key: table[key] for key in ("user_id", "item_id", "rating")}
    assert build_dataset(without_times).matrix().toarray().tolist() == [[4.0, 3.0]]


@pytest.mark.parametrize(("policy", "expected"), [("sum", 7.0), ("max", 5.0), ("last", 1.0)])
def test_repeated_actions_combine_by_the_policy(policy, expected) -> None:
    table = actions_table("view", "purchase", "click", timestamp=[1, 2, 3])
    table["item_id"] = ["x"] * 3
    data = build_dataset(table, config={"duplicates": policy})
    assert data.n_interactions == 3
    assert data.matrix().toarray().tolist() == [[expected]]


def test_exact_duplicates_are_dropped_only_where_a_time_tells_them() -> None:
    table = {"user_id": ["a"] * 3, "item_id": ["x"] * 3, "timestamp": [5, 5, 6]}
    assert weights(table) == [1.0, 1.0]
    assert weights(table, exact_duplicates="keep") == [1.0, 1.0, 1.0]
    assert weights({"user_id": ["a"] * 3, "item_id": ["x"] * 3}) == [1.0, 1.0, 1.0]
    assert weights({**table, "event_id": ["1", "2", "3"]}) == [1.0, 1.0, 1.0]


def test_weights_halve_with_every_half_life() -> None:
    table = {"user_id": ["a"] * 3, "item_id": list("xyz"), "timestamp": [0, 10 * DAY, 20 * DAY]}
    assert weights(table, time_decay_half_life_days=10) == [0.25, 0.5, 1.0]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=60),
    st.integers(1, 4),
    st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_minimum_counts_give_the_core_of_the_slow_obvious_loop(pairs, least_user, least_item) -> None:
    left = list(pairs)
    while True:
        users, items = Counter(u for u, _ in left), Counter(i for _, i in left)
        after = [(u, i) for u, i in left if users[u] >= least_user and items[i] >= least_item]
        if after == left:
            break
        left = after
    config = BuildConfig(min_user_interactions=least_user, min_item_interactions=least_item)
    builder = DatasetBuilder(config).add_interactions(
        {"user_id": [u for u, _ in pairs], "item_id": [i for _, i in pairs]}
    )
    if not left:
        with pytest.raises(Exception, match="no interaction is left"):
            builder.build()
        return
    data = builder.build()
    events = data.interactions
    got = zip(data.users.ids_of(events.user_rows), data.items.ids_of(events.item_rows), strict=True)
    assert Counter(got) == Counter((str(u), str(i)) for u, i in left)
    assert builder.report.interactions.n_dropped == len(pairs) - len(left)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(1, 9), st.integers(0, 5))))
@settings(max_examples=60, deadline=None)
def test_the_matrix_of_summed_weights_is_that_of_a_slow_loop(rows) -> None:
    if not rows:
        return
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "weight", "timestamp"], orient="row")
    data = build_dataset(table, config={"exact_duplicates": "keep"})
    expected: dict[tuple[str, str], float] = defaultdict(float)
    for user, item, weight, _ in rows:
        expected[user, item] += weight
    matrix = data.matrix().tocoo()
    got = {(data.users.id(u), data.items.id(i)): w for u, i, w in zip(*matrix.coords, matrix.data, strict=True)}
    assert got == dict(expected)
    order = list(zip(data.interactions.user_rows, data.interactions.timestamps, strict=True))
    assert order == sorted(order)


def test_times_before_1970_in_the_future_and_unreadable_are_dropped() -> None:
    now = time.time()
    builder = DatasetBuilder(now=now)
    times = [str(int(now)), "-5", str(now + 3 * DAY), "soon", None, "2020-01-01"]
    builder.add_interactions({"user_id": ["a"] * 6, "item_id": list("uvwxyz"), "timestamp": times})
    data = builder.build()
    counts = {name: reason.count for name, reason in builder.report.interactions.dropped.items()}
    assert counts == {"timestamp_not_understood": 1, "timestamp_before_1970": 1, "timestamp_in_the_future": 1}
    assert data.items.ids.to_list() == ["u", "y", "z"]
    assert not data.interactions.has_times
    assert builder.report.warnings["rows_without_a_timestamp"].count == 1


def test_future_times_can_be_kept_and_a_range_can_be_cut() -> None:
    table = {"user_id": ["a"] * 3, "item_id": list("xyz"), "timestamp": [10.0, 20.0, time.time() + 9 * DAY]}
    assert len(weights(table)) == 2
    assert len(weights(table, future_timestamps="keep")) == 3
    builder = DatasetBuilder(BuildConfig(timestamp_range=(15, 20)))
    assert builder.add_interactions(table).build().items.ids.to_list() == ["y"]
    assert builder.report.interactions.dropped["timestamp_out_of_range"].count == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"min_user_interactions": -1}, "min_user_interactions = -1"),
        ({"time_decay_half_life_days": 0}, "time_decay_half_life_days = 0"),
        ({"timestamp_range": (5, 1)}, "after its end"),
        ({"rating_scale": (5, 1)}, "from the lowest"),
        ({"half_life": 3}, "valid settings"),
    ],
)
def test_wrong_settings_are_named(values, message) -> None:
    with pytest.raises(ConfigurationError, match=message):
        BuildConfig.of(values)


def test_sessions_take_the_place_of_users_where_there_are_none() -> None:
    data = build_dataset({"session_id": ["s1", "s1", "s2"], "item_id": ["x", "y", "x"]})
    assert data.users.ids.to_list() == ["s1", "s2"]
    mapped = build_dataset({"basket": ["b"], "sku": ["x"]}, columns=ColumnMap(session="basket"))
    assert mapped.users.ids.to_list() == ["b"]


def test_action_names_have_one_spelling() -> None:
    assert [normal_action(name) for name in ("addToCart", " page view ", "BUY", "x-y")] == [
        "add_to_cart",
        "view",
        "purchase",
        "x_y",
    ]
