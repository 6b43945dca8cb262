"""Outside ids as text, and the growing table that gives each one a number in order of first appearance."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from foretaste.errors import DataFormatError
from foretaste.events.event import INVISIBLE, MAX_ID_LENGTH

_UNPRINTABLE = f"[{INVISIBLE}]"
PROBLEMS = ("missing", "too_long", "unprintable")


@dataclass(frozen=True)
class Encoded:
    """A column of ids as ``codes`` into its distinct texts; ``problems[i]`` is 0 or one more than an index into
    ``PROBLEMS``.
    """

    codes: npt.NDArray[np.int64]  # (N,)
    distinct: pl.Series  # (n,) text
    problems: npt.NDArray[np.int8]  # (n,)


def id_text(column: pl.Series) -> pl.Series:
    """Ids as text: whole numbers without a fraction, so that 12.0 (a number beside missing ones) is "12".

    Raises:
        DataFormatError: the column holds lists, bytes, dates or the like.
    """
    dtype = column.dtype
    if dtype.is_float():
        known = column.fill_nan(None)
        is_whole = known == known.floor()
        fits = is_whole & (known.abs() < 2**53)
        return (
            known.cast(pl.Int64, strict=False)
            .cast(pl.String)
            .zip_with(fits.fill_null(value=False), known.cast(pl.String))
        )
    if dtype in {pl.String, pl.Categorical, pl.Enum, pl.Null, pl.Boolean} or dtype.is_integer():
        return column.cast(pl.String)
    raise DataFormatError(
        f"column {column.name!r} holds {dtype}, which cannot be ids", hint="ids are text or whole numbers"
    )


def encode(column: pl.Series) -> Encoded:
    """Distinct ids of a column in order of first appearance, checked once each."""
    frame = column.alias("id").to_frame()
    table = frame.unique(maintain_order=True).with_row_index("code")
    joined = frame.join(table, on="id", how="left", nulls_equal=True, maintain_order="left")
    distinct = id_text(table["id"])
    missing = (distinct.is_null() | (distinct.str.strip_chars() == "")).fill_null(value=True)
    too_long = (distinct.str.len_chars() > MAX_ID_LENGTH).fill_null(value=False)
    unprintable = distinct.str.contains(_UNPRINTABLE).fill_null(value=False)
    problems = np.select([missing.to_numpy(), too_long.to_numpy(), unprintable.to_numpy()], [1, 2, 3], 0).astype(
        np.int8
    )
    return Encoded(joined["code"].to_numpy().astype(np.int64), distinct, problems)


class IdTable:
    """Ids in order of first appearance; ``declared`` ones stay even without interactions."""

    def __init__(self, known: pl.Series | None = None) -> None:
        ids = pl.Series("id", [], dtype=pl.String) if known is None else known.alias("id")
        self._table = _numbered(ids, 0)
        self.n_known = len(ids)
        self._declared: list[npt.NDArray[np.int64]] = []

    def __len__(self) -> int:
        return len(self._table)

    @property
    def ids(self) -> pl.Series:
        """All ids, in order of first appearance."""
        return self._table["id"]

    def add(self, encoded: Encoded) -> npt.NDArray[np.int64]:
        """The number of each row's id, -1 where it has a problem. O(ids here + ids known)."""
        fine = encoded.problems == 0
        asked = pl.DataFrame({"id": encoded.distinct}).filter(pl.Series(fine))
        found = asked.join(self._table, on="id", how="left", maintain_order="left")
        new = found.filter(pl.col("code").is_null())["id"]
        if len(new):
            self._table = pl.concat([self._table, _numbered(new, len(self._table))])
            fresh = np.arange(len(self._table) - len(new), len(self._table))
        else:
            fresh = np.zeros(0, dtype=np.int64)
        codes = found["code"].fill_null(-1).to_numpy().copy()
        codes[codes < 0] = fresh
        numbers = np.full(len(encoded.distinct), -1, dtype=np.int64)
        numbers[fine] = codes
        return numbers[encoded.codes]

    def declare(self, numbers: npt.NDArray[np.int64]) -> None:
        """Keep these ids even when they have no interactions."""
        self._declared.append(numbers[numbers >= 0])

    @property
    def has_declared(self) -> bool:
        """Whether a frame gave ids."""
        return bool(self._declared)

    def declared(self) -> npt.NDArray[np.bool_]:
        """Mask of the ids that stay in any case."""
        mask = np.zeros(len(self), dtype=bool)
        for numbers in self._declared:
            mask[numbers] = True
        return mask


def _numbered(ids: pl.Series, first: int) -> pl.DataFrame:
    return pl.DataFrame({"id": ids, "code": np.arange(first, first + len(ids), dtype=np.int64)})
