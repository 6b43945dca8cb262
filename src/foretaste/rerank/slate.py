"""What rerankers look at: the lists of a batch, and what is known of all items."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from foretaste.errors import ConfigurationError

Rows = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Labels:
    """The values of one text attribute: item i has those numbered ``codes[indptr[i]:indptr[i + 1]]``, maybe none."""

    indptr: npt.NDArray[np.int64]  # (I + 1,)
    codes: npt.NDArray[np.int32]  # (N,)
    names: tuple[str, ...]
    """The value of each code."""

    @property
    def n_items(self) -> int:
        """Items, with or without a value."""
        return len(self.indptr) - 1

    @cached_property
    def first(self) -> npt.NDArray[np.int32]:
        """The first value of each item (I,), -1 where it has none."""
        out = np.full(self.n_items, -1, dtype=np.int32)
        has_some = self.indptr[1:] > self.indptr[:-1]
        out[has_some] = self.codes[self.indptr[:-1][has_some]]
        return out

    def code(self, name: str) -> int:
        """The number of a value; -1 when no item has it."""
        return self._numbers.get(name, -1)

    @cached_property
    def _numbers(self) -> Mapping[str, int]:
        return {name: code for code, name in enumerate(self.names)}

    @classmethod
    def of(cls, values: Sequence[Sequence[str]]) -> "Labels":
        """From the values of each item; a repeated one counts once.

        >>> Labels.of([["drama"], [], ["comedy", "drama"]]).codes.tolist()
        [0, 1, 0]
        """
        numbers: dict[str, int] = {}
        codes: list[int] = []
        lengths = [0]
        for own in values:
            distinct = dict.fromkeys(own)
            codes.extend(numbers.setdefault(name, len(numbers)) for name in distinct)
            lengths.append(len(distinct))
        return cls(np.cumsum(lengths, dtype=np.int64), np.array(codes, dtype=np.int32), tuple(numbers))


@dataclass(frozen=True, eq=False)
class ItemView:
    """What rerankers may know of the items, by row. What is None or absent is unknown; see :meth:`Reranker.lacks`."""

    n_items: int
    vectors: Floats | None = None
    """Rows (at most I, d) of length one. An item of which nothing is known has zeros, or no row where it came last;
    then it resembles no other."""
    fields: Mapping[str, Labels] = field(default_factory=dict)
    """Text attributes by name."""
    created_at: npt.NDArray[np.float64] | None = None
    """Seconds since 1970 (I,); NaN or 0 where unknown."""
    popularity: npt.NDArray[np.float64] | None = None
    """How much each item was taken (I,), in any unit."""
    exposure: npt.NDArray[np.float64] | None = None
    """How much each item was shown (I,), in any unit."""
    _derived: dict[Any, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.vectors is not None and (self.vectors.ndim != 2 or len(self.vectors) > self.n_items):
            raise ConfigurationError(
                f"vectors {self.vectors.shape} do not fit a view of {self.n_items} items",
                hint="vectors are (I, d), in the order of the rows; the last rows may be left out",
            )
        for name in ("created_at", "popularity", "exposure"):
            values = getattr(self, name)
            if values is not None and len(values) != self.n_items:
                raise ConfigurationError(
                    f"{name} of {len(values)} items does not fit a view of {self.n_items}",
                    hint="give one value for each row",
                )

    def labels(self, name: str) -> Labels | None:
        """The values of a text attribute; None when no item has it."""
        return self.fields.get(name)

    def codes(self, name: str) -> Rows:
        """The first value of a text attribute for each item (I,), as a number; -1 where it has none."""
        labels = self.labels(name)
        return np.full(self.n_items, -1, dtype=np.int32) if labels is None else labels.first

    def derived(self, key: Any, make: Any) -> Any:
        """``make()``, computed once for this view; two threads at the same time may both compute it."""
        if key not in self._derived:
            self._derived[key] = make()
        return self._derived[key]

    def with_exposure(self, exposure: npt.NDArray[np.float64], popularity: npt.NDArray[np.float64]) -> "ItemView":
        """The same items with newer counts."""
        return replace(self, exposure=exposure, popularity=popularity, _derived={})


@dataclass(frozen=True, eq=False)
class Slate:
    """The lists of a batch, best first, and how long each shall be.

    A reranker gives a slate of the same shape: the first ``ks[b]`` rows of user b are the list, the others follow in
    the order in which they came. Scores stay with their items. Padding is -1 and NaN.
    """

    rows: Rows  # (B, n)
    scores: Floats  # (B, n)
    ks: npt.NDArray[np.int64]  # (B,)
    view: ItemView
    histories: Sequence[Rows] = ()
    """Item rows of each user's history, unknown ones left out; empty when nobody has one."""
    history_weights: Sequence[Floats] = ()
    """Aligned with ``histories``; empty means that all weigh the same."""
    now: float = 0.0
    """Seconds since 1970, the moment for which ages are counted."""
    seed: int = 0
    pins: Rows | None = None
    """Row that must stand at each place (B, any width), -1 where the place is free; rows not in the list are passed
    over."""
    places: Rows = field(default_factory=lambda: np.zeros((0, 0), np.int32))
    """Where each item stood before the first reranker (B, n), -1 in the padding."""

    def __post_init__(self) -> None:
        if self.rows.ndim != 2 or self.rows.shape != self.scores.shape or len(self.ks) != len(self.rows):
            raise ConfigurationError(
                f"rows {self.rows.shape}, scores {self.scores.shape} and ks {self.ks.shape} are no slate",
                hint="rows and scores are (B, n), ks is (B,)",
            )
        if self.rows.size and int(self.rows.max()) >= self.view.n_items:
            raise ConfigurationError(
                f"row {int(self.rows.max())} is not among the {self.view.n_items} items of the view",
                hint="use the view of the same catalogue",
            )
        for name in ("histories", "history_weights", "pins"):
            value = getattr(self, name)
            if value is not None and len(value) not in {0, len(self.rows)}:
                raise ConfigurationError(f"{name} of {len(value)} users do not fit {len(self.rows)} lists")
        if self.places.shape != self.rows.shape:
            places = np.where(self.rows >= 0, np.arange(self.rows.shape[1], dtype=np.int32), np.int32(-1))
            object.__setattr__(self, "places", places)

    def __len__(self) -> int:
        return len(self.rows)

    def reordered(self, rows: Rows, scores: Floats, places: Rows) -> "Slate":
        """The same items of each list in another order, which is not checked again."""
        made = copy(self)
        for name, value in (("rows", rows), ("scores", scores), ("places", places)):
            object.__setattr__(made, name, value)
        return made
