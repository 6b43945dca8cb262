"""The data set: who, what, and what they did, immutable and shared by everything that learns or judges."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from foretaste.data.histories import Histories, Values
from foretaste.data.vocabulary import Vocabulary
from foretaste.errors import DataFormatError

DuplicatesPolicy = Literal["sum", "max", "last"]
FeatureType = Literal["numeric", "categorical", "list", "text", "date"]


@dataclass(frozen=True, eq=False)
class Interactions:
    """What happened, as columns of equal length N, sorted by user and then by time.

    ``weights`` are ratings (explicit data) or action weights; 0 means «seen, no interest». ``timestamps`` are seconds
    since 1970 UTC, NaN where unknown. ``types`` index ``type_names``.
    """

    user_rows: npt.NDArray[np.int32]
    item_rows: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    timestamps: npt.NDArray[np.float64]
    types: npt.NDArray[np.uint8]
    type_names: tuple[str, ...] = ("interaction",)

    def __len__(self) -> int:
        return len(self.user_rows)

    @cached_property
    def has_times(self) -> bool:
        """Whether every interaction has a timestamp."""
        return len(self) > 0 and not bool(np.isnan(self.timestamps).any())

    def where(self, keep: npt.NDArray[np.bool_] | npt.NDArray[np.integer]) -> "Interactions":
        """The chosen interactions (mask or sorted positions), still in order."""
        return Interactions(
            self.user_rows[keep],
            self.item_rows[keep],
            self.weights[keep],
            self.timestamps[keep],
            self.types[keep],
            self.type_names,
        )

    def sorted(self) -> "Interactions":
        """Sorted by user, then time (unknown times last), then the order given."""
        n = len(self)
        return self.where(np.lexsort((np.arange(n), self.timestamps, self.user_rows)))


@dataclass(frozen=True, eq=False)
class Population:
    """Whom and what a model was fitted on: both vocabularies and every user's history.

    All models fitted on one data set share one object, in memory and in a saved bundle.
    """

    users: Vocabulary
    items: Vocabulary
    histories: Histories
    duplicates: DuplicatesPolicy = "sum"
    is_explicit: bool = False


@dataclass(frozen=True, eq=False)
class Dataset:
    """Users, items and interactions; build one with :class:`foretaste.data.DatasetBuilder` or the readers.

    ``user_frame`` and ``item_frame`` have one row a user or item in vocabulary order, first column ``user_id`` or
    ``item_id``; their other columns are features, typed by ``user_features`` and ``item_features``. ``links`` are
    social links as two aligned arrays of user rows (from, to).
    """

    users: Vocabulary
    items: Vocabulary
    interactions: Interactions
    name: str = "dataset"
    is_explicit: bool = False
    """Weights are ratings that a person gave, so their scale has a meaning."""
    duplicates: DuplicatesPolicy = "sum"
    """How repeated user-item pairs become one matrix entry."""
    user_frame: pl.DataFrame | None = None
    item_frame: pl.DataFrame | None = None
    user_features: Mapping[str, FeatureType] = field(default_factory=dict)
    item_features: Mapping[str, FeatureType] = field(default_factory=dict)
    links: tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]] | None = None

    @property
    def n_users(self) -> int:
        """Users, with and without interactions."""
        return len(self.users)

    @property
    def n_items(self) -> int:
        """Items, with and without interactions."""
        return len(self.items)

    @property
    def n_interactions(self) -> int:
        """Interactions, repeated ones included."""
        return len(self.interactions)

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}, {self.n_users} users, {self.n_items} items, {self.n_interactions} interactions)"

    @cached_property
    def histories(self) -> Histories:
        """Every user's history, in user-row order; shares the interactions' memory.

        Raises:
            DataFormatError: interactions that are not sorted by user, or of users or items that do not exist.
        """
        self._check_rows()
        counts = np.bincount(self.interactions.user_rows, minlength=self.n_users)
        return Histories(
            np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)]),
            self.interactions.item_rows,
            self.interactions.weights,
            self.interactions.timestamps,
            self.n_items,
        )

    def _check_rows(self) -> None:
        users, items = self.interactions.user_rows, self.interactions.item_rows
        if len(users) == 0:
            return
        if (users[1:] < users[:-1]).any():
            raise DataFormatError("the interactions are not sorted by user", hint="use Interactions(...).sorted()")
        if users[0] < 0 or users[-1] >= self.n_users or items.min() < 0 or items.max() >= self.n_items:
            raise DataFormatError(
                f"an interaction names a row outside the {self.n_users} users or the {self.n_items} items"
            )

    @cached_property
    def population(self) -> Population:
        """What a fitted model keeps of this data set."""
        return Population(self.users, self.items, self.histories, self.duplicates, self.is_explicit)

    @cached_property
    def _matrices(self) -> dict[Values, sparse.csr_array]:
        return {}

    def matrix(self, values: Values = "weight") -> sparse.csr_array:
        """Users × items, float32, positive entries, one for each pair; cached, so do not write into it."""
        if values not in self._matrices:
            self._matrices[values] = self.histories.matrix(values, duplicates=self.duplicates)
        return self._matrices[values]

    def with_interactions(self, interactions: Interactions, *, name: str | None = None) -> "Dataset":
        """The same users and items with other interactions (a split, a window)."""
        return replace(self, interactions=interactions, name=name or self.name)

    def titles(self) -> list[str] | None:
        """A readable name for each item row, from the column ``title`` or ``name``; None when there is none."""
        if self.item_frame is None:
            return None
        for column in ("title", "name"):
            if column in self.item_frame.columns:
                names = self.item_frame[column].cast(pl.String)
                return names.fill_null(self.items.ids).to_list()
        return None
