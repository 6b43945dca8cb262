"""Tiny data sets for judging."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from foretaste.data import Dataset, Interactions, Vocabulary

MakeDataset = Callable[..., Dataset]


def _dataset(
    events: Sequence[tuple[str, str, float, float]],
    *,
    users: Sequence[str] | None = None,
    items: Sequence[str] | None = None,
    is_explicit: bool = False,
    name: str = "toy",
) -> Dataset:
    """A data set from (user, item, weight, time) in any order; ids sorted unless given."""
    user_ids = Vocabulary(users if users is not None else sorted({e[0] for e in events}))
    item_ids = Vocabulary(items if items is not None else sorted({e[1] for e in events}))
    n = len(events)
    interactions = Interactions(
        user_ids.rows([e[0] for e in events]),
        item_ids.rows([e[1] for e in events]),
        np.array([e[2] for e in events], np.float32),
        np.array([e[3] for e in events], np.float64),
        np.zeros(n, np.uint8),
    ).sorted()
    return Dataset(user_ids, item_ids, interactions, name=name, is_explicit=is_explicit)


@pytest.fixture(scope="session")
def make_dataset() -> MakeDataset:
    return _dataset


@pytest.fixture(scope="session")
def noisy_dataset() -> Dataset:
    """40 users, 25 items, 600 events at distinct times, some pairs repeated."""
    rng = np.random.default_rng(7)
    users = rng.integers(0, 40, 600)
    items = (25 * rng.random(600) ** 1.7).astype(int)
    times = rng.permutation(600)
    return _dataset(
        [
            (f"u{u:02d}", f"i{i:02d}", float(w), float(t))
            for u, i, w, t in zip(users, items, rng.integers(1, 6, 600), times, strict=True)
        ]
    )
