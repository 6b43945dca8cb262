"""Values of expressions, of one kind or several, for one situation or for all items at once; and how they compare."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from foretaste.serving.live.columns import Column, ListFace, TextFace, Words, plain_value
from foretaste.serving.rules.functions import Face

Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]
Truth = bool | Mask
"""A condition that holds or not, for all items alike or for each (I,)."""


@dataclass(frozen=True, eq=False)
class Value:
    """A value, or one for each item. Kinds that it cannot have are None; at one item at most one has a value."""

    number: float | Numbers | None = None
    """NaN where missing."""
    flag: bool | npt.NDArray[Any] | None = None
    """Arrays are bool, or int8 with -1 where missing."""
    text: str | TextFace | None = None
    list: tuple[str | float, ...] | ListFace | None = None
    other: Truth = False
    """Something that cannot be compared."""

    @property
    def faces(self) -> frozenset[Face]:
        """Kinds that it may have."""
        faces: dict[Face, object] = {"number": self.number, "flag": self.flag, "text": self.text, "list": self.list}
        return frozenset(face for face, part in faces.items() if part is not None)

    def present(self) -> Truth:
        """Where there is a value."""
        found: Truth = self.other
        if self.number is not None:
            found = found | ~np.isnan(self.number)
        if self.flag is not None:
            found = found | (known(self.flag))
        if self.text is not None:
            found = found | (self.text.codes >= 0 if isinstance(self.text, TextFace) else True)
        if self.list is not None:
            found = found | (self.list.lengths > 0 if isinstance(self.list, ListFace) else True)
        return found if isinstance(found, np.ndarray) else bool(found)

    def truth(self) -> Truth:
        """Where it is true; missing and anything but true and false is not."""
        if self.flag is None:
            return False
        if isinstance(self.flag, np.ndarray):
            return self.flag if self.flag.dtype == np.bool_ else self.flag == 1
        return bool(self.flag)


def value_of_column(column: Column) -> Value:
    """An attribute of all items."""
    return Value(
        column.numbers, column.flags, column.text, column.lists, column.others if column.others is not None else False
    )


def value_of(given: object) -> Value:
    """An attribute of a user or of the context."""
    kind, plain = plain_value(given)
    if kind == "number":
        return Value(number=plain)
    if kind == "flag":
        return Value(flag=bool(plain))
    if kind == "text":
        return Value(text=plain)
    if kind == "list":
        return Value(list=plain)
    return Value(other=kind == "other")


def known(flag: bool | npt.NDArray[Any]) -> Truth:
    """Where a flag has a value."""
    if isinstance(flag, np.ndarray):
        return np.ones(len(flag), dtype=bool) if flag.dtype == np.bool_ else flag >= 0
    return True


_ORDERS: dict[str, Callable[[Any, Any], Any]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


def compared(operator: str, left: Value, right: Value) -> Truth:
    """``left operator right``; false where a value is missing or the kinds do not fit."""
    if operator in {"in", "not in"}:
        inside = member(left, right)
        if operator == "in":
            return inside
        candidates = _element(left).present() & _only_list(right).present()
        return candidates & np.logical_not(inside)
    found: Truth = False
    if left.number is not None and right.number is not None:
        found = found | _numbers_compared(operator, left.number, right.number)
    if operator in {"==", "!="}:
        if left.flag is not None and right.flag is not None:
            both = known(left.flag) & known(right.flag)
            equal: Truth = _ORDERS[operator](left.flag, right.flag)
            found = found | (both & equal)
        if left.text is not None and right.text is not None:
            found = found | _texts_compared(operator, left.text, right.text)
    return found


def _numbers_compared(operator: str, left: float | Numbers, right: float | Numbers) -> Truth:
    with np.errstate(invalid="ignore"):
        found: Truth = _ORDERS[operator](left, right)
    if operator == "!=":  # NaN differs from everything
        found = found & ~np.isnan(left) & ~np.isnan(right)
    return found


def _texts_compared(operator: str, left: str | TextFace, right: str | TextFace) -> Truth:
    if isinstance(left, str) and isinstance(right, str):
        return (left == right) == (operator == "==")
    if isinstance(left, str):
        left, right = right, left
    assert isinstance(left, TextFace)
    if isinstance(right, str):
        code = left.words.code(right)
        if operator == "==":
            return np.asarray((left.codes == code) & (code >= 0))
        return np.asarray((left.codes >= 0) & (left.codes != code))
    translated = codes_in(right, left.words)
    both: Mask = (left.codes >= 0) & (right.codes >= 0)
    ordered: Mask = np.asarray(_ORDERS[operator](left.codes, translated))
    return both & ordered


def codes_in(face: TextFace, words: Words) -> npt.NDArray[np.int32]:
    """The texts of ``face`` as codes of ``words`` (I,): -1 for those that it does not have, and where there is none."""
    if face.words is words:
        return face.codes
    table = np.array([*(words.code(word) for word in list(face.words.words)), -1], dtype=np.int32)
    return table[face.codes]


def marked(words: Words, holds: Callable[[str | float], bool]) -> Mask:
    """For which words something holds (W + 1,); the last place, for code -1, is false."""
    return np.array([*(holds(word) for word in list(words.words)), False], dtype=bool)


def member(left: Value, right: Value) -> Truth:
    """Where ``left``, a text or a number, is one of the list ``right``."""
    if right.list is None:
        return False
    if isinstance(right.list, ListFace):
        return _member_of_rows(left, right.list)
    found: Truth = False
    if isinstance(left.text, TextFace):
        wanted = np.zeros(len(left.text.words) + 1, dtype=bool)
        codes = [left.text.words.code(word) for word in right.list]
        wanted[[code for code in codes if 0 <= code < len(wanted) - 1]] = True
        found = found | wanted[left.text.codes]
    elif left.text is not None:
        found = found | (left.text in right.list)
    numbers = [word for word in right.list if not isinstance(word, str)]
    if isinstance(left.number, np.ndarray):
        found = found | np.isin(left.number, numbers)
    elif left.number is not None:
        found = found | (left.number in numbers)
    return found


def _member_of_rows(left: Value, lists: ListFace) -> Truth:
    """Where ``left`` is in the list of the same row."""
    found: Truth = False
    for part in (left.text, left.number):
        if part is None:
            continue
        if isinstance(part, TextFace):
            found = found | _same_row(codes_in(part, lists.words), lists)
        elif isinstance(part, np.ndarray):
            values, inverse = np.unique(part, return_inverse=True)
            codes = np.array([lists.words.code(float(value)) for value in values], dtype=np.int32)
            found = found | _same_row(codes[inverse], lists)
        else:
            found = found | rows_with(lists, (part,))
    return found


def _same_row(codes: npt.NDArray[np.int32], lists: ListFace) -> Mask:
    owned = lists.owners >= 0
    owners, elements = lists.owners[owned], lists.codes[owned]
    mask = np.zeros(len(lists.starts), dtype=bool)
    mask[owners[codes[owners] == elements]] = True
    return mask


def rows_with(lists: ListFace, words: tuple[str | float, ...]) -> Mask:
    """Rows whose list has at least one of the words."""
    wanted = np.zeros(len(lists.words), dtype=bool)
    codes = [lists.words.code(word) for word in words]
    wanted[[code for code in codes if 0 <= code < len(wanted)]] = True
    return lists.having(wanted)


def mismatched(operator: str, left: Value, right: Value) -> Truth:
    """Where both have values whose kinds cannot be compared by ``operator``."""
    if operator in {"in", "not in"}:
        fits = _element(left).present() & _only_list(right).present()
    else:
        fits = False
        faces: tuple[Face, ...] = ("number", "flag", "text") if operator in {"==", "!="} else ("number",)
        for face in faces:
            fits = fits | (
                Value(**{face: getattr(left, face)}).present() & Value(**{face: getattr(right, face)}).present()
            )
    return left.present() & right.present() & np.logical_not(fits)


def _element(value: Value) -> Value:
    return Value(number=value.number, text=value.text)


def _only_list(value: Value) -> Value:
    return Value(list=value.list)
