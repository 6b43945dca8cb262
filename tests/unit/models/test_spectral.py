import numpy as np
import pytest
from scipy import sparse

from foretaste.errors import ModelTrainingError
from foretaste.models import memory
from foretaste.models.spectral import randomized_svd, times


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    rng = np.random.default_rng(0)
    return ((rng.random((80, 50)) < 0.2) * rng.random((80, 50))).astype(np.float32)


def test_values_and_vectors_are_those_of_the_exact_decomposition(matrix):
    found = randomized_svd(sparse.csr_array(matrix), 6, iterations=12)
    left, values, right = np.linalg.svd(matrix.astype(np.float64))
    np.testing.assert_allclose(found.values, values[:6], rtol=1e-5)
    for n in range(6):  # a vector is known up to its sign
        assert abs(found.right[:, n] @ right[n]) == pytest.approx(1, abs=1e-4)
        assert abs(found.left[:, n] @ left[:, n]) == pytest.approx(1, abs=1e-4)


def test_a_full_decomposition_gives_the_matrix_back(matrix):
    found = randomized_svd(sparse.csr_array(matrix), 50)
    np.testing.assert_allclose(found.left * found.values @ found.right.T, matrix, atol=1e-5)


def test_vectors_are_orthonormal_with_the_largest_entry_of_the_right_ones_positive(matrix):
    found = randomized_svd(sparse.csr_array(matrix), 20, iterations=1)
    for vectors in (found.left, found.right):
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(20), atol=1e-5)
    assert (found.right[np.abs(found.right).argmax(axis=0), np.arange(20)] > 0).all()


def test_the_seed_decides_and_hardly_matters(matrix):
    first, again, other = (randomized_svd(sparse.csr_array(matrix), 4, iterations=12, seed=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(first.right, again.right)
    np.testing.assert_allclose(first.right, other.right, atol=1e-3)


def test_power_iterations_come_nearer_to_the_exact_values(matrix):
    exact = np.linalg.svd(matrix, compute_uv=False)[:8]
    errors = [
        np.abs(randomized_svd(sparse.csr_array(matrix), 8, oversampling=2, iterations=n).values - exact).sum()
        for n in (0, 2, 8)
    ]
    assert errors[0] > errors[1] > errors[2]


def test_a_matrix_of_low_rank_gives_fewer_columns_and_no_nan():
    rng = np.random.default_rng(1)
    low = (rng.random((60, 3)) @ rng.random((3, 40))).astype(np.float32)
    found = randomized_svd(sparse.csr_array(low), 20)
    assert found.values.shape == (3,)
    assert found.right.shape == (40, 3)
    np.testing.assert_allclose(found.left * found.values @ found.right.T, low, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1)])
def test_one_row_or_column_is_its_own_vector(shape):
    found = randomized_svd(sparse.csr_array(np.full(shape, 2.0, np.float32)), 5)
    assert found.values == pytest.approx([2 * np.sqrt(max(shape))])


def test_a_matrix_of_zeros_has_no_vector():
    found = randomized_svd(sparse.csr_array((4, 6), dtype=np.float32), 3)
    assert found.right.shape == (6, 0)
    assert found.left.shape == (4, 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_entries_that_are_not_finite_are_refused(bad, matrix):
    broken = matrix.copy()
    broken[3, 4] = bad
    with pytest.raises(ModelTrainingError, match="finite"):
        randomized_svd(sparse.csr_array(broken), 3)


def test_what_does_not_fit_in_memory_is_refused_first(matrix, monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 10_000)
    with pytest.raises(ModelTrainingError, match="lower n_factors"):
        randomized_svd(sparse.csr_array(matrix), 20)


@pytest.mark.parametrize("width", [1, 15, 16, 17, 40])
def test_products_equal_those_of_scipy(matrix, width):
    block = np.random.default_rng(2).standard_normal((50, width)).astype(np.float32)
    np.testing.assert_allclose(times(sparse.csr_array(matrix), block), matrix @ block, atol=1e-5)
