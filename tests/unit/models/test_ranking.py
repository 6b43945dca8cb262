"""Ranking: batched, masked top-k against a plain sort."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from foretaste.data import Histories
from foretaste.errors import ModelError
from foretaste.models import ranking
from foretaste.models.ranking import rank_blocks, rank_dense, rank_sums

values = st.sampled_from([-np.inf, np.nan, -1.5, 0.0, 0.25, 1.0, 1.0, 3.0, 7.5])
blocks = hnp.arrays(np.float32, st.tuples(st.integers(0, 6), st.integers(1, 9)), elements=values)


def slow_top(
    scores: np.ndarray[Any, Any], k: int, seen: list[set[int]], allowed: np.ndarray[Any, Any] | None
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rows = np.full((len(scores), k), -1)
    best = np.full((len(scores), k), np.nan)
    for b, line in enumerate(scores):
        masked = line.astype(float).copy()
        for item in seen[b]:
            masked[item] = -np.inf
        if allowed is not None:
            masked[~(allowed if allowed.ndim == 1 else allowed[b])] = -np.inf
        masked[np.isnan(masked)] = -np.inf
        order = [i for i in np.argsort(-masked, kind="stable") if masked[i] > -np.inf][:k]
        rows[b, : len(order)] = order
        best[b, : len(order)] = masked[order]
    return rows, best


@settings(deadline=None)
@given(blocks, st.integers(1, 9), st.data())
def test_the_lists_are_those_of_a_stable_sort(scores: np.ndarray[Any, Any], k: int, data: st.DataObject) -> None:
    n_users, n_items = scores.shape
    k = min(k, n_items)
    seen = [data.draw(st.sets(st.integers(0, n_items - 1), max_size=4)) for _ in range(n_users)]
    shape = data.draw(st.sampled_from([None, (n_items,), (n_users, n_items)]))
    allowed = None if shape is None else data.draw(hnp.arrays(np.bool_, shape))
    histories = Histories.from_lists([sorted(one) for one in seen], n_items)
    expected_rows, expected_scores = slow_top(scores, k, seen, allowed)
    rows, best = rank_dense(scores.copy(), k=k, seen=histories, allowed=allowed)
    assert (rows.dtype, best.dtype) == (np.int32, np.float32)
    np.testing.assert_array_equal(rows, expected_rows)
    np.testing.assert_array_equal(best, expected_scores.astype(np.float32))
    rows, best = rank_blocks(
        lambda a, b: scores[a:b].copy(), n_users=n_users, n_items=n_items, k=k, seen=histories, allowed=allowed
    )
    np.testing.assert_array_equal(rows, expected_rows)
    np.testing.assert_array_equal(best, expected_scores.astype(np.float32))


def test_many_small_blocks_give_the_lists_of_one_large(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((300, 170)).astype(np.float32)
    seen = Histories.from_lists([rng.choice(170, 20, replace=False) for _ in range(300)], 170)
    whole = rank_dense(scores.copy(), k=12, seen=seen)
    asked: list[tuple[int, int]] = []

    def block(start: int, stop: int) -> np.ndarray[Any, Any]:
        asked.append((start, stop))
        return scores[start:stop].copy()

    monkeypatch.setattr(ranking, "BLOCK_BYTES", 170 * 4 * 7)
    rows, best = rank_blocks(block, n_users=300, n_items=170, k=12, seen=seen)
    assert max(stop - start for start, stop in asked) <= 7
    assert min(asked)[0] == 0
    assert sum(stop - start for start, stop in asked) == 300
    np.testing.assert_array_equal(rows, whole[0])
    np.testing.assert_array_equal(best, whole[1])


def test_everything_seen_gives_an_empty_list() -> None:
    seen = Histories.from_lists([[0, 1, 2]], 3)
    rows, scores = rank_dense(np.ones((1, 3), np.float32), k=2, seen=seen)
    assert rows.tolist() == [[-1, -1]]
    assert np.isnan(scores).all()


def test_nobody_is_ranked_without_asking_for_scores() -> None:
    def never(start: int, stop: int) -> np.ndarray[Any, Any]:
        raise AssertionError("nobody is to be scored")

    rows, scores = rank_blocks(never, n_users=0, n_items=5, k=3)
    assert rows.shape == scores.shape == (0, 3)


@pytest.mark.parametrize("shape", [(2, 4), (2, 6), (3, 5), (5, 2)])
def test_scores_of_a_wrong_shape_are_refused_before_a_compiled_loop_sees_them(shape: tuple[int, int]) -> None:
    seen = Histories.from_lists([[4], [4]], 5)
    with pytest.raises(ModelError, match="shape"):
        rank_blocks(lambda a, b: np.zeros(shape, np.float32), n_users=2, n_items=5, k=2, seen=seen)


def test_scores_in_another_type_or_order_are_ranked_alike() -> None:
    scores = np.random.default_rng(1).standard_normal((4, 6))
    plain = rank_dense(scores.astype(np.float32), k=3)[0]
    np.testing.assert_array_equal(rank_dense(np.asfortranarray(scores), k=3)[0], plain)  # type: ignore[arg-type]


@pytest.mark.parametrize("above", [-np.inf, 0.0])
@pytest.mark.parametrize("masks", [None, 1, 2])
def test_the_best_of_a_sparse_product_are_those_of_the_dense_one(masks, above):
    rng = np.random.default_rng(3)
    for _ in range(30):
        n_users, n_items, k = 5, 40, int(rng.integers(1, 20))
        left, right = (
            sparse.csr_array(rng.integers(-2, 3, shape) * (rng.random(shape) < 0.3)).astype(np.float32)
            for shape in ((n_users, 12), (12, n_items))
        )
        seen = Histories.from_lists([rng.integers(0, n_items, 4) for _ in range(n_users)], n_items)
        allowed = None if masks is None else rng.random((n_items,) if masks == 1 else (n_users, n_items)) < 0.8
        dense = (left @ right).toarray()
        dense[(dense == 0) | ~(dense > above)] = -np.inf
        expected = rank_dense(dense, k=k, seen=seen, allowed=allowed)
        found = rank_sums(left, right, k=k, seen=seen, allowed=allowed, above=above)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])
