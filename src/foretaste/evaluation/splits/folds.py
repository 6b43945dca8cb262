"""K folds: every user-item pair is judged once."""

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from pydantic import Field, NonNegativeInt

from foretaste.data import Dataset
from foretaste.errors import ConfigurationError
from foretaste.evaluation.splits.base import Mask, Split, Splitter
from foretaste.evaluation.splits.per_user import pairs_of


class KFold(Splitter):
    """One of ``n_folds`` random parts of all user-item pairs in test, the others in train.

    The parts differ by at most one pair, and all repetitions of a pair are in the same one. :func:`k_folds` gives all.
    """

    name: ClassVar[str] = "k_fold"

    n_folds: int = Field(default=5, ge=2)
    """Number of parts."""
    fold: NonNegativeInt = 0
    """The part in test, counted from 0."""
    seed: NonNegativeInt = 0
    """Start of the random numbers."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if self.fold >= self.n_folds:
            raise ConfigurationError(f"KFold: fold = {self.fold} is not among the {self.n_folds} folds 0 …")

    def _in_test(self, data: Dataset) -> Mask:
        pair_of, users = pairs_of(data.interactions, data.n_items)
        parts = np.random.default_rng(self.seed).permutation(len(users)) % self.n_folds
        return np.asarray((parts == self.fold)[pair_of])

    def _protocol(self, data: Dataset) -> str:
        return f"fold {self.fold + 1} of {self.n_folds} random parts of all user-item pairs in test (seed {self.seed})"

    def _advice(self) -> str:
        return "use more data or fewer folds"


def k_folds(data: Dataset, n_folds: int = 5, *, seed: int = 0) -> Iterator[Split]:
    """The split of each fold, one after the other."""
    for fold in range(n_folds):
        yield KFold(n_folds=n_folds, fold=fold, seed=seed).split(data)
