"""Item attributes as arrays by catalogue row, for rules, caps and rerankers: made from records, changed by copying.

An attribute may hold numbers for some items and texts for others, so a column has one array for each type (a *face*);
at most one face has a value at a row. Memory for each item: 8 bytes a numeric attribute, 4 a text, 1 a flag, and
8 bytes + 8 an element a list; every different text is kept once. Texts over 256 characters and objects are noted as
present and not kept.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]
Flags = npt.NDArray[np.int8]
Kind = Literal["missing", "number", "flag", "text", "list", "other"]
Word = str | float
"""An element of a list; a text column has texts only."""

MAX_TEXT = 256
"""Longest text that is kept."""
MAX_ELEMENTS = 256
"""Elements of one list that are kept."""
MAX_COLUMNS = 256
"""Attributes that become columns, in the order of their arrival; others are counted in ``ItemColumns.dropped``."""

_ELEMENTS = frozenset({"text", "number"})


def plain_value(value: object) -> tuple[Kind, Any]:
    """A JSON value as rules see it: its kind, and a float, 0 or 1, a text, or a tuple of texts and numbers.

    An ISO 8601 date is a number, the seconds since 1970 UTC. null, "", [] and numbers that are not finite are missing.
    """
    if isinstance(value, str):
        if not value:
            return "missing", None
        if len(value) >= 10 and value[4] == "-" and (seconds := date_seconds(value)) is not None:
            return "number", seconds
        return ("text", value) if len(value) <= MAX_TEXT else ("other", None)
    if isinstance(value, bool):
        return "flag", int(value)
    if isinstance(value, int | float):
        return _plain_number(value)
    if isinstance(value, list | tuple | set | frozenset):
        found = [plain_value(element) for element in list(value)[:MAX_ELEMENTS]]
        elements = tuple(dict.fromkeys([plain for kind, plain in found if kind in _ELEMENTS]))
        return ("list", elements) if elements else ("other" if value else "missing", None)
    return ("missing" if value is None else "other"), None


def _plain_number(value: float) -> tuple[Kind, Any]:
    try:
        number = float(value)
    except OverflowError:
        return "other", None
    return ("number", number) if math.isfinite(number) else ("missing", None)


def date_seconds(text: str) -> float | None:
    """Seconds since 1970 UTC of an ISO 8601 date or time (UTC where it names no zone); None when it is none."""
    if len(text) < 10 or text[4] != "-" or text[7] != "-":
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


class Words:
    """Texts and their codes. Only ever added to, so that all versions of a column share one."""

    def __init__(self) -> None:
        self.words: list[Word] = []
        self._codes: dict[Word, int] = {}

    def __len__(self) -> int:
        return len(self.words)

    def code(self, word: Word) -> int:
        """The code of a word; -1 when no item ever had it."""
        return self._codes.get(word, -1)

    def add(self, word: Word) -> int:
        """The code of a word, a new one if need be."""
        code = self._codes.get(word)
        if code is None:
            code = len(self.words)
            self.words.append(word)
            self._codes[word] = code
        return code


@dataclass(frozen=True, eq=False)
class TextFace:
    """Texts by row."""

    codes: Codes
    """(I,), -1 where there is no text."""
    words: Words


@dataclass(frozen=True, eq=False)
class ListFace:
    """Lists by row. Elements of one row stand together; those of replaced lists stay, without an owner."""

    starts: Codes
    """(I,) first element of each row."""
    lengths: Codes
    """(I,) elements of each row, 0 where there is no list."""
    owners: Codes
    """(M,) row of each element, -1 for elements that are no longer used."""
    codes: Codes
    """(M,) code of each element."""
    words: Words

    def row(self, row: int) -> Codes:
        """Codes of one row."""
        start = int(self.starts[row])
        return self.codes[start : start + int(self.lengths[row])]

    def having(self, wanted: Mask) -> Mask:
        """Rows (I,) that have at least one of the codes for which ``wanted`` (one place a word) is true."""
        mask = np.zeros(len(self.starts) + 1, dtype=bool)  # the last place takes what has no owner
        mask[self.owners[wanted[self.codes]]] = True
        return mask[:-1]

    def padded(self, rows: npt.NDArray[np.integer]) -> Codes:
        """Codes of some rows (n, most), padded with -1."""
        lengths = self.lengths[rows]
        width = int(lengths.max(initial=0))
        places = np.arange(width)[None, :]
        inside = places < lengths[:, None]
        at = np.where(inside, self.starts[rows][:, None] + places, 0)
        return np.where(inside, self.codes[at] if len(self.codes) else -1, -1).astype(np.int32)


@dataclass(frozen=True, eq=False)
class Column:
    """One attribute of all items. A face that no item ever needed is None."""

    numbers: Numbers | None = None
    """(I,), NaN where there is no number. Dates are seconds since 1970 UTC."""
    flags: Flags | None = None
    """(I,) 0 or 1, -1 where there is no true or false."""
    text: TextFace | None = None
    lists: ListFace | None = None
    others: Mask | None = None
    """(I,) rows with something that is not kept: an object or a very long text."""

    @cached_property
    def present(self) -> Mask:
        """Rows (I,) that have a value."""
        parts: list[Mask] = []
        if self.numbers is not None:
            parts.append(~np.isnan(self.numbers))
        if self.flags is not None:
            parts.append(self.flags >= 0)
        if self.text is not None:
            parts.append(self.text.codes >= 0)
        if self.lists is not None:
            parts.append(self.lists.lengths > 0)
        if self.others is not None:
            parts.append(self.others)
        return np.asarray(np.logical_or.reduce(parts), dtype=bool)

    @cached_property
    def codes(self) -> Codes:
        """A number (I,) that is the same for equal values and -1 where there is none; of a list its first element."""
        n = len(self.present)
        codes = np.full(n, -1, dtype=np.int64)
        used = 0
        if self.text is not None:
            codes = np.where(self.text.codes >= 0, self.text.codes, codes)
            used += len(self.text.words)
        if self.lists is not None and len(self.lists.codes):
            has = self.lists.lengths > 0
            codes = np.where(has, used + self.lists.codes[np.where(has, self.lists.starts, 0)], codes)
            used += len(self.lists.words)
        for face in (self.numbers, self.flags):
            if face is not None:
                has = ~np.isnan(face) & ((face >= 0) | (face is self.numbers))
                values, inverse = np.unique(face[has], return_inverse=True)
                codes[has] = used + inverse
                used += len(values)
        return codes.astype(np.int32)


@dataclass(frozen=True, eq=False)
class ItemColumns(Mapping[str, Column]):
    """All attributes of all items, immutable: a change gives new columns and leaves untouched ones shared."""

    n_rows: int = 0
    columns: Mapping[str, Column] = field(default_factory=dict)
    dropped: int = 0
    """Attributes that found no room."""

    def __getitem__(self, name: str) -> Column:
        return self.columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def codes(self, name: str) -> Codes:
        """Equal values of an attribute as equal numbers (I,); -1 where an item has none."""
        column = self.columns.get(name)
        return column.codes if column is not None else np.full(self.n_rows, -1, dtype=np.int32)

    def numbers(self, name: str) -> Numbers:
        """The numbers of an attribute (I,); NaN where an item has none."""
        column = self.columns.get(name)
        if column is None or column.numbers is None:
            return np.full(self.n_rows, np.nan)
        return column.numbers

    def n_bytes(self) -> int:
        """Bytes of all arrays, without the different texts."""
        total = 0
        for column in self.columns.values():
            arrays: list[npt.NDArray[Any] | None] = [column.numbers, column.flags, column.others]
            arrays += [column.text.codes] if column.text else []
            lists = column.lists
            arrays += [lists.starts, lists.lengths, lists.owners, lists.codes] if lists else []
            total += sum(array.nbytes for array in arrays if array is not None)
        return total
