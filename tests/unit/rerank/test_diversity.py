"""MMR and DPP against their definitions, written slowly."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretaste.rerank import ItemView, Slate, create_reranker

TOLERANCE = 2e-4


def relevances(scores):
    return (scores - scores[-1]) / (scores[0] - scores[-1]) if scores[0] > scores[-1] else np.ones(len(scores))


def mmr_value(trade_off, relevance, similarity, above, c):
    closest = max((similarity[c, a] for a in above), default=0.0)
    return trade_off * relevance[c] - (1 - trade_off) * closest


def dpp_value(trade_off, relevance, similarity, above, c):
    """θ·Σ r + (1 - θ)·log det, of the list with ``c``."""
    chosen = [*above, c]
    kernel = (1 + similarity[np.ix_(chosen, chosen)]) / 2
    kernel[np.diag_indices(len(chosen))] = 1.0
    _, volume = np.linalg.slogdet(kernel)
    return trade_off * relevance[chosen].sum() + (1 - trade_off) * volume


@pytest.mark.parametrize(("kind", "value"), [("mmr", mmr_value), ("dpp", dpp_value)])
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 12), k=st.integers(1, 6), trade_off=st.floats(0, 0.95))
def test_every_item_is_the_best_next_one_by_the_definition(kind, value, seed, n, k, trade_off):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = -np.sort(-rng.uniform(-3, 3, n))
    slate = Slate(
        np.arange(n, dtype=np.int32)[None, :],
        scores.astype(np.float32)[None, :],
        np.array([k]),
        ItemView(n, vectors.astype(np.float32)),
    )
    chosen = create_reranker(kind, trade_off=trade_off).rerank(slate).rows[0, : min(k, n)].tolist()
    relevance, similarity = relevances(scores), vectors @ vectors.T
    for place, item in enumerate(chosen):
        above = chosen[:place]
        values = {c: value(trade_off, relevance, similarity, above, c) for c in range(n) if c not in above}
        assert values[item] >= max(values.values()) - TOLERANCE


def greedy(value, trade_off, relevance, similarity, k, pins):
    """The whole list by the definition, every candidate looked at for every place."""
    above = []
    for place in range(k):
        free = [c for c in range(len(relevance)) if c not in above and c not in pins.values()]
        best = pins.get(place)
        if best is None:
            best = max(free, key=lambda c: (value(trade_off, relevance, similarity, above, c), -c))
        above.append(best)
    return above


@pytest.mark.parametrize(("kind", "value"), [("mmr", mmr_value), ("dpp", dpp_value)])
@pytest.mark.parametrize("trade_off", [0.1, 0.7, 1.0])
@pytest.mark.parametrize("pins", [{}, {2: 70, 5: 1}])
def test_a_long_list_with_pins_is_the_one_that_looking_at_every_candidate_gives(kind, value, trade_off, pins):
    rng = np.random.default_rng(5)
    n, k = 120, 15
    vectors = rng.normal(size=(n, 16)) + 2 * rng.normal(size=(6, 16))[rng.integers(0, 6, n)]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = -np.sort(-rng.gamma(2.0, 1.0, n))
    pinned = np.array([[pins.get(place, -1) for place in range(k)]], np.int32)
    rows = rng.permutation(n).astype(np.int32)  # candidate c is item rows[c]
    view = ItemView(n, vectors.astype(np.float32)[np.argsort(rows)])
    in_rows = np.where(pinned >= 0, rows[pinned], -1).astype(np.int32)
    slate = Slate(rows[None, :], scores.astype(np.float32)[None, :], np.array([k]), view, pins=in_rows)
    chosen = create_reranker(kind, trade_off=trade_off).rerank(slate).rows[0, :k]
    expected = greedy(value, trade_off, relevances(scores), vectors @ vectors.T, k, pins)
    assert chosen.tolist() == rows[expected].tolist()


def twins():
    """Three pairs of equal items; each pair is orthogonal to the others."""
    vectors = np.repeat(np.eye(3, dtype=np.float32), 2, axis=0)
    scores = np.array([[1.0, 0.98, 0.9, 0.88, 0.8, 0.78]], dtype=np.float32)
    return Slate(np.arange(6, dtype=np.int32)[None, :], scores, np.array([6]), ItemView(6, vectors))


@pytest.mark.parametrize("kind", ["mmr", "dpp"])
def test_one_of_each_pair_of_equal_items_comes_first(kind):
    assert create_reranker(kind, trade_off=0.4).rerank(twins()).rows[0, :3].tolist() == [0, 2, 4]


def test_a_dpp_whose_items_add_no_volume_any_more_goes_on_by_relevance():
    assert create_reranker("dpp", trade_off=0.4).rerank(twins()).rows[0].tolist() == [0, 2, 4, 1, 3, 5]


@pytest.mark.parametrize("kind", ["mmr", "dpp"])
def test_new_items_without_a_vector_resemble_nothing_not_even_each_other(kind):
    slate = twins()
    grown = Slate(
        np.arange(8, dtype=np.int32)[None, :],
        np.append(slate.scores, np.array([[0.77, 0.76]], np.float32), axis=1),
        np.array([8]),
        ItemView(8, slate.view.vectors),
    )
    padded = replace(grown, view=ItemView(8, np.pad(slate.view.vectors, ((0, 2), (0, 0)))))
    found = create_reranker(kind, trade_off=0.4).rerank(grown).rows[0].tolist()
    assert found == create_reranker(kind, trade_off=0.4).rerank(padded).rows[0].tolist()
    assert max(found.index(6), found.index(7)) < min(found.index(twin) for twin in (1, 3, 5))


def test_a_pinned_item_counts_as_one_above():
    slate = twins()
    pinned = Slate(slate.rows, slate.scores, slate.ks, slate.view, pins=np.array([[3, -1]], np.int32))
    for kind in ("mmr", "dpp"):
        assert create_reranker(kind, trade_off=0.4).rerank(pinned).rows[0, :3].tolist() == [3, 0, 4]


def test_relevance_by_rank_takes_no_notice_of_how_far_scores_are_apart():
    slate = twins()
    skewed = Slate(slate.rows, np.array([[1e6, 5, 4, 3, 2, 1]], np.float32), slate.ks, slate.view)
    by_rank = [create_reranker("mmr", relevance="rank").rerank(s).rows.tolist() for s in (slate, skewed)]
    assert by_rank[0] == by_rank[1]
