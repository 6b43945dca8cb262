"""Scores on one scale, against numbers by hand."""

import numpy as np
import pytest

from foretaste.models.hybrid.normalize import normalize

NONE = -np.inf
SCORES = np.array(
    [[1.0, 3.0, NONE, 2.0], [NONE, NONE, NONE, NONE], [5.0, 5.0, 5.0, NONE], [np.nan, 7.0, NONE, NONE]], np.float32
)
THIRD = np.sqrt(1.5)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("minmax", [[0, 1, 0, 0.5], [0, 0, 0, 0], [1, 1, 1, 0], [0, 1, 0, 0]]),
        ("zscore", [[-THIRD, THIRD, -THIRD, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]),
        ("rank", [[1 / 3, 1, 0, 2 / 3], [0, 0, 0, 0], [1, 2 / 3, 1 / 3, 0], [0, 1, 0, 0]]),
        ("none", [[1, 3, 1, 2], [0, 0, 0, 0], [5, 5, 5, 5], [7, 7, 7, 7]]),
    ],
)
def test_each_way_gives_the_numbers_made_by_hand(how, expected):
    np.testing.assert_allclose(normalize(SCORES, how), expected, atol=1e-6)


@pytest.mark.parametrize("how", ["minmax", "zscore", "rank"])
def test_scale_and_offset_of_the_scores_do_not_matter(how):
    scores = np.random.default_rng(0).normal(size=(5, 30)).astype(np.float32)
    np.testing.assert_allclose(normalize(scores * 40 - 3, how), normalize(scores, how), atol=1e-4)


def test_the_input_is_left_alone():
    before = SCORES.copy()
    for how in ("minmax", "zscore", "rank", "none"):
        normalize(SCORES, how)
    np.testing.assert_array_equal(SCORES, before)
