"""The index in partitions against exact products."""

from typing import Any

import numpy as np
import pytest

from foretaste.data import Histories
from foretaste.models import partitioned_index
from foretaste.models.flat_index import FlatIndex
from foretaste.models.partitioned_index import PartitionedIndex, factor_index
from foretaste.models.ranking import rank_factors

Array = np.ndarray[Any, Any]


@pytest.fixture(autouse=True)
def _a_short_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitioned_index, "HEAD", 64)


def like_factors(seed: int, n_items: int = 6_000, n_queries: int = 200) -> tuple[Array, Array]:
    """Items and queries around forty tastes, the items of very different length."""
    rng = np.random.default_rng(seed)
    tastes = rng.standard_normal((40, 16))
    items = tastes[rng.integers(0, 40, n_items)] + 0.4 * rng.standard_normal((n_items, 16))
    queries = tastes[rng.integers(0, 40, n_queries)] + 0.4 * rng.standard_normal((n_queries, 16))
    return (items * rng.lognormal(0, 0.6, (n_items, 1))).astype(np.float32), queries.astype(np.float32)


def recall(found: Array, best: Array) -> float:
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, best, strict=True)]))


def test_queries_not_used_for_the_build_find_nearly_all_of_their_best_items() -> None:
    items, queries = like_factors(1)
    index = PartitionedIndex(items, queries=queries[:100])
    rows, scores = index.search(queries[100:], 20)
    assert recall(rows, rank_factors(queries[100:], items, k=20)[0]) >= 0.96
    assert index.share_scanned < 0.5
    np.testing.assert_allclose(scores, np.einsum("bf,bkf->bk", queries[100:], items[rows]), rtol=1e-4)
    assert (np.diff(scores, axis=1) <= 0).all()


def test_reading_all_partitions_is_exact_with_seen_and_hidden_items_left_out() -> None:
    rng = np.random.default_rng(2)
    items, queries = like_factors(2, 2_000, 30)
    index = PartitionedIndex(items, queries=queries, recall=1.0)
    index.n_probe = len(items)
    seen = Histories.from_lists([rng.choice(2_000, 50, replace=False) for _ in range(30)], 2_000)
    for allowed in (None, rng.random(2_000) < 0.5, rng.random((30, 2_000)) < 0.5, rng.random(2_000) < 0.02):
        rows, scores = index.search(queries, 20, seen=seen, allowed=allowed)
        expected = rank_factors(queries, items, k=20, seen=seen, allowed=allowed)
        np.testing.assert_array_equal(rows, expected[0])
        np.testing.assert_allclose(scores, expected[1], rtol=1e-5)


def test_a_list_is_full_whenever_so_many_items_exist() -> None:
    items, queries = like_factors(3, 1_500, 4)
    index = PartitionedIndex(items, queries=queries)
    index.n_probe = 1
    seen = Histories.from_lists([np.arange(1_490)] * 4, 1_500)
    rows, scores = index.search(queries, 20, seen=seen)
    assert np.sort(rows[:, :10], axis=1).tolist() == [list(range(1_490, 1_500))] * 4
    assert (rows[:, 10:] == -1).all()
    assert np.isnan(scores[:, 10:]).all()


def test_items_that_are_not_offered_or_not_finite_and_queries_of_nan_find_nothing() -> None:
    items, queries = like_factors(4, 1_000, 20)
    offered = np.arange(1_000) % 2 == 0
    items[10], queries[3] = np.nan, np.nan
    rows, _ = PartitionedIndex(items, queries=queries[4:], offered=offered).search(queries, 20)
    assert (rows[3] == -1).all()
    assert (np.delete(rows, 3, axis=0) >= 0).all()
    assert offered[rows[rows >= 0]].all()
    assert 10 not in rows


def test_the_same_seed_builds_the_same_index() -> None:
    items, queries = like_factors(5, 1_000, 20)
    one, two = (PartitionedIndex(items, queries=queries, seed=7).search(queries, 10) for _ in range(2))
    np.testing.assert_array_equal(one[0], two[0])


def test_the_way_asked_for_is_taken_where_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitioned_index, "MOST_SCANNED", 0.5)
    items, queries = like_factors(6)
    assert isinstance(factor_index(items, "exact", queries=queries), FlatIndex)
    assert isinstance(factor_index(items, "auto", queries=queries), FlatIndex)
    assert isinstance(factor_index(items, "approximate", queries=queries), PartitionedIndex)
    monkeypatch.setattr(partitioned_index, "AUTO_ITEMS", 6_000)
    assert isinstance(factor_index(items, "auto", queries=queries), PartitionedIndex)
    monkeypatch.setattr(partitioned_index, "MOST_SCANNED", 0.0)
    assert isinstance(factor_index(items, "approximate", queries=queries), FlatIndex)


def test_few_items_none_at_all_and_no_queries_are_searched() -> None:
    items, queries = like_factors(7, 30, 5)
    for some in (items, items[:1], items[:0]):
        rows, _ = PartitionedIndex(some, queries=queries).search(queries, 3)
        np.testing.assert_array_equal(rows, rank_factors(queries, some, k=3)[0])
    assert PartitionedIndex(items, queries=queries[:0]).search(queries[:0], 3)[0].shape == (0, 3)
