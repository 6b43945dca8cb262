"""What is answered: ranked items with scores, sources and reasons."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from foretaste.data.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one item is in a list, for machines; ``foretaste.explain`` makes a sentence of it.

    ``kind`` is one of ``because_items`` (history items with their share), ``similar_users``, ``content`` (shared
    features), ``interests`` (declared ones, in ``features``), ``friends``, ``popular``, ``trending``, ``top_rated``,
    ``new``, ``random``. ``item_ids`` and ``shares`` are aligned, strongest first; shares are parts of the score, of
    which only those that speak for the item are named. When ``exact``, the absolute values of all parts, against the
    item too, sum to 1.
    """

    kind: str
    item_ids: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()
    features: tuple[str, ...] = ()
    exact: bool = False


@dataclass(frozen=True, slots=True)
class RecList:
    """One ranked list, best first."""

    item_ids: tuple[str, ...]
    scores: tuple[float, ...]
    user_id: str | None = None
    sources: tuple[str, ...] = ()
    """Which candidate source gave each item; empty when there is only one."""
    reasons: tuple[Reason | None, ...] = ()

    def __len__(self) -> int:
        return len(self.item_ids)

    def __iter__(self) -> Iterator[tuple[str, float]]:
        return iter(zip(self.item_ids, self.scores, strict=True))


@dataclass(frozen=True, eq=False)
class RecLists:
    """Ranked lists for many users, as arrays.

    ``item_rows`` is (B, k) int32, best first, padded with -1 where fewer than k items qualify; ``scores`` is (B, k)
    float32 with NaN there. ``items`` turns rows into ids. Iterating gives a :class:`RecList` a user.
    """

    item_rows: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]
    items: Vocabulary
    user_ids: Sequence[str | None] = ()
    source_codes: npt.NDArray[np.int16] | None = None  # (B, k) into source_names, -1 in the padding
    source_names: tuple[str, ...] = ()
    reasons: tuple[tuple[Reason | None, ...], ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.item_rows)

    @property
    def k(self) -> int:
        """Width of the arrays: the longest list there can be."""
        return int(self.item_rows.shape[1])

    @cached_property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Items in each list (B,)."""
        return np.asarray((self.item_rows >= 0).sum(axis=1))

    def __getitem__(self, index: int) -> RecList:
        n = int(self.lengths[index])
        codes = self.source_codes
        return RecList(
            item_ids=tuple(self.items.ids_of(self.item_rows[index, :n])),
            scores=tuple(self.scores[index, :n].tolist()),
            user_id=self.user_ids[index] if len(self.user_ids) else None,
            sources=() if codes is None else tuple(self.source_names[c] for c in codes[index, :n]),
            reasons=self.reasons[index][:n] if self.reasons else (),
        )

    def __iter__(self) -> Iterator[RecList]:
        return (self[index] for index in range(len(self)))

    def with_reasons(self, reasons: Sequence[Sequence[Reason | None]]) -> "RecLists":
        """The same lists with one reason an item."""
        return replace(self, reasons=tuple(tuple(row) for row in reasons))

    def to_frame(self) -> pl.DataFrame:
        """A frame with a row an item: ``user_id``, ``item_id``, ``rank`` (from 1), ``score``."""
        users, places = np.nonzero(self.item_rows >= 0)
        names = pl.Series("user_id", list(self.user_ids) or [None] * len(self), dtype=pl.String)
        return pl.DataFrame(
            {
                "user_id": names.gather(users),
                "item_id": self.items.ids.gather(self.item_rows[users, places]),
                "rank": (places + 1).astype(np.int32),
                "score": self.scores[users, places],
            }
        )
