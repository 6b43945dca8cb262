"""Calibration against its definition, written slowly."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from foretaste.rerank import ItemView, Labels, Slate, create_reranker


def shares(rows, weights, genres):
    out, total = {}, 0.0
    for row, weight in zip(rows, weights, strict=True):
        if weight > 0 and genres[row]:
            total += weight
            for genre in genres[row]:
                out[genre] = out.get(genre, 0.0) + weight / len(genres[row])
    return {genre: share / total for genre, share in out.items()} if total else {}


def divergence(wanted, listed, smoothing):
    return sum(p * np.log(p / (smoothing * p + (1 - smoothing) * listed.get(g, 0.0))) for g, p in wanted.items())


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 12), k=st.integers(1, 8), trade_off=st.floats(0, 1))
def test_every_item_is_the_best_next_one_by_the_definition(seed, n, k, trade_off):
    rng = np.random.default_rng(seed)
    genres = [list(rng.choice(list("abcd"), size=rng.integers(0, 3), replace=False)) for _ in range(n + 5)]
    scores = -np.sort(-rng.uniform(0, 4, n))
    history = rng.integers(0, n + 5, 6)
    weights = rng.integers(0, 4, 6)
    slate = Slate(
        np.arange(n, dtype=np.int32)[None, :],
        scores.astype(np.float32)[None, :],
        np.array([k]),
        ItemView(n + 5, fields={"genre": Labels.of(genres)}),
        [history.astype(np.int32)],
        [weights.astype(np.float32)],
    )
    chosen = create_reranker("calibration", field="genre", trade_off=trade_off).rerank(slate).rows[0, : min(k, n)]
    wanted = shares(history, weights, genres)
    relevance = (scores - scores[-1]) / (scores[0] - scores[-1]) if n > 1 else np.ones(1)

    def value(items):
        return trade_off * relevance[items[-1]] - (1 - trade_off) * divergence(
            wanted, shares(items, np.ones(len(items)), genres), 0.01
        )

    for place, item in enumerate(chosen.tolist()):
        above = chosen[:place].tolist()
        best = max(value([*above, c]) for c in range(n) if c not in above)
        assert value([*above, item]) >= best - 1e-4


def test_a_list_takes_on_the_shares_of_the_history():
    genres = [["romance"]] * 10 + [["action"]] * 10
    scores = np.linspace(1, 0, 20, dtype=np.float32)[None, :]
    slate = Slate(
        np.arange(20, dtype=np.int32)[None, :],
        scores,
        np.array([10]),
        ItemView(30, fields={"genre": Labels.of(genres + [["romance"]] * 7 + [["action"]] * 3)}),
        [np.arange(20, 30, dtype=np.int32)],
    )
    rows = create_reranker("calibration", field="genre", trade_off=0.05).rerank(slate).rows[0, :10]
    assert (rows >= 10).sum() == 3
    assert sorted(rows[rows < 10].tolist()) == list(range(7))


def test_users_without_a_history_in_known_categories_keep_their_order():
    labels = Labels.of([["a"], ["b"], ["a"], []])
    rows = np.array([[2, 1, 0], [2, 1, 0]], np.int32)
    scores = np.array([[3, 2, 1], [3, 2, 1]], np.float32)
    histories = [np.array([3], np.int32), np.zeros(0, np.int32)]
    slate = Slate(rows, scores, np.array([3, 3]), ItemView(4, fields={"categories": labels}), histories)
    assert np.array_equal(create_reranker("calibration", trade_off=0.0).rerank(slate).rows, rows)
