"""What a split is: the part to learn from, the part to judge on, and how the line between them was drawn."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import numpy.typing as npt

from foretaste.data import Dataset, Interactions
from foretaste.errors import DataInsufficientError
from foretaste.evaluation.options import Options

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Split:
    """A train and a test part that share users, items and features.

    ``protocol`` is a sentence for reports. ``cutoff`` is the time (seconds since 1970 UTC) of the earliest test event
    of a split by time, else None. ``candidates`` (I,) are the items that may be ranked, None for all.
    ``held_users`` (U,) and ``held_items`` (I,) are those that train may not know, None where there are no such.
    """

    train: Dataset
    test: Dataset
    name: str
    protocol: str
    cutoff: float | None = None
    candidates: Mask | None = None
    held_users: Mask | None = None
    held_items: Mask | None = None


class Splitter(Options, ABC):
    """Divides a data set in two; the same options, seed and data give the same split."""

    name: ClassVar[str]

    @final
    def split(self, data: Dataset) -> Split:
        """Both parts of ``data``, with its users and items.

        Raises:
            DataInsufficientError: one of the parts would be empty.
            DataFormatError: times are needed and missing.
        """
        in_test = self._in_test(data)
        n_test = int(in_test.sum())
        for part, count in (("test", n_test), ("train", len(in_test) - n_test)):
            if count == 0:
                raise DataInsufficientError(
                    f"split {self.name!r} leaves nothing in the {part} part of {data.name!r} "
                    f"({data.n_interactions} interactions, {data.n_users} users)",
                    hint=self._advice(),
                )
        interactions = data.interactions
        return Split(
            data.with_interactions(interactions.where(~in_test), name=f"{data.name} (train)"),
            data.with_interactions(interactions.where(in_test), name=f"{data.name} (test)"),
            self.name,
            self._protocol(data),
            self._cutoff(interactions, in_test),
            self._candidates(data, in_test),
            self._held_users(data, in_test),
            self._held_items(data, in_test),
        )

    @abstractmethod
    def _in_test(self, data: Dataset) -> Mask:
        """Which interactions are for judging (N,)."""

    @abstractmethod
    def _protocol(self, data: Dataset) -> str:
        """One sentence for reports."""

    def _advice(self) -> str:
        return "use more data or another test share"

    def _cutoff(self, interactions: Interactions, in_test: Mask) -> float | None:
        return None

    def _candidates(self, data: Dataset, in_test: Mask) -> Mask | None:
        return None

    def _held_users(self, data: Dataset, in_test: Mask) -> Mask | None:
        return None

    def _held_items(self, data: Dataset, in_test: Mask) -> Mask | None:
        return None
