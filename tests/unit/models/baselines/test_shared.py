"""One ranking for everybody, against ranking the same scores for each user."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretaste.data import Histories
from foretaste.models.baselines.shared import SharedList
from foretaste.models.ranking import rank_blocks


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10**6), n_items=st.integers(1, 30), k=st.integers(1, 12), masks=st.sampled_from([None, 1, 2])
)
def test_lists_are_those_of_the_same_scores_for_each_user(seed, n_items, k, masks):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 6, n_items).astype(np.float32)  # with ties
    scores[rng.random(n_items) < 0.2] = -np.inf
    scores[rng.random(n_items) < 0.1] = np.nan
    n_users = 4
    seen = Histories.from_lists([rng.integers(0, n_items, rng.integers(0, 6)) for _ in range(n_users)], n_items)
    allowed = None if masks is None else rng.random((n_items,) if masks == 1 else (n_users, n_items)) < 0.7
    expected = rank_blocks(
        lambda start, stop: np.tile(scores, (stop - start, 1)),
        n_users=n_users,
        n_items=n_items,
        k=k,
        seen=seen,
        allowed=allowed,
    )
    found = SharedList(scores).rank(n_users, k, seen, allowed)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def test_nothing_is_left_out_where_nobody_had_anything():
    rows, scores = SharedList(np.array([1, 3, 2], np.float32)).rank(2, 2, None, None)
    assert rows.tolist() == [[1, 2], [1, 2]]
    assert scores.tolist() == [[3, 2], [3, 2]]


@pytest.mark.parametrize("k", [1, 5])
def test_a_mask_may_be_a_part_of_a_larger_one(k):
    wide = np.ones((3, 8), dtype=bool)
    wide[:, 1] = False
    rows, _ = SharedList(np.arange(5, dtype=np.float32)).rank(3, k, None, wide[:, :5])
    assert rows.tolist() == [[4, 3, 2, 0, -1][:k]] * 3
