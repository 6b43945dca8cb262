import numpy as np
import pytest

from foretaste.models.linear import inverse
from foretaste.models.linear.inverse import invert


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(inverse, "TILE", 4)
    monkeypatch.setattr(inverse, "WIDE", 8)


def positive(n, dtype):
    root = np.random.default_rng(n).standard_normal((n, n + 3))
    return np.asarray(root @ root.T + np.eye(n), dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 4, 5, 31])
def test_the_inverse_in_tiles_equals_the_direct_one(small_tiles, n, dtype):
    matrix = positive(n, dtype)
    expected = np.linalg.inv(matrix.astype(np.float64))
    assert invert(matrix)
    np.testing.assert_allclose(matrix, expected, atol=2e-4 if dtype == np.float32 else 1e-11)
    assert (matrix == matrix.T).all()


def test_what_stands_above_the_diagonal_is_not_read(small_tiles):
    matrix = positive(11, np.float64)
    expected = np.linalg.inv(matrix)
    matrix[np.triu_indices(11, 1)] = np.nan
    assert invert(matrix)
    np.testing.assert_allclose(matrix, expected, atol=1e-11)


@pytest.mark.parametrize("place", [0, 6, 10])
def test_a_matrix_that_is_not_positive_definite_is_said_to_be_so_and_keeps_its_upper_part(small_tiles, place):
    matrix = positive(11, np.float64)
    matrix[place, place] = -1.0
    above = np.triu(matrix, 1)
    assert not invert(matrix)
    assert (np.triu(matrix, 1) == above).all()


def test_nan_is_not_inverted(small_tiles):
    matrix = positive(9, np.float64)
    matrix[7, 2] = np.nan
    assert not invert(matrix)
