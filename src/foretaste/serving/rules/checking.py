"""Which kinds of values the parts of an expression can have, and where they cannot go together."""

from collections.abc import Mapping

from foretaste.errors import RuleError
from foretaste.serving.live.columns import Column
from foretaste.serving.rules import nodes
from foretaste.serving.rules.functions import ANY, FUNCTIONS, Face
from foretaste.serving.rules.nodes import Node

Faces = frozenset[Face]
_NUMBER: Faces = frozenset({"number"})
_FLAG: Faces = frozenset({"flag"})
_ELEMENT: Faces = frozenset({"number", "text"})
_EQUAL: Faces = frozenset({"number", "flag", "text"})
_WORDS: dict[Face, str] = {"number": "a number", "flag": "true or false", "text": "a text", "list": "a list"}


def check(node: Node, wanted: Face, columns: Mapping[str, Column] | None = None) -> list[RuleError]:
    """What cannot work: parts whose kinds do not fit, as far as constants, functions and the columns tell.

    Args:
        node: the expression.
        wanted: ``flag`` for a condition, ``number`` for a factor.
        columns: the catalogue; without it an attribute may be anything.
    """
    problems: list[RuleError] = []
    found = _Kinds(columns, problems).of(node)
    if wanted not in found:
        hint = "compare it with something, e.g. item.stock > 0" if wanted == "flag" else "use x if c else y"
        problems.append(node.place.error(f"{_said(found)} stands where {_WORDS[wanted]} is needed", hint))
    return problems


class _Kinds:
    def __init__(self, columns: Mapping[str, Column] | None, problems: list[RuleError]) -> None:
        self._columns, self._problems = columns, problems

    def of(self, node: Node) -> Faces:
        if isinstance(node, nodes.Constant):
            return frozenset({_kind_of_constant(node.value)})
        if isinstance(node, nodes.ListOf):
            return frozenset({"list"})
        if isinstance(node, nodes.Name):
            return self._of_name(node)
        if isinstance(node, nodes.Now):
            return _NUMBER
        if isinstance(node, nodes.Compare):
            return self._of_comparison(node)
        if isinstance(node, nodes.Logic | nodes.Not):
            for part in node.parts:
                self._want(part, _FLAG, "compare it with something, e.g. item.stock > 0")
            return _FLAG
        if isinstance(node, nodes.Arithmetic | nodes.Negative):
            for part in node.parts:
                self._want(part, _NUMBER)
            return _NUMBER
        if isinstance(node, nodes.IfElse):
            return self._of_branches(node)
        assert isinstance(node, nodes.Call)
        function = FUNCTIONS[node.function]
        for place, argument in enumerate(() if function.wants_name else node.arguments):
            self._want(argument, function.kinds(place))
        return frozenset({function.gives})

    def _want(self, node: Node, wanted: Faces, hint: str = "") -> None:
        found = self.of(node)
        if not found & wanted:
            self._problems.append(node.place.error(f"{_said(found)} stands where {_said(wanted)} is needed", hint))

    def _of_name(self, node: nodes.Name) -> Faces:
        if node.scope != "item":
            return ANY
        if node.field == "id":
            return frozenset({"text"})
        column = (self._columns or {}).get(node.field)
        if column is None:
            return ANY
        faces: dict[Face, object] = {
            "number": column.numbers,
            "flag": column.flags,
            "text": column.text,
            "list": column.lists,
        }
        return frozenset(face for face, array in faces.items() if array is not None)

    def _of_branches(self, node: nodes.IfElse) -> Faces:
        self._want(node.condition, _FLAG)
        yes, no = self.of(node.yes), self.of(node.no)
        both = yes & no & (_NUMBER | _FLAG)
        if not both:
            message = f"{_said(yes)} and {_said(no)} are the branches, both must be numbers or both conditions"
            self._problems.append(node.place.error(message))
        return both or _NUMBER | _FLAG

    def _of_comparison(self, node: nodes.Compare) -> Faces:
        left, right = self.of(node.left), self.of(node.right)
        if node.operator in {"in", "not in"}:
            fits = bool(left & _ELEMENT) and "list" in right
            if fits and isinstance(node.right, nodes.ListOf):
                fits = bool(left & {_kind_of_constant(value) for value in node.right.values}) or not node.right.values
            hint = "in looks into lists; for a part of a text write contains(text, part)"
        elif node.operator in {"==", "!="}:
            fits, hint = bool(left & right & _EQUAL), 'numbers are written without quotes, dates date("2026-12-24")'
        else:
            fits = "number" in left and "number" in right
            hint = 'only numbers and dates have an order; a date is written date("2026-12-24")'
        if not fits:
            message = f"{_said(left)} and {_said(right)} cannot be compared by {node.operator}"
            self._problems.append(node.place.error(message, hint))
        return _FLAG


def _kind_of_constant(value: str | float | bool) -> Face:
    if isinstance(value, bool):
        return "flag"
    return "text" if isinstance(value, str) else "number"


def _said(faces: Faces) -> str:
    return " or ".join(_WORDS[face] for face in _WORDS if face in faces) or "something unknown"
