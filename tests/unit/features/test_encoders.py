"""Frames as matrices: what each feature means, and what missing and unseen values give."""

import doctest
import json
from datetime import date

import numpy as np
import polars as pl
import pytest

from foretaste.data import Dataset
from foretaste.errors import CorruptStateError, DataFormatError, DataInsufficientError
from foretaste.features import ColumnOptions, FeatureEncoder, encoders, feature_table, has_features
from foretaste.testing import tiny_shop

FRAME = pl.DataFrame(
    {
        "item_id": ["a", "b", "c", "d"],
        "category": ["x", "y", "x", None],
        "tags": [["p", "q"], ["p"], [], None],
        "price": [1.0, float("nan"), 5.0, float("inf")],
        "same": [2.0, 2.0, 2.0, 2.0],
        "nothing": pl.Series([None, None, None, None], dtype=pl.Float64),
        "born": [date(2020, 1, 1), None, date(2021, 1, 1), date(2020, 7, 2)],
        "title": ["red wool", "wool socks", "", None],
    }
)
KINDS = {
    "category": "categorical",
    "tags": "list",
    "price": "numeric",
    "same": "numeric",
    "nothing": "numeric",
    "born": "date",
    "title": "text",
}
PLAIN = ColumnOptions(ngrams=(1, 1), n_bins=2, weighting="plain")


def features_of(encoder, matrix, row):
    return {encoder.names[n]: float(matrix[row, n]) for n in np.flatnonzero(matrix[row])}


def test_plain_features_mean_what_their_names_say():
    encoder = FeatureEncoder.fit(FRAME, KINDS, PLAIN)
    matrix = encoder.transform(FRAME)
    assert matrix.dtype == np.float32
    assert matrix.shape == (4, encoder.n_features) == (4, len(encoder.names))
    assert not any(name.startswith("nothing") for name in encoder.names)
    dense = matrix.toarray()
    first = features_of(encoder, dense, 0)
    half = pytest.approx(1 / np.sqrt(2))
    assert first["category: x"] == 1
    assert first["tags: p"] == half == first["tags: q"]
    assert first["price: about 1"] == 1 == first["same: about 2"]
    assert first["title: red"] > first["title: wool"] > 0  # the rarer word says more
    assert features_of(encoder, dense, 1)["tags: p"] == 1
    last = features_of(encoder, dense, 3)
    assert set(last) == {"same: about 2", "born: about January 2020", "born: about January 2021"}
    assert last["born: about January 2020"] == pytest.approx(0.5, abs=1e-3)


def test_unseen_values_and_missing_columns_give_nothing():
    encoder = FeatureEncoder.fit(FRAME, KINDS, PLAIN)
    new = pl.DataFrame({"item_id": ["n"], "category": ["unheard"], "title": ["green"], "price": ["3"]})
    found = features_of(encoder, encoder.transform(new).toarray(), 0)
    assert found == {"price: about 1": pytest.approx(0.5), "price: about 5": pytest.approx(0.5)}
    with pytest.raises(DataFormatError, match="price"):
        encoder.transform(pl.DataFrame({"item_id": ["n"], "price": ["cheap"]}))


def test_an_encoder_comes_back_from_json():
    encoder = FeatureEncoder.fit(FRAME, KINDS, PLAIN)
    again = FeatureEncoder.from_json(json.loads(json.dumps(encoder.to_json())))
    assert again == encoder
    with pytest.raises(CorruptStateError, match="features"):
        FeatureEncoder.from_json([{"name": "x"}])


def test_an_encoder_without_columns_gives_an_empty_matrix():
    nothing = FeatureEncoder.fit(FRAME, {"nothing": "numeric"}, PLAIN)
    assert nothing.names == ()
    assert nothing.transform(FRAME).shape == (4, 0)


def test_tables_take_users_and_items_and_only_the_named_columns():
    shop = tiny_shop()
    frame, kinds = feature_table(shop, "item")
    assert frame.columns[0] == "item_id"
    assert len(frame) == shop.n_items
    assert kinds["title"] == "text"
    frame, kinds = feature_table(shop, "user", ["favourite"])
    assert kinds == {"favourite": "categorical"}
    assert frame.columns == ["user_id", "favourite"]
    with pytest.raises(DataFormatError, match="'colour'"):
        feature_table(shop, "item", ["colour"])


def test_data_without_features_is_refused():
    shop = tiny_shop()
    bare = Dataset(shop.users, shop.items, shop.interactions)
    with pytest.raises(DataInsufficientError, match="users of data set"):
        feature_table(bare, "user")
    assert has_features(shop, "item")
    assert not has_features(bare, "item")


def test_records_give_what_the_rows_of_a_frame_give_and_a_wrong_value_spoils_no_other():
    encoder = FeatureEncoder.fit(FRAME, KINDS)
    records = [{"category": "x", "tags": ["p"], "price": 2.0, "born": "2020-07-02", "title": "red wool"}, {}]
    frame = pl.DataFrame([*records[:1], dict.fromkeys(records[0])]).with_columns(born=pl.col("born").str.to_date())
    expected = encoder.transform(frame).toarray()
    assert encoder.transform_records(records).toarray() == pytest.approx(expected)
    for wrong in ("dear", ["p"], {"a": 1}, 10**400, True):
        spoilt = encoder.transform_records([{**records[0], "price": wrong}]).toarray()
        price = np.array([name.startswith("price: ") for name in encoder.names])
        assert spoilt[0, ~price] == pytest.approx(expected[0, ~price])
        assert np.isfinite(spoilt).all()
    assert FeatureEncoder(()).transform_records(records).shape == (2, 0)


def test_the_example_gives_what_it_says():
    result = doctest.testmod(encoders)
    assert result.attempted > 0
    assert result.failed == 0
