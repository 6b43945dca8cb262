"""Two-way maps between outside ids and inside rows."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import islice, pairwise
from threading import Lock
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl

from foretaste.errors import DataFormatError

UNKNOWN_ROW = -1
_FEW = 1_000
"""So many ids are picked from a list: a Series takes as long for one as for thousands."""
_GROWING = Lock()
"""Held while a look-up table that several vocabularies share grows."""


class Vocabulary:
    """Immutable two-way map between outside ids (text) and rows 0 … n-1.

    >>> items = Vocabulary(["a", "b"])
    >>> items.row("b"), items.row("x"), items.ids_of([1, 0])
    (1, -1, ['b', 'a'])
    """

    def __init__(self, ids: Iterable[str] | pl.Series) -> None:
        series = (ids if isinstance(ids, pl.Series) else _as_text(list(ids))).cast(pl.String).alias("id")
        if series.null_count():
            raise DataFormatError(f"{series.null_count()} ids are missing")
        if series.n_unique() != len(series):
            twice = series.filter(series.is_duplicated()).head(3).to_list()
            raise DataFormatError(f"ids occur more than once: {', '.join(map(repr, twice))} …")
        self.ids = series
        """All ids, in row order (text)."""

    def __len__(self) -> int:
        return self._size

    @cached_property
    def _size(self) -> int:
        return len(self.ids)  # a Series takes microseconds to tell

    def __contains__(self, outside_id: object) -> bool:
        return isinstance(outside_id, str) and self.row(outside_id) >= 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and (self is other or self.digest == other.digest)

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} ids)"

    @cached_property
    def _index(self) -> dict[str, int]:
        """Rows by id. Vocabularies that grew out of this one share it, so it may hold rows that are not ours."""
        return {outside_id: row for row, outside_id in enumerate(self.ids.to_list())}

    @cached_property
    def _texts(self) -> list[str]:
        """The ids by row: those of the look-up table, whose keys stand in the order of their rows."""
        index = self._index
        with _GROWING:
            return list(islice(index, len(self)))

    @cached_property
    def digest(self) -> str:
        """A sha256 over all ids in order: equal digests mean equal rows."""
        text, offsets = self.arrays()
        return hashlib.sha256(offsets.tobytes() + text.tobytes()).hexdigest()

    def row(self, outside_id: str) -> int:
        """The row of one id, -1 when unknown."""
        row = self._index.get(outside_id, UNKNOWN_ROW)
        return row if row < len(self) else UNKNOWN_ROW

    def rows(self, ids: Sequence[str] | pl.Series) -> npt.NDArray[np.int32]:
        """Rows of many ids, int32, -1 where unknown."""
        if isinstance(ids, pl.Series):
            ids = ids.cast(pl.String)
            if len(ids) > 10_000:
                table = pl.DataFrame({"id": self.ids, "row": np.arange(len(self), dtype=np.int32)})
                found = pl.DataFrame({"id": ids}).join(table, on="id", how="left", maintain_order="left")["row"]
                return found.fill_null(UNKNOWN_ROW).to_numpy().astype(np.int32, copy=False)
        index = self._index
        rows = np.fromiter((index.get(i, UNKNOWN_ROW) for i in ids), dtype=np.int32, count=len(ids))
        return np.where(rows < len(self), rows, UNKNOWN_ROW).astype(np.int32, copy=False)

    def id(self, row: int) -> str:
        """The id of one row.

        Raises:
            IndexError: no such row (-1 stands for «unknown» and is none).
        """
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} is outside 0 … {len(self) - 1}")
        return self._texts[int(row)]

    def ids_of(self, rows: Sequence[int] | npt.NDArray[np.integer]) -> list[str]:
        """Ids of many rows.

        Raises:
            IndexError: a row that is none of ours.
        """
        wanted = np.asarray(rows, dtype=np.int64)
        if wanted.size and not 0 <= int(wanted.min()) <= int(wanted.max()) < len(self):
            raise IndexError(f"rows {wanted.min()} … {wanted.max()} are not all in 0 … {len(self) - 1}")
        if wanted.size > _FEW:
            return self.ids.gather(wanted).to_list()
        texts = self._texts
        return [texts[row] for row in wanted.ravel().tolist()]

    def extended(self, ids: Iterable[str]) -> "Vocabulary":
        """A vocabulary with the unknown ones of ``ids`` appended; rows of known ids stay.

        The look-up table is shared, so that a few new ids cost no copy of it; a second vocabulary that grows out of the
        same one gets a table of its own.
        """
        fresh = [i for i in dict.fromkeys(ids) if i not in self]
        if not fresh:
            return self
        grown = Vocabulary.__new__(Vocabulary)
        grown.ids = pl.concat([self.ids, _as_text(fresh).alias("id")])
        with _GROWING:
            own = self._index
            index = own if len(own) == len(self) else {i: row for i, row in own.items() if row < len(self)}
            index.update(zip(fresh, range(len(self), len(self) + len(fresh)), strict=True))
        grown.__dict__["_index"] = index
        return grown

    def arrays(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """The ids as UTF-8 bytes and offsets (n + 1), the form in which they are saved."""
        lengths = self.ids.str.len_bytes().to_numpy().astype(np.int64)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
        text = "".join(self.ids.to_list()).encode()
        return np.frombuffer(text, dtype=np.uint8), offsets

    @classmethod
    def from_arrays(cls, text: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> Self:
        """The opposite of :meth:`arrays`.

        Raises:
            DataFormatError: offsets that do not cut the text into valid, different ids.
        """
        if text.ndim != 1 or offsets.ndim != 1 or offsets.dtype.kind not in "iu" or not len(offsets):
            raise DataFormatError("the saved ids are not a text with offsets")
        if offsets[0] != 0 or offsets[-1] != text.nbytes or (offsets[1:] < offsets[:-1]).any():
            raise DataFormatError("the offsets of the saved ids do not fit their text")
        raw = text.tobytes()
        try:
            return cls([raw[a:b].decode() for a, b in pairwise(offsets.tolist())])
        except UnicodeDecodeError as exc:
            raise DataFormatError(f"the saved ids are not valid text: {exc}") from exc


def _as_text(ids: list[str]) -> pl.Series:
    try:
        return pl.Series("id", ids, dtype=pl.String)
    except (TypeError, UnicodeEncodeError) as exc:
        raise DataFormatError(f"ids must be valid text: {exc}", hint="convert numbers with str()") from exc
