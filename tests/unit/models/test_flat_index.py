"""The flat index against exact products and a plain sort."""

from typing import Any

import numpy as np
import pytest

from foretaste.data import Histories
from foretaste.models import flat_index
from foretaste.models.flat_index import FlatIndex
from foretaste.models.kernels.byte_vectors import has_byte_products
from foretaste.models.ranking import rank_factors

Array = np.ndarray[Any, Any]

pytestmark = pytest.mark.skipif(not has_byte_products(), reason="the index is rank_factors here")


@pytest.fixture(autouse=True)
def _index_of_few_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flat_index, "MIN_ITEMS", 1)
    monkeypatch.setattr(flat_index, "_FLOOR_ITEMS", 64)
    monkeypatch.setattr(flat_index, "_PART_BYTES", 1)


def whole_numbers(rng: np.random.Generator, *shape: int, high: int = 9) -> Array:
    """Small whole numbers: products are exact in any order, and many tie."""
    return rng.integers(-high, high + 1, shape).astype(np.float32)


def check(index: FlatIndex, queries: Array, items: Array, **options: Any) -> None:
    k = options.pop("k", 20)
    expected = rank_factors(queries, items, k=k, **options)
    options.pop("item_bias", None)
    rows, scores = index.search(queries, k, **options)
    assert index._is_built
    np.testing.assert_array_equal(rows, expected[0])
    np.testing.assert_array_equal(scores, expected[1])


@pytest.mark.parametrize(
    ("n_items", "n_factors", "n_queries"),
    [(1_000, 64, 37), (777, 7, 1), (300, 33, 6), (1_300, 5, 1), (500, 1, 9), (5_000, 64, 1), (300, 8, 40)],
)
def test_lists_are_those_of_exact_products_ties_included(n_items: int, n_factors: int, n_queries: int) -> None:
    rng = np.random.default_rng(n_items)
    items, queries = whole_numbers(rng, n_items, n_factors), whole_numbers(rng, n_queries, n_factors)
    check(FlatIndex(items), queries, items)


def test_items_of_very_different_length_are_found() -> None:
    rng = np.random.default_rng(0)
    items = whole_numbers(rng, 2_000, 16) * np.exp2(rng.integers(-12, 4, (2_000, 1))).astype(np.float32)
    queries = whole_numbers(rng, 50, 16)
    check(FlatIndex(items), queries, items)


def test_a_list_that_needs_negative_scores_is_complete() -> None:
    items = -np.abs(whole_numbers(np.random.default_rng(1), 500, 8))
    queries = np.abs(whole_numbers(np.random.default_rng(2), 9, 8))
    check(FlatIndex(items), queries, items)


def test_seen_items_hidden_items_and_a_bias_are_respected() -> None:
    rng = np.random.default_rng(3)
    items, queries = whole_numbers(rng, 900, 10), whole_numbers(rng, 21, 10)
    bias = whole_numbers(rng, 900, high=30)
    seen = Histories.from_lists([rng.choice(900, 300, replace=False) for _ in range(21)], 900)
    allowed = rng.random(900) < 0.6
    check(FlatIndex(items, item_bias=bias), queries, items, item_bias=bias, seen=seen, allowed=allowed)
    for rare in (rng.random(900) < 0.05, rng.random((21, 900)) < 0.5):  # by float32 products
        check(FlatIndex(items), queries, items, allowed=rare)


def test_items_that_are_not_offered_are_never_found() -> None:
    rng = np.random.default_rng(4)
    items, queries = whole_numbers(rng, 600, 12), whole_numbers(rng, 8, 12)
    offered = rng.random(600) < 0.5
    rows, scores = FlatIndex(items, offered=offered).search(queries, 20)
    expected = rank_factors(queries, items, k=20, allowed=offered)
    np.testing.assert_array_equal(rows, expected[0])
    np.testing.assert_array_equal(scores, expected[1])


def test_a_user_who_has_seen_nearly_all_gets_what_is_left() -> None:
    rng = np.random.default_rng(5)
    items, queries = whole_numbers(rng, 400, 8), whole_numbers(rng, 5, 8)
    seen = Histories.from_lists([np.arange(393), np.arange(400), [], np.arange(100, 400), np.arange(250)], 400)
    check(FlatIndex(items), queries, items, seen=seen)


def test_no_query_and_queries_of_zeros_and_nan_have_their_limits() -> None:
    items = whole_numbers(np.random.default_rng(6), 300, 8)
    queries = np.stack([np.zeros(8), np.full(8, np.nan), np.ones(8)]).astype(np.float32)
    check(FlatIndex(items), queries, items, k=5)
    assert FlatIndex(items).search(queries, 5)[0][:2].tolist() == [[0, 1, 2, 3, 4], [-1] * 5]
    check(FlatIndex(items), queries * np.float32(1e20), items, k=5)  # by float32 products
    assert FlatIndex(items).search(queries[:0], 5)[0].shape == (0, 5)


def test_items_of_zeros_tie_and_items_that_are_not_finite_are_left_to_float32() -> None:
    queries = np.ones((3, 4), np.float32)
    assert FlatIndex(np.zeros((300, 4), np.float32)).search(queries, 3)[0].tolist() == [[0, 1, 2]] * 3
    items = np.ones((300, 4), np.float32)
    items[7] = np.nan
    rows, _ = FlatIndex(items).search(queries, 299)
    assert 7 not in rows


def test_random_vectors_give_the_items_of_double_precision() -> None:
    rng = np.random.default_rng(7)
    items, queries = rng.standard_normal((20_000, 40)), rng.standard_normal((100, 40))
    rows, scores = FlatIndex(items.astype(np.float32)).search(queries.astype(np.float32), 10)
    best = np.sort(queries @ items.T, axis=1)[:, ::-1][:, :10]
    np.testing.assert_allclose(scores, best, rtol=1e-5)
    np.testing.assert_allclose(np.einsum("bf,bkf->bk", queries, items[rows]), best, rtol=1e-5)


def test_the_number_of_threads_does_not_change_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    items, queries = whole_numbers(rng, 3_000, 12), whole_numbers(rng, 3, 12)
    index = FlatIndex(items)
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(flat_index, "n_threads", lambda threads=threads: threads)
        found.append(index.search(queries, 15))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])
