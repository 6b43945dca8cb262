"""Columns as tokens: weights against scikit-learn and by hand."""

from datetime import date
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from foretaste.features.columns import Column, ColumnOptions, fit_column, normalised

OPTIONS = ColumnOptions(ngrams=(1, 2), max_features=None, min_df=1, max_df=1.0, stop_words=None, n_bins=5)
TEXTS = ["red wool socks", "red cotton socks red", "blue wool jacket", None, "Jäcket BLUE blue"]


def test_text_equals_tfidf_of_scikit_learn():
    values = pl.Series("title", TEXTS)
    column = fit_column(values, "text", OPTIONS)
    reference = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, strip_accents="unicode")
    expected = reference.fit_transform([text or "" for text in TEXTS]).toarray()
    assert column.tokens == tuple(reference.get_feature_names_out())
    np.testing.assert_allclose(column.encode(values).toarray(), expected, atol=1e-12)
    other = pl.Series("title", ["wool wool unheard"])
    np.testing.assert_allclose(
        column.encode(other).toarray(), reference.transform(other.to_list()).toarray(), atol=1e-12
    )


def test_limits_on_tokens_are_kept():
    values = pl.Series("title", TEXTS)
    few = fit_column(values, "text", ColumnOptions((1, 1), None, 2, 1.0, None, 5))
    assert few.tokens == ("blue", "jacket", "red", "socks", "wool")
    assert len(fit_column(values, "text", ColumnOptions((1, 1), 2, 1, 1.0, None, 5)).tokens) == 2
    english = fit_column(
        pl.Series("t", ["the red of the sea"]), "text", ColumnOptions((1, 1), None, 1, 1.0, "english", 5)
    )
    assert english.tokens == ("red", "sea")
    assert fit_column(pl.Series("t", ["the of"]), "text", ColumnOptions((1, 1), None, 1, 1.0, "english", 5)) is None


def test_rare_values_weigh_more_and_a_columns_mean_square_length_is_one():
    values = pl.Series("category", ["a", "a", "a", "b", None])
    column = fit_column(values, "categorical", OPTIONS)
    vectors = column.encode(values).toarray()
    idf = {"a": np.log(6 / 4) + 1, "b": np.log(6 / 2) + 1}
    scale = 1 / np.sqrt((3 * idf["a"] ** 2 + idf["b"] ** 2) / 4)
    np.testing.assert_allclose(vectors[:, 0], [scale * idf["a"]] * 3 + [0, 0])
    np.testing.assert_allclose(vectors[:, 1], [0, 0, 0, scale * idf["b"], 0])
    assert column.label(1) == "category: b"


def test_lists_count_each_value_once_and_pass_over_unknown_ones():
    values = pl.Series("tags", [["x", "y", "x"], ["y"], [], None], dtype=pl.List(pl.String))
    column = fit_column(values, "list", OPTIONS)
    assert column.tokens == ("x", "y")
    both, one = column.encode(values).toarray()[:2]
    assert both[0] > both[1] > 0
    assert both[1] == pytest.approx(one[1] / np.sqrt(2))
    assert column.encode(pl.Series("tags", [["z"]])).nnz == 0
    assert column.label(0) == "tags: x"


def test_near_numbers_are_more_similar_than_far_ones():
    values = pl.Series("price", [float(n) for n in range(1, 101)] + [None, float("nan")])
    column = fit_column(values, "numeric", OPTIONS)
    assert column.knots == pytest.approx(np.quantile(np.arange(1, 101), [0, 0.25, 0.5, 0.75, 1]))
    vectors = normalised(column.encode(values)).toarray()
    to_fifty = vectors @ vectors[49]
    assert all(near >= far - 1e-12 for near, far in pairwise(to_fifty[49:100]))
    assert to_fifty[49] == pytest.approx(1)
    assert to_fifty[60] > 0.5
    assert to_fifty[99] == 0
    assert not vectors[100:].any()
    outside = column.encode(pl.Series("price", [1e9])).toarray()
    np.testing.assert_allclose(outside, column.encode(pl.Series("price", [100.0])).toarray())
    assert column.label(0) == "price: about 1"


def test_dates_are_numbers_with_readable_names():
    values = pl.Series("published", [date(2023, 6, 15), date(2024, 2, 1)])
    column = fit_column(values, "date", OPTIONS)
    assert column.label(0) == "published: about June 2023"
    assert column.label(len(column.tokens) - 1) == "published: about February 2024"


def test_a_column_comes_back_from_json():
    column = fit_column(pl.Series("price", [1.0, 2.0, 5.0]), "numeric", OPTIONS)
    assert Column.from_json(column.to_json(), column.tokens, column.idf) == column
