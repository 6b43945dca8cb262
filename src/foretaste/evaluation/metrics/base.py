"""What a metric sees and what it gives."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from foretaste.data import Dataset
from foretaste.evaluation.options import Options

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Catalogue:
    """What train says about the items: how many distinct users took each one (I,), and how many users took anything."""

    user_counts: npt.NDArray[np.int64]
    n_users: int

    @classmethod
    def of(cls, train: Dataset) -> "Catalogue":
        """The catalogue of a train part."""
        matrix = train.matrix("binary")
        counts = np.bincount(matrix.indices, minlength=train.n_items)
        return cls(counts, int((np.diff(matrix.indptr) > 0).sum()))

    @property
    def n_items(self) -> int:
        """All items, those that nobody took included."""
        return len(self.user_counts)

    @cached_property
    def shares(self) -> Floats:
        """The part of users that took each item (I,)."""
        return self.user_counts / max(self.n_users, 1)

    def head(self, share: float) -> npt.NDArray[np.bool_]:
        """The fewest most popular items that hold ``share`` of all user-item pairs (I,)."""
        order = np.argsort(-self.user_counts, kind="stable")
        counts = self.user_counts[order]
        before = np.cumsum(counts) - counts
        mask = np.zeros(self.n_items, dtype=bool)
        mask[order[before < share * counts.sum()]] = True
        return mask


@dataclass(frozen=True)
class Judged:
    """The lists of B users beside the truth, at one cutoff k.

    ``item_rows`` (B, k) holds -1 behind a short list. ``gains`` (B, k) is the weight that the test part gives to each
    listed item, 0 where it is not relevant. ``n_relevant`` (B,) counts a user's relevant items. ``ideal_gains`` (B, k)
    are the largest weights of a user's relevant items in falling order, 0 where there are fewer.
    """

    item_rows: npt.NDArray[np.int32]
    gains: Floats
    n_relevant: npt.NDArray[np.int64]
    ideal_gains: Floats
    catalogue: Catalogue

    def __len__(self) -> int:
        return len(self.item_rows)

    @property
    def k(self) -> int:
        """The cutoff."""
        return int(self.item_rows.shape[1])

    def at(self, k: int) -> "Judged":
        """The same lists cut off earlier."""
        if k == self.k:
            return self
        return Judged(
            self.item_rows[:, :k], self.gains[:, :k], self.n_relevant, self.ideal_gains[:, :k], self.catalogue
        )

    @cached_property
    def hits(self) -> Floats:
        """1 where a listed item is relevant, else 0 (B, k)."""
        return (self.gains > 0).astype(np.float64)

    @cached_property
    def n_hits(self) -> Floats:
        """Relevant items in each list (B,)."""
        return self.hits @ np.ones(self.k)

    @cached_property
    def relevant(self) -> Floats:
        """``n_relevant`` with NaN for a user without relevant items, for whom accuracy is not defined (B,)."""
        return np.where(self.n_relevant > 0, self.n_relevant, np.nan)

    @cached_property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Items in each list (B,)."""
        return np.asarray((self.item_rows >= 0).sum(axis=1))


class Metric(Options, ABC):
    """One number about ranked lists cut off at ``k``."""

    name: ClassVar[str]
    higher_is_better: ClassVar[bool] = True

    k: int = Field(default=10, ge=1)
    """Cutoff: items of the list that count."""

    @property
    def label(self) -> str:
        """The metric as text, such as ``ndcg@20`` or ``ndcg[gain=linear]@20``; :func:`parse_metric` reads it."""
        return f"{self.name}{_changed(self, but='k')}@{self.k}"


class UserMetric(Metric):
    """A metric of one list; its value is the mean over users, so it has an interval."""

    @abstractmethod
    def per_user(self, judged: Judged) -> Floats:
        """Values (B,) of lists cut off at ``k``, NaN where it is not defined."""


class ExposureMetric(Metric):
    """A metric of all lists together, from how often each item is listed."""

    @abstractmethod
    def value(self, exposure: npt.NDArray[np.int64], catalogue: Catalogue) -> float:
        """The value for an exposure (I,) counted over all lists cut off at ``k``."""


class RatingMetric(Options, ABC):
    """A metric of predicted ratings, pair by pair."""

    name: ClassVar[str]
    higher_is_better: ClassVar[bool] = False

    @property
    def label(self) -> str:
        """The metric as text."""
        return self.name

    @abstractmethod
    def losses(self, predicted: Floats, actual: Floats) -> Floats:
        """The loss of each pair (N,)."""

    def value(self, mean_loss: Floats) -> Floats:
        """The metric from mean losses, of any shape."""
        return mean_loss


AnyMetric = UserMetric | ExposureMetric | RatingMetric


def _changed(metric: Options, *, but: str) -> str:
    values: dict[str, Any] = metric.model_dump(exclude_defaults=True, exclude={but})
    return f"[{','.join(f'{name}={value}' for name, value in values.items())}]" if values else ""
