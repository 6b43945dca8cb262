"""The random order is uniform, each user's own, and the same however it is asked for."""

import numpy as np

from foretaste.data import Query
from foretaste.models.baselines.random import Random
from foretaste.testing import checkerboard


def test_the_same_user_gets_the_same_list_in_any_batch():
    model = Random(seed=3).fit(checkerboard().data)
    everybody = model.recommend(k=7)
    backwards = model.recommend(np.arange(40, dtype=np.int32)[::-1].copy(), k=7)
    np.testing.assert_array_equal(everybody.item_rows, backwards.item_rows[::-1])


def test_users_seeds_and_histories_give_other_lists():
    data = checkerboard(n_items=60).data
    lists = Random(seed=1).fit(data).recommend(k=10, exclude_seen=False)
    assert len({row.item_ids for row in lists}) == len(lists)
    again = Random(seed=2).fit(data).recommend(k=10, exclude_seen=False)
    assert not (lists.item_rows == again.item_rows).all(axis=1).any()
    queries = [Query(history=["i0", "i1"], k=10), Query(history=["i1", "i0"], k=10), Query(history=["i2"], k=10)]
    first, swapped, other = Random().fit(data).recommend(queries)
    assert first.item_ids == swapped.item_ids != other.item_ids


def test_scores_are_uniform_over_items_and_over_users():
    lists = Random().fit(checkerboard(n_users=400, n_items=200).data).recommend(k=200, exclude_seen=False)
    scores = np.empty((400, 200))
    np.put_along_axis(scores, lists.item_rows.astype(np.int64), lists.scores.astype(np.float64), axis=1)
    counts, _ = np.histogram(scores, bins=20, range=(0, 1))
    chi2 = ((counts - 4000) ** 2 / 4000).sum()
    assert chi2 < 50  # 19 degrees of freedom: beyond 50 once in 10 000 for a true generator
    assert np.abs(scores.mean(axis=0) - 0.5).max() < 5 * np.sqrt(1 / 12 / 400)
    assert np.abs(np.corrcoef(scores)[np.triu_indices(400, 1)]).max() < 0.4
