"""New versions of columns: only what differs is copied."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from foretaste.serving.live.columns import (
    MAX_COLUMNS,
    Column,
    ItemColumns,
    Kind,
    ListFace,
    TextFace,
    Words,
    plain_value,
)

Array = TypeVar("Array", bound=npt.NDArray[Any])
Rows = npt.NDArray[np.int64]
_MANY = 1_000
"""From so many changed rows on, lists are taken as changed without a look."""


@dataclass
class _Values:
    """New values of one attribute, by kind: places among the changed rows, and values."""

    places: dict[Kind, list[int]] = field(default_factory=dict)
    values: dict[Kind, list[Any]] = field(default_factory=dict)

    def add(self, place: int, value: object) -> None:
        kind, plain = plain_value(value)
        if kind != "missing":
            self.places.setdefault(kind, []).append(place)
            self.values.setdefault(kind, []).append(plain)


def changed_columns(
    before: ItemColumns, rows: Sequence[int], values: Sequence[Mapping[str, Any]], n_rows: int
) -> ItemColumns:
    """Columns with all attributes of some rows (each once) replaced, and room for ``n_rows`` rows.

    A column in which nothing differs stays the same object, so what was computed from it still holds.
    """
    found: dict[str, _Values] = {name: _Values() for name in before}
    dropped = before.dropped
    for place, attributes in enumerate(values):
        for name, value in attributes.items():
            column = found.get(name)
            if column is None:
                if len(found) >= MAX_COLUMNS:
                    dropped += 1
                    continue
                column = found[name] = _Values()
            column.add(place, value)
    at = np.asarray(rows, dtype=np.int64)
    columns = {name: _changed(before.columns.get(name, Column()), at, new, n_rows) for name, new in found.items()}
    kept = {name: column for name, column in columns.items() if column is not None}
    return ItemColumns(n_rows, kept, dropped)


def _changed(column: Column, rows: Rows, new: _Values, n_rows: int) -> Column | None:
    """The column with new values at ``rows``; the same object when nothing differs, None when it has no face."""
    numbers = _face(column.numbers, rows, new, "number", n_rows, np.dtype(np.float64), np.nan)
    flags = _face(column.flags, rows, new, "flag", n_rows, np.dtype(np.int8), -1)
    others = _face(column.others, rows, new, "other", n_rows, np.dtype(np.bool_), False)
    text = _text(column.text, rows, new, n_rows)
    lists = _lists(column.lists, rows, new, n_rows)
    made = (numbers, flags, text, lists, others)
    if all(face is None for face in made):
        return None
    old = (column.numbers, column.flags, column.text, column.lists, column.others)
    return column if all(a is b for a, b in zip(made, old, strict=True)) else Column(*made)


def _face(old: Any, rows: Rows, new: _Values, kind: Kind, n_rows: int, dtype: np.dtype[Any], missing: Any) -> Any:
    places = new.places.get(kind)
    if old is None and not places:
        return None
    values = np.full(len(rows), missing, dtype=dtype)
    if places:
        values[places] = True if kind == "other" else new.values[kind]
    return _replaced(old, rows, values, n_rows, missing)


def _replaced(old: Any, rows: Rows, values: npt.NDArray[Any], n_rows: int, missing: Any) -> Any:
    """``old`` (I,) with ``values`` at ``rows`` and ``n_rows`` rows; itself when that changes nothing."""
    if old is not None and len(old) == n_rows:
        if np.array_equal(old[rows], values, equal_nan=values.dtype.kind == "f"):
            return old
        array = old.copy()
    else:
        array = np.full(n_rows, missing, dtype=values.dtype)
        if old is not None:
            array[: len(old)] = old
    array[rows] = values
    return array


def _text(old: TextFace | None, rows: Rows, new: _Values, n_rows: int) -> TextFace | None:
    places = new.places.get("text", [])
    if old is None and not places:
        return None
    words = old.words if old is not None else Words()
    values = np.full(len(rows), -1, dtype=np.int32)
    if places:
        values[places] = [words.add(word) for word in new.values["text"]]
    codes = _replaced(old.codes if old is not None else None, rows, values, n_rows, -1)
    if old is not None and codes is old.codes:
        return old
    return _compact(TextFace(codes, words))


def _compact(face: TextFace) -> TextFace:
    """The face with a vocabulary of its own when most of the old words are no longer used."""
    if len(face.words) <= 2 * len(face.codes) + _MANY:
        return face
    used = np.unique(face.codes[face.codes >= 0])
    words, translation = Words(), np.full(len(face.words) + 1, -1, dtype=np.int32)
    for code in used.tolist():
        translation[code] = words.add(face.words.words[code])
    return TextFace(translation[face.codes], words)


def _lists(old: ListFace | None, rows: Rows, new: _Values, n_rows: int) -> ListFace | None:
    places = new.places.get("list", [])
    if old is None and not places:
        return None
    words = old.words if old is not None else Words()
    elements: list[list[int]] = [[] for _ in rows]
    for place, values in zip(places, new.values.get("list", []), strict=True):
        elements[place] = [words.add(word) for word in values]
    if old is not None and len(old.starts) == n_rows and len(rows) < _MANY and _holds(old, rows, elements):
        return old
    lengths = np.array([len(codes) for codes in elements], dtype=np.int32)
    nothing = np.zeros(0, dtype=np.int32)
    owners, codes = (old.owners.copy(), old.codes) if old is not None else (nothing, nothing)
    if old is not None:
        _disown(old, rows, owners)
    firsts = len(codes) + np.concatenate([[0], np.cumsum(lengths)[:-1]])
    grown = ListFace(
        _replaced(old.starts if old is not None else None, rows, firsts.astype(np.int32), n_rows, 0),
        _replaced(old.lengths if old is not None else None, rows, lengths, n_rows, 0),
        np.concatenate([owners, np.repeat(rows, lengths).astype(np.int32)]),
        np.concatenate([codes, np.array([code for row in elements for code in row], dtype=np.int32)]),
        words,
    )
    return _tidied(grown)


def _holds(face: ListFace, rows: Rows, elements: list[list[int]]) -> bool:
    """Whether the rows have these elements already."""
    return all(face.row(row).tolist() == codes for row, codes in zip(rows.tolist(), elements, strict=True))


def _disown(face: ListFace, rows: Rows, owners: npt.NDArray[np.int32]) -> None:
    """Take the elements of ``rows`` from them, in ``owners``."""
    known = rows[rows < len(face.starts)]
    lengths = face.lengths[known]
    starts = np.repeat(face.starts[known], lengths)
    within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    owners[starts + within] = -1


def _tidied(face: ListFace) -> ListFace:
    """The face without unused elements when they are more than half."""
    used = face.owners >= 0
    if 2 * int(used.sum()) >= len(used) or len(used) < _MANY:
        return face
    return _in_order(face, face.owners[used], face.codes[used])


def _in_order(face: ListFace, owners: npt.NDArray[np.int32], codes: npt.NDArray[np.int32]) -> ListFace:
    """A face of these elements, those of each row together."""
    order = np.argsort(owners, kind="stable")
    owners, codes = owners[order], codes[order]
    lengths = np.bincount(owners, minlength=len(face.starts)).astype(np.int32)
    starts = (np.cumsum(lengths) - lengths).astype(np.int32)
    return ListFace(starts, lengths, owners, codes, face.words)


def taken_columns(columns: ItemColumns, rows: npt.NDArray[np.integer]) -> ItemColumns:
    """Columns whose row r is the row ``rows[r]`` of the given ones (each at most once); missing where that is -1."""
    return ItemColumns(len(rows), {name: _taken(column, rows) for name, column in columns.items()}, columns.dropped)


def _taken(column: Column, rows: npt.NDArray[np.integer]) -> Column:
    text, lists = column.text, column.lists
    return Column(
        _picked(column.numbers, rows, np.nan),
        _picked(column.flags, rows, -1),
        TextFace(_picked(text.codes, rows, -1), text.words) if text is not None else None,
        _taken_lists(lists, rows) if lists is not None else None,
        _picked(column.others, rows, False),
    )


def _picked(array: Any, rows: npt.NDArray[np.integer], missing: Any) -> Any:
    if array is None:
        return None
    if len(array) == 0:
        return np.full(len(rows), missing, dtype=array.dtype)
    return np.where(rows >= 0, array[rows], array.dtype.type(missing))


def _taken_lists(face: ListFace, rows: npt.NDArray[np.integer]) -> ListFace:
    moved = np.full(len(face.starts) + 1, -1, dtype=np.int32)
    moved[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
    owners = moved[face.owners]
    used = owners >= 0
    resized = ListFace(np.zeros(len(rows), np.int32), face.lengths, face.owners, face.codes, face.words)
    return _in_order(resized, owners[used], face.codes[used])
