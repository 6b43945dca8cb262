"""Evaluates expressions for all items at once; what depends only on the items is computed once a catalogue version."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from foretaste.data import Vocabulary
from foretaste.serving.live.columns import ItemColumns, ListFace, TextFace, Words, date_seconds, plain_value
from foretaste.serving.rules import nodes
from foretaste.serving.rules.kept import Kept
from foretaste.serving.rules.nodes import Node
from foretaste.serving.rules.values import (
    Mask,
    Truth,
    Value,
    compared,
    marked,
    member,
    mismatched,
    rows_with,
    value_of,
    value_of_column,
)

MINUTE_S = 60.0
DAY_S = 86_400.0
Key = tuple[str, bool, tuple[Any, ...]]


@dataclass(frozen=True)
class Situation:
    """Who asks, where and when."""

    user: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    now: float = 0.0

    @property
    def minute(self) -> float:
        """The time that expressions see: the start of the minute, so that results can be kept for a while."""
        return self.now - self.now % MINUTE_S

    def bound(self, bindings: frozenset[tuple[str, str]]) -> tuple[Any, ...]:
        """The values that these names have here, equal for equal situations."""
        return tuple(self._bound(scope, name) for scope, name in sorted(bindings))

    def _bound(self, scope: str, name: str) -> Any:
        if scope == "now":
            return self.minute
        return plain_value((self.user if scope == "user" else self.context).get(name))


class Evaluator:
    """Evaluates nodes over one version of the item columns. Safe to use from several threads.

    Args:
        columns: item attributes.
        items: ids by row.
        before: the evaluator of the version before; what it computed from columns that are the same is taken over.
    """

    def __init__(self, columns: ItemColumns, items: Vocabulary, before: "Evaluator | None" = None) -> None:
        self.columns, self._items = columns, items
        self._fixed: dict[str, Value] = {}
        self._kept = Kept[Key]()
        self._reads: dict[str, frozenset[str]] = {}
        self._lock = Lock()
        self._id_face: TextFace | None = None
        self.mismatches: dict[str, int] = {}
        """Comparison → items at which the kinds of the values did not fit when it was last computed."""
        if before is not None:
            self._take_over(before)

    def _take_over(self, before: "Evaluator") -> None:
        if before._items is not self._items or before.columns.n_rows != self.columns.n_rows:
            return
        names = {*before.columns, *self.columns}
        changed = {name for name in names if before.columns.get(name) is not self.columns.get(name)}
        with before._lock:
            reads = {key: fields for key, fields in before._reads.items() if not fields & changed}
            self._fixed = {key: value for key, value in before._fixed.items() if key in reads}
            self.mismatches = dict(before.mismatches)
            self._id_face = before._id_face
        self._kept = Kept(entries=[(key, value) for key, value in before._kept.entries() if key[0] in reads])
        self._reads = reads

    def truth(self, node: Node, situation: Situation) -> Truth:
        """Where a condition holds: one answer for all items, or one for each (I,). Not to be written to."""
        found: Truth = self._result(node, situation, number=False)
        return found

    def number(self, node: Node, situation: Situation) -> float | npt.NDArray[np.float64]:
        """A number for all items, or one for each (I,); NaN where it is missing. Not to be written to."""
        found: float | npt.NDArray[np.float64] = self._result(node, situation, number=True)
        return found

    def _result(self, node: Node, situation: Situation, *, number: bool) -> Any:
        if not node.bindings:
            value = self._value(node, situation)
            return _number(value) if number else value.truth()
        with self._lock:
            self._reads[node.key] = node.attributes

        def compute() -> Any:
            value = self._value(node, situation)
            return _number(value) if number else value.truth()

        return self._kept.get((node.key, number, situation.bound(node.bindings)), compute)

    # --- nodes ---------------------------------------------------------------------------------------------------

    def _value(self, node: Node, situation: Situation) -> Value:
        if node.bindings or isinstance(node, nodes.Constant | nodes.ListOf | nodes.Name):
            return self._computed(node, situation)
        value = self._fixed.get(node.key)
        if value is None:
            value = self._computed(node, situation)
            with self._lock:
                self._reads[node.key] = node.attributes
                self._fixed[node.key] = value
        return value

    def _computed(self, node: Node, situation: Situation) -> Value:
        if isinstance(node, nodes.Constant):
            return _constant(node.value)
        if isinstance(node, nodes.ListOf):
            return Value(list=node.values)
        if isinstance(node, nodes.Name):
            return self._name(node, situation)
        if isinstance(node, nodes.Now):
            return Value(number=situation.minute)
        if isinstance(node, nodes.Logic):
            return self._logic(node, situation)
        parts = [self._value(part, situation) for part in node.parts]
        if isinstance(node, nodes.Compare):
            return self._compare(node, parts[0], parts[1])
        if isinstance(node, nodes.Not):
            return Value(flag=_opposite(parts[0].truth()))
        if isinstance(node, nodes.Arithmetic):
            return Value(number=_arithmetic(node.operator, _number(parts[0]), _number(parts[1])))
        if isinstance(node, nodes.Negative):
            return Value(number=-_number(parts[0]))
        if isinstance(node, nodes.IfElse):
            return _chosen(parts[0].truth(), parts[1], parts[2])
        assert isinstance(node, nodes.Call)
        return _called(node.function, parts, situation)

    def _name(self, node: nodes.Name, situation: Situation) -> Value:
        if node.scope == "user":
            return value_of(situation.user.get(node.field))
        if node.scope == "context":
            return value_of(situation.context.get(node.field))
        if node.field == "id":
            return Value(text=self._ids())
        column = self.columns.get(node.field)
        return value_of_column(column) if column is not None else Value()

    def _ids(self) -> TextFace:
        if self._id_face is None:
            words = Words()
            for item_id in self._items.ids.to_list():
                words.add(item_id)
            self._id_face = TextFace(np.arange(len(words), dtype=np.int32), words)
        return self._id_face

    def _logic(self, node: nodes.Logic, situation: Situation) -> Value:
        is_and = node.operator == "and"
        found: Truth = is_and
        for part in node.conditions:
            truth = self._value(part, situation).truth()
            if isinstance(truth, bool):
                if truth != is_and:
                    return Value(flag=truth)
            else:
                found = found & truth if is_and else found | truth
        return Value(flag=found)

    def _compare(self, node: nodes.Compare, left: Value, right: Value) -> Value:
        if left.faces != right.faces or len(left.faces) != 1:
            where = mismatched(node.operator, left, right)
            count = int(where.sum()) if isinstance(where, np.ndarray) else self.columns.n_rows * int(where)
            if count or node.key in self.mismatches:
                self.mismatches[node.key] = count
        return Value(flag=compared(node.operator, left, right))


def _constant(value: str | float | bool) -> Value:
    if isinstance(value, bool):
        return Value(flag=value)
    return Value(text=value) if isinstance(value, str) else Value(number=float(value))


def _number(value: Value) -> Any:
    return value.number if value.number is not None else np.nan


def _opposite(truth: Truth) -> Truth:
    return not truth if isinstance(truth, bool) else ~truth


_UFUNCS: dict[str, Any] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.mod,
    "min": np.minimum,
    "max": np.maximum,
    "abs": np.abs,
    "log1p": np.log1p,
}


def _arithmetic(name: str, *numbers: Any) -> Any:
    """The result where it is a finite number, else NaN: nothing is divided by zero and nothing overflows."""
    with np.errstate(all="ignore"):
        result = _UFUNCS[name](*numbers)
        finite = np.where(np.isfinite(result), result, np.nan)
    return float(finite) if finite.ndim == 0 else finite


def _chosen(condition: Truth, yes: Value, no: Value) -> Value:
    if isinstance(condition, bool):
        picked = yes if condition else no
        return Value(number=picked.number, flag=picked.flag)
    number = flag = None
    if yes.number is not None or no.number is not None:
        number = np.where(condition, _number(yes), _number(no)).astype(np.float64)
    if yes.flag is not None or no.flag is not None:
        flag = np.where(condition, _flag(yes), _flag(no)).astype(np.int8)
    return Value(number=number, flag=flag)


def _flag(value: Value) -> Any:
    return -1 if value.flag is None else value.flag


def _called(function: str, parts: list[Value], situation: Situation) -> Value:
    first = parts[0]
    if function == "has":
        return Value(flag=first.present())
    if function == "days":
        return Value(number=_arithmetic("*", _number(first), DAY_S))
    if function == "age_days":
        return Value(number=_arithmetic("/", _arithmetic("-", situation.minute, _number(first)), DAY_S))
    if function == "date":
        return Value(number=date_seconds(str(first.text)))
    if function in {"abs", "log1p"}:
        return Value(number=_arithmetic(function, _number(first)))
    if function in {"min", "max"}:
        found = _number(first)
        for part in parts[1:]:
            found = _arithmetic(function, found, _number(part))
        return Value(number=found)
    if function == "lower":
        return Value(text=_lower(first.text))
    if function == "overlaps":
        return Value(flag=_overlaps(first, parts[1]))
    return Value(flag=_matched(function, first, parts[1]))


def _lower(text: str | TextFace | None) -> str | TextFace | None:
    if not isinstance(text, TextFace):
        return text.lower() if text is not None else None
    words = Words()
    table = np.array([*(words.add(str(word).lower()) for word in list(text.words.words)), -1], dtype=np.int32)
    return TextFace(table[text.codes], words)


def _overlaps(first: Value, second: Value) -> Truth:
    if second.list is None or isinstance(second.list, ListFace) or first.list is None:
        return False
    if isinstance(first.list, ListFace):
        return rows_with(first.list, second.list)
    return bool(set(first.list) & set(second.list))


def _matched(function: str, first: Value, second: Value) -> Truth:
    """``contains`` and ``startswith``: the part is one text (or number, for lists) for all items."""
    found: Truth = False
    if function == "contains" and first.list is not None:
        found = member(second, Value(list=first.list))
    part = second.text
    if not isinstance(part, str) or first.text is None:
        return found

    def holds(word: str | float) -> bool:
        return str(word).startswith(part) if function == "startswith" else part in str(word)

    if isinstance(first.text, str):
        return found | holds(first.text)
    marks: Mask = marked(first.text.words, holds)
    return found | marks[first.text.codes]
