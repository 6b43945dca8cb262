from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from foretaste.data import Dataset, Interactions, Query, Vocabulary
from foretaste.errors import ConfigurationError
from foretaste.models import load_model, save_model
from foretaste.models.fm.layout import Layout, encode_moments, last_times, moment_of
from foretaste.models.fm.machine import FactorizationMachine
from foretaste.models.kernels.fm import train_pairs
from foretaste.testing import tiny_shop

HOUR = 3600.0


def fitted(data: Dataset, **parameters: object) -> FactorizationMachine:
    return FactorizationMachine(**({"n_factors": 8, "epochs": 20} | parameters)).fit(data)


@pytest.fixture(scope="module")
def shop() -> Dataset:
    return tiny_shop(n_users=60)


@pytest.fixture(scope="module")
def model(shop: Dataset) -> FactorizationMachine:
    return fitted(shop, learning_rate=0.3)


def day_and_night() -> Dataset:
    """Everybody takes bread at 7 and films at 21 o'clock."""
    rng = np.random.default_rng(0)
    rows: list[tuple[int, int, float]] = []
    for user in range(40):
        for kind, hour in ((0, 7), (1, 21)):
            when = 86_400.0 * (19_000 + user) + hour * HOUR
            rows += [(user, kind * 9 + int(item), when) for item in rng.choice(9, 5, replace=False)]
    interactions = Interactions(
        np.array([row[0] for row in rows], np.int32),
        np.array([row[1] for row in rows], np.int32),
        np.ones(len(rows), np.float32),
        np.array([row[2] for row in rows]),
        np.zeros(len(rows), np.uint8),
    ).sorted()
    items = [f"i{row}" for row in range(18)]
    frame = pl.DataFrame({"item_id": items, "kind": ["bread"] * 9 + ["film"] * 9})
    return Dataset(
        Vocabulary([f"u{row}" for row in range(40)]),
        Vocabulary(items),
        interactions,
        item_frame=frame,
        item_features={"kind": "categorical"},
    )


def slow_step(table, linear, user, item, other, rate, ridge) -> None:
    """One comparison of two items by one user, each a list of (feature, value)."""

    def summed(side, of):
        return sum(of[feature] * value for feature, value in side)

    p, q, r = (summed(side, table) for side in (user, item, other))
    gap = p @ (q - r) + summed(item, linear) - summed(other, linear)
    pull = 1 / (1 + np.exp(gap))
    sums = np.ones(len(table))
    for side, sign, factor in ((item, 1, p), (other, -1, p), (user, 1, q - r)):
        for feature, value in side:
            gradient = sign * pull * value
            sums[feature] += gradient**2
            step = rate / np.sqrt(sums[feature])
            table[feature] += step * (gradient * factor - ridge * table[feature])
            linear[feature] += step * (gradient - ridge * linear[feature])


def test_a_step_equals_its_slow_version():
    user, item, other = [(0, 1.0), (3, 0.5)], [(1, 1.0), (4, 1.0), (5, 0.25)], [(2, 1.0), (4, 0.5)]
    rng = np.random.default_rng(1)
    table, linear = rng.standard_normal((6, 4)).astype(np.float32), rng.standard_normal(6).astype(np.float32)
    wanted = [table.astype(np.float64), linear.astype(np.float64)]
    slow_step(*wanted, user, item, other, 0.2, 0.05)
    sides = []
    for rows in ([user], [item, other]):
        indptr = np.cumsum([0, *map(len, rows)])
        flat = [pair for row in rows for pair in row]
        features = np.array([feature for feature, _ in flat], np.int32)
        sides += [indptr, features, np.array([value for _, value in flat], np.float32)]
    compared, _ = train_pairs(
        np.array([0], np.int32), np.array([0, 1]), np.array([0], np.int32), np.zeros((1, 0), np.int32), *sides,
        np.array([1], np.int32), np.full(2, -1, np.int32), table, linear, np.ones(6, np.float32),
        1, 0.0, np.float32(0.2), np.float32(0.05), 3,
    )  # fmt: skip
    assert compared == 1
    np.testing.assert_allclose(table, wanted[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(linear, wanted[1], rtol=1e-4, atol=1e-5)


def test_the_score_of_an_item_sums_over_its_features(model, shop):
    layout = model._layout(shop)
    item = layout.items[[3]].tocoo()
    vector = sum(value * model.table[feature] for feature, value in zip(item.col, item.data, strict=True))
    linear = sum(value * model.linear[feature] for feature, value in zip(item.col, item.data, strict=True))
    expected = model.user_factors[5] @ vector + linear
    assert model.score([shop.users.id(5)], [shop.items.id(3)])[0] == pytest.approx(expected, rel=1e-4)


def test_new_items_are_ordered_by_what_the_user_likes(model, shop):
    new = np.flatnonzero(model.popularity == 0)
    categories = shop.item_frame["category"].to_list()
    favourites = shop.user_frame["favourite"].to_list()
    active = np.flatnonzero(shop.histories.lengths > 0).astype(np.int32)
    allowed = np.isin(np.arange(shop.n_items), new)
    best = model.recommend(active, 1, allowed=allowed).item_rows[:, 0]
    hits = [categories[item] == favourites[user] for user, item in zip(active, best, strict=True)]
    assert np.mean(hits) > 0.75  # a quarter by chance


def test_a_user_without_interactions_is_served_by_features(model, shop):
    nobody = int(np.flatnonzero(shop.histories.lengths == 0)[0])
    favourite = shop.user_frame["favourite"][nobody]
    found = model.recommend(np.array([nobody], np.int32), 3)[0].item_ids
    categories = dict(zip(shop.item_frame["item_id"], shop.item_frame["category"], strict=True))
    assert [categories[item] for item in found].count(favourite) >= 2


def test_a_user_who_came_after_the_training_is_served_by_the_attributes_of_the_query(model, shop, tmp_path):
    idle = shop.users.id(shop.n_users - 1)
    attributes = shop.user_frame.filter(pl.col("user_id") == idle).drop("user_id").to_dicts()[0]
    theirs = model.recommend([idle], 20)[0]
    found = model.recommend([Query(user_id="stranger", attributes=attributes, k=20)], 20)[0]
    assert found.item_ids == theirs.item_ids
    assert found.scores == pytest.approx(theirs.scores, rel=1e-5)
    save_model(model, tmp_path / "m")
    again = load_model(tmp_path / "m").recommend([Query(attributes=attributes, k=20)], 20)[0]
    assert again.item_ids == theirs.item_ids


def test_attributes_that_say_nothing_give_no_list_and_a_history_goes_before_them(model, shop):
    strangers = [Query(user_id="x", attributes={"shoe_size": 3}), Query(user_id="y", attributes={"age": "old"})]
    assert model.recommend(strangers, unknown="empty").lengths.tolist() == [0, 0]
    history = shop.items.ids.head(3).to_list()
    with_both = model.recommend([Query(history=history, attributes={"favourite": "music"})])[0]
    assert with_both.item_ids == model.recommend([Query(history=history)])[0].item_ids


def test_without_features_users_and_items_have_ids_only():
    data = tiny_shop()
    bare = Dataset(data.users, data.items, data.interactions)
    model = fitted(bare)
    assert len(model.table) == data.n_users + data.n_items
    shown = model.recommend(k=data.n_items, exclude_seen=False, unknown="empty").item_rows
    assert not set(np.flatnonzero(model.popularity == 0).tolist()) & set(shown.ravel().tolist())
    nobody = data.users.ids.to_list()[-1]
    assert model.recommend([nobody], unknown="empty").lengths[0] == 0


def test_texts_are_features_only_when_named_or_alone(shop):
    assert "title" not in {column["name"] for column in fitted(shop, epochs=1).item_encoder}
    named = fitted(shop, epochs=1, item_columns=("title",))
    assert {column["name"] for column in named.item_encoder} == {"title"}
    assert fitted(shop, epochs=1, item_columns=()).item_encoder == []


def test_ids_left_out_while_training_leave_more_to_the_features(shop):
    lengths = [
        np.linalg.norm(m.table[m._layout(shop).parts[3]]) / np.linalg.norm(m.table[m._layout(shop).parts[1]])
        for m in (fitted(shop), fitted(shop, id_dropout=0.8))
    ]
    assert lengths[1] > lengths[0]


# --- moments ----------------------------------------------------------------------------------------------------------


def test_the_hour_of_a_query_changes_the_order(tmp_path):
    data = day_and_night()
    model = fitted(data, moments=("hour",), epochs=40, learning_rate=0.3)
    save_model(model, tmp_path / "fm")
    for one in (model, load_model(tmp_path / "fm")):
        share = {}
        for hour in (7, 21):
            lists = one.recommend([Query(user_id=u, k=4, context={"hour": hour}) for u in one.users.ids.to_list()])
            share[hour] = np.mean(lists.item_rows < 9)
        assert share[7] > 0.9
        assert share[21] < 0.1


def test_a_timestamp_is_turned_into_its_hour():
    data = day_and_night()
    model = fitted(data, moments=("hour",))
    by_hour = model.recommend([Query(user_id="u1", context={"hour": 7})])
    by_time = model.recommend([Query(user_id="u1", context={"timestamp": 86_400.0 * 20_000 + 7.5 * HOUR})])
    np.testing.assert_array_equal(by_hour.scores, by_time.scores)
    plain = model.recommend([Query(user_id="u1"), Query(user_id="u1", context={"device": "phone"})])
    np.testing.assert_array_equal(plain.scores[0], plain.scores[1])
    assert not np.array_equal(plain.scores[0], by_hour.scores[0])


def test_moments_are_hours_and_weekdays_in_utc():
    monday = 1_700_438_400.0  # 20 November 2023, midnight
    assert moment_of({"timestamp": monday + 5 * HOUR}, ("hour", "weekday")) == [5, 24]
    assert moment_of({"timestamp": monday - 1.0}, ("weekday", "hour")) == [6, 7 + 23]
    assert moment_of({"hour": 3, "weekday": 2}, ("hour", "weekday")) == [3, 26]
    for useless in ({}, {"hour": 24}, {"hour": True}, {"timestamp": float("nan")}, {"timestamp": "noon"}):
        assert moment_of(useless, ("hour",)) == []


def test_the_last_time_of_a_repeated_pair_counts(shop):
    matrix = shop.matrix("binary")
    times = last_times(shop, matrix)
    assert len(times) == matrix.nnz
    actions = shop.interactions
    for place in (0, 7, matrix.nnz - 1):
        user = int(np.searchsorted(matrix.indptr, place, side="right") - 1)
        own = (actions.user_rows == user) & (actions.item_rows == matrix.indices[place]) & (actions.weights > 0)
        assert times[place] == actions.timestamps[own].max()


def test_unknown_times_switch_moments_off():
    data = day_and_night()
    actions = data.interactions
    timeless = data.with_interactions(replace(actions, timestamps=np.full(len(actions), np.nan)))
    model = fitted(timeless, moments=("hour", "weekday"))
    layout = model._layout(timeless)
    assert encode_moments(last_times(timeless, timeless.matrix("binary")), ("hour",), layout).shape[1] == 0
    lists = model.recommend([Query(user_id="u1"), Query(user_id="u1", context={"hour": 7, "weekday": 1})])
    np.testing.assert_array_equal(lists.scores[0], lists.scores[1])
    assert Layout.n_moments(("hour", "weekday")) == 31


def test_a_column_that_is_not_there_is_refused(shop):
    with pytest.raises(Exception, match="colour"):
        fitted(shop, item_columns=("colour",))


@pytest.mark.parametrize("wrong", [{"id_dropout": 1.0}, {"n_factors": 0}, {"moments": ("year",)}, {"n_candidates": 0}])
def test_a_setting_out_of_range_is_refused(wrong):
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        FactorizationMachine(**wrong)
