import numpy as np
import pytest

from foretaste.serving.merge import merge


def rows(*lists, width=4):
    made = np.full((len(lists), width), -1, dtype=np.int32)
    for b, items in enumerate(lists):
        made[b, : len(items)] = items
    return made


def falling(given):
    return np.where(given >= 0, 10.0 - np.arange(given.shape[1]), np.nan).astype(np.float32)


def test_reciprocal_ranks_add_up_as_by_hand():
    a, b = rows([7, 3]), rows([3, 9])
    found, scores, codes = merge(
        [(a, falling(a)), (b, falling(b))], [1.0, 0.5], k=3, method="reciprocal_rank", damping=1.0
    )
    # 3: 1/(1+2) + .5/(1+1) = .5833; 7: 1/(1+1) = .5; 9: .5/(1+2) = .1667
    assert found[0].tolist() == [3, 7, 9]
    assert scores[0] == pytest.approx([0.58333, 0.5, 0.16667], abs=1e-4)
    assert codes[0].tolist() == [0, 0, 1]


def test_normalised_scores_add_up_as_by_hand():
    a = (rows([1, 2, 3]), np.array([[5.0, 4.0, 1.0, np.nan]], np.float32))
    b = (rows([3]), np.array([[0.2, np.nan, np.nan, np.nan]], np.float32))
    found, scores, codes = merge([a, b], [1.0, 2.0], k=3, method="normalised_score", damping=60)
    # list a scales to 1, .75, 0; list b has one item, so 1, times its weight 2
    assert found[0].tolist() == [3, 1, 2]
    assert scores[0] == pytest.approx([2.0, 1.0, 0.75])
    assert codes[0].tolist() == [1, 0, 0]


def test_equal_scores_are_ordered_by_row():
    a, b = rows([8]), rows([2])
    found, _, _ = merge([(a, falling(a)), (b, falling(b))], [1.0, 1.0], k=2, method="reciprocal_rank", damping=60)
    assert found[0].tolist() == [2, 8]


def test_an_empty_list_stays_empty_beside_a_full_one():
    a, b = rows([], [4, 5]), rows([], [5])
    found, scores, codes = merge([(a, falling(a)), (b, falling(b))], [1, 1], k=4, method="reciprocal_rank", damping=60)
    assert found[0].tolist() == [-1] * 4
    assert np.isnan(scores[0]).all()
    assert codes[0].tolist() == [-1] * 4
    assert found[1].tolist() == [5, 4, -1, -1]


@pytest.mark.parametrize("seed", range(5))
def test_merge_agrees_with_a_slow_obvious_version(seed):
    rng = np.random.default_rng(seed)
    parts, weights = [], [1.0, 0.7, 0.2]
    for _ in weights:
        lists = [rng.choice(12, rng.integers(0, 7), replace=False).tolist() for _ in range(6)]
        given = rows(*lists, width=7)
        parts.append((given, falling(given)))
    found, scores, codes = merge(parts, weights, k=5, method="reciprocal_rank", damping=20.0)
    for b in range(6):
        total, best = {}, {}
        for code, ((given, _), weight) in enumerate(zip(parts, weights, strict=True)):
            for place, item in enumerate(given[b][given[b] >= 0].tolist()):
                gain = weight / (20.0 + place + 1)
                total[item] = total.get(item, 0.0) + gain
                if gain > best.get(item, (0.0, -1))[0]:
                    best[item] = (gain, code)
        expected = sorted(total, key=lambda item: (-total[item], item))[:5]
        n = len(expected)
        assert found[b, :n].tolist() == expected
        assert (found[b, n:] == -1).all()
        assert scores[b, :n] == pytest.approx([total[item] for item in expected])
        assert codes[b, :n].tolist() == [best[item][1] for item in expected]
