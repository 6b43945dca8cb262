import numpy as np
import pytest


@pytest.fixture(scope="session")
def matrix() -> np.ndarray:
    return (np.random.default_rng(0).random((60, 25)) < 0.25).astype(float)


@pytest.fixture(scope="session")
def weighted_matrix(matrix) -> np.ndarray:
    return matrix * np.random.default_rng(1).uniform(0.5, 3, matrix.shape)
