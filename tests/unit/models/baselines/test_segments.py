"""Popularity in segments, against shares by hand."""

import numpy as np
import polars as pl
import pytest

from foretaste.data import Dataset, Interactions, Query, Vocabulary
from foretaste.errors import DataFormatError, DataInsufficientError
from foretaste.models import create_model, load_model, save_model
from foretaste.models.baselines.segments import SegmentPopular

USERS = pl.DataFrame(
    {
        "user_id": [f"u{n}" for n in range(6)],
        "country": ["fi", "fi", "pt", "pt", None, "fi"],
        "age": [20, 30, 40, 50, 60, None],
    }
)
PAIRS = [(0, "ski"), (1, "ski"), (1, "hat"), (2, "surf"), (3, "surf"), (3, "hat"), (4, "surf")]


def make_data(users=USERS, kinds=None):
    items = Vocabulary(["ski", "surf", "hat", "new"])
    n = len(PAIRS)
    interactions = Interactions(
        np.array([user for user, _ in PAIRS], dtype=np.int32),
        items.rows([item for _, item in PAIRS]),
        np.ones(n, dtype=np.float32),
        np.arange(n, dtype=np.float64),
        np.zeros(n, dtype=np.uint8),
    )
    kinds = {"country": "categorical", "age": "numeric"} if kinds is None else kinds
    return Dataset(Vocabulary(USERS["user_id"]), items, interactions, user_frame=users, user_features=kinds)


def test_the_share_of_a_segment_is_drawn_towards_that_of_all():
    model = SegmentPopular(prior=2.0).fit(make_data())
    lists = model.recommend(["u5", "u4"], exclude_seen=False)
    # In fi two of two took ski and one of two the hat; of all five, 2/5 took ski, 3/5 surf, 2/5 the hat.
    expected = {"ski": (2 + 2 * 0.4) / 4, "hat": (1 + 2 * 0.4) / 4, "surf": (0 + 2 * 0.6) / 4}
    assert dict(lists[0]) == pytest.approx(expected)
    assert dict(lists[1]) == pytest.approx({"surf": 0.6, "ski": 0.4, "hat": 0.4})  # no country
    assert "new" not in lists[0].item_ids


def test_reasons_name_the_segment():
    model = SegmentPopular().fit(make_data())
    assert model.explain("u5", ["ski"])[0].features == ("country: fi",)
    assert model.explain("u4", ["ski"])[0].features == ()


def test_numbers_make_bands_and_no_prior_leaves_only_the_own_band():
    model = SegmentPopular(column="age", prior=0.0).fit(make_data())
    assert model.segment_names == ["age: 20 to 30", "age: 30 to 40", "age: 40 to 50", "age: over 50", "age: up to 20"]
    assert dict(model.recommend(["u0"], exclude_seen=False)[0]) == {"ski": 1.0}
    assert len(model.recommend(["u5"], exclude_seen=False)[0]) == 3  # no age


def test_dates_make_bands_too():
    joined = USERS.with_columns(joined=pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 1, 6), eager=True))
    model = SegmentPopular(column="joined").fit(make_data(joined, {"joined": "date"}))
    assert "joined: up to 2020-01-02" in model.segment_names
    assert model.explain("u5", ["ski"])[0].features == ("joined: over 2020-01-05",)


def test_without_user_columns_it_is_plain_popularity():
    data = make_data(USERS.select("user_id"), {})
    found = SegmentPopular().fit(data).recommend(k=3, exclude_seen=False)
    plain = create_model("popular").fit(data).recommend(k=3, exclude_seen=False)
    np.testing.assert_array_equal(found.item_rows, plain.item_rows)


def test_columns_that_make_no_segments_are_refused_when_named():
    with pytest.raises(DataFormatError, match="'city'"):
        SegmentPopular(column="city").fit(make_data())
    texts = USERS.with_columns(motto=pl.lit("be good and ski"))
    with pytest.raises(DataInsufficientError, match="no segments"):
        SegmentPopular(column="motto").fit(make_data(texts, {"motto": "text"}))


@pytest.mark.parametrize(
    ("kinds", "attributes", "like"),
    [
        ({"country": "categorical"}, {"country": "fi", "age": 99}, "u5"),
        ({"country": "categorical"}, {"country": "se"}, "u4"),
        ({"country": "categorical"}, {}, "u4"),
        ({"age": "numeric"}, {"age": 20}, "u0"),
        ({"age": "numeric"}, {"age": 12.5}, "u0"),
        ({"age": "numeric"}, {"age": 45}, "u3"),
        ({"age": "numeric"}, {"age": 99}, "u4"),
        ({"age": "numeric"}, {"age": "old"}, "u5"),
        ({"age": "numeric"}, {"age": float("nan")}, "u5"),
        ({"age": "numeric"}, {"age": True}, "u5"),
    ],
)
def test_a_user_who_came_after_the_training_is_of_the_segment_of_their_attributes(tmp_path, kinds, attributes, like):
    users = USERS.select("user_id", *kinds)
    save_model(SegmentPopular(prior=1.0).fit(make_data(users, kinds)), tmp_path / "m")
    model = load_model(tmp_path / "m")
    found = model.recommend([Query(user_id="stranger", attributes=attributes)])[0]
    assert dict(found) == pytest.approx(dict(model.recommend([like], exclude_seen=False)[0]))


def test_dates_of_users_who_came_later_are_read_as_they_come_in_json():
    joined = USERS.with_columns(joined=pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 1, 6), eager=True))
    data = make_data(joined, {"joined": "date"})
    model = SegmentPopular(column="joined", prior=0.0).fit(data)
    for value, like in (("2019-05-01", "u0"), ("2020-01-03", "u2"), ("2030-01-01T10:00:00Z", "u5")):
        found = model.recommend([Query(user_id="stranger", attributes={"joined": value})])[0]
        assert dict(found) == dict(model.recommend([like], exclude_seen=False)[0])
