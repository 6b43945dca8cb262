from collections.abc import Callable

import numpy as np
import pytest

from foretaste.data import Dataset, Interactions, Vocabulary


@pytest.fixture(scope="session")
def as_data() -> Callable[[np.ndarray], Dataset]:
    """From a dense matrix users × items to a data set."""

    def convert(matrix: np.ndarray) -> Dataset:
        users, items = np.nonzero(matrix)
        interactions = Interactions(
            users.astype(np.int32),
            items.astype(np.int32),
            matrix[users, items].astype(np.float32),
            np.full(len(users), np.nan),
            np.zeros(len(users), np.uint8),
        )
        names = [
            Vocabulary([f"{letter}{n}" for n in range(size)]) for letter, size in zip("ui", matrix.shape, strict=True)
        ]
        return Dataset(names[0], names[1], interactions)

    return convert


@pytest.fixture(scope="session")
def matrix() -> np.ndarray:
    return (np.random.default_rng(0).random((60, 25)) < 0.25).astype(float)


@pytest.fixture(scope="session")
def weighted_matrix(matrix) -> np.ndarray:
    return matrix * np.random.default_rng(1).uniform(0.5, 3, matrix.shape)
