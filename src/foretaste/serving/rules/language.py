"""The expression language of rules: a safe part of Python's syntax, read by its parser and never run by Python.

Only what :class:`_Reader` knows gets through; everything else is an error that names the place. The parsed tree is
evaluated by :mod:`foretaste.serving.rules.evaluate` with array operations of our own.
"""

import ast
import warnings
from typing import ClassVar

from foretaste.errors import RuleError
from foretaste.serving.rules import nodes
from foretaste.serving.rules.functions import FUNCTIONS
from foretaste.serving.rules.nodes import Node, Place
from foretaste.serving.rules.text import on_one_line

MAX_DEPTH = 40
"""Expressions within expressions."""
MAX_NODES = 1_000
"""Parts of one expression."""
MAX_NUMBER = 1e15
"""Largest constant."""
MAX_CONSTANT = 256
"""Characters of one text."""
SCOPES = ("item", "user", "context")
_COMPARISONS: dict[type[ast.cmpop], nodes.Comparison] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
}
_OPERATORS: dict[type[ast.operator], nodes.Operator] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Mod: "%",
}


def parse(text: str) -> Node:
    """The tree of an expression.

    Raises:
        RuleError: it is no expression of the language; names line, column and the part.
    """
    if not isinstance(text, str):
        raise RuleError(f"an expression is a text, not {type(text).__name__}")
    flat = on_one_line(text)
    start = len(flat) - len(flat.lstrip())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python would warn of is refused below
            tree = ast.parse(flat[start:], mode="eval").body
    except SyntaxError as exc:
        at = min(len(text) - 1, start + max(0, (exc.offset or 1) - 1))
        raise Place(text, at, min(len(text), at + 20)).error(
            f"this is no expression ({exc.msg})", "see docs/serving/rules.md for the language"
        ) from exc
    except (ValueError, MemoryError, RecursionError) as exc:
        raise RuleError(f"the expression cannot be read: {type(exc).__name__}", hint="make it simpler") from exc
    return _Reader(text, flat[start:], start).read(tree)


class _Reader:
    """Turns Python's tree into ours, and refuses what is not in the language."""

    def __init__(self, text: str, parsed: str, start: int) -> None:
        self._text, self._start = text, start
        self._bytes = parsed.encode(errors="surrogatepass")

    def read(self, tree: ast.expr) -> Node:
        """The whole tree, after its size was checked without recursion."""
        level: list[ast.AST] = [tree]
        count = depth = 0
        while level:
            count, depth = count + len(level), depth + 1
            if depth > MAX_DEPTH or count > MAX_NODES:
                raise RuleError(
                    f"the expression is too large (more than {MAX_DEPTH} levels or {MAX_NODES} parts)",
                    hint="use several rules",
                )
            level = [child for node in level for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        return self._node(tree)

    def _place(self, tree: ast.expr) -> Place:
        def offset(column: int) -> int:
            return self._start + len(self._bytes[:column].decode(errors="ignore"))

        return Place(self._text, offset(tree.col_offset), offset(tree.end_col_offset or tree.col_offset))

    def _node(self, tree: ast.expr) -> Node:
        place = self._place(tree)
        method = self._METHODS.get(type(tree))
        if method is None:
            what = _WHAT.get(type(tree), f"{type(tree).__name__} is not part of the language")
            raise place.error(what, "see docs/serving/rules.md for the language")
        found: Node = getattr(self, method)(tree, place)
        return found

    def _constant(self, tree: ast.Constant, place: Place) -> Node:
        value = tree.value
        if isinstance(value, bool):
            return nodes.Constant(place, value)
        if isinstance(value, int | float):
            if not abs(value) <= MAX_NUMBER:
                raise place.error(f"the number is too large (at most {MAX_NUMBER:g})")
            return nodes.Constant(place, float(value))
        if isinstance(value, str):
            if len(value) > MAX_CONSTANT:
                raise place.error(f"the text has {len(value)} characters, at most {MAX_CONSTANT} are allowed")
            return nodes.Constant(place, value)
        if value is None:
            raise place.error("there is no None", "ask has(item.x) whether a value is there")
        raise place.error("only numbers, texts, true and false are constants")

    def _list(self, tree: ast.List | ast.Tuple, place: Place) -> Node:
        values: list[str | float] = []
        for element in tree.elts:
            node = self._node(element)
            if isinstance(node, nodes.Negative) and isinstance(node.number, nodes.Constant):
                node = nodes.Constant(node.place, -float(node.number.value))
            if not isinstance(node, nodes.Constant) or isinstance(node.value, bool):
                raise node.place.error("a list holds texts and numbers only")
            values.append(node.value)
        return nodes.ListOf(place, tuple(dict.fromkeys(values)))

    def _name(self, tree: ast.Name, place: Place) -> Node:
        if tree.id == "now":
            return nodes.Now(place)
        if tree.id in {"true", "false"}:
            return nodes.Constant(place, tree.id == "true")
        if tree.id in SCOPES:
            raise place.error(f"{tree.id} alone is no value", f"name an attribute, e.g. {tree.id}.category")
        raise place.error(
            f"{tree.id} is unknown",
            f'write item.{tree.id}, user.{tree.id} or context.{tree.id}, or "{tree.id}" for the text',
        )

    def _attribute(self, tree: ast.Attribute, place: Place) -> Node:
        return self._scoped(tree.value, tree.attr, place)

    def _subscript(self, tree: ast.Subscript, place: Place) -> Node:
        if not isinstance(tree.slice, ast.Constant) or not isinstance(tree.slice.value, str):
            raise place.error("in the brackets stands the name of an attribute", 'e.g. item["is-new"]')
        return self._scoped(tree.value, tree.slice.value, place)

    def _scoped(self, scope: ast.expr, field: str, place: Place) -> Node:
        if not isinstance(scope, ast.Name) or scope.id not in SCOPES:
            raise place.error("attributes are item.…, user.… and context.…, one level deep")
        if field.startswith("_"):
            raise place.error("names that begin with _ are not for rules")
        return nodes.Name(place, scope.id, field)  # type: ignore[arg-type]

    def _compare(self, tree: ast.Compare, place: Place) -> Node:
        values = [self._node(value) for value in (tree.left, *tree.comparators)]
        pairs: list[Node] = []
        for operator, left, right in zip(tree.ops, values, values[1:], strict=False):
            sign = _COMPARISONS.get(type(operator))
            if sign is None:
                raise place.error("is and is not are not part of the language", "use == and !=")
            pairs.append(nodes.Compare(place, sign, left, right))
        return pairs[0] if len(pairs) == 1 else nodes.Logic(place, "and", tuple(pairs))

    def _logic(self, tree: ast.BoolOp, place: Place) -> Node:
        parts = tuple(self._node(value) for value in tree.values)
        return nodes.Logic(place, "and" if isinstance(tree.op, ast.And) else "or", parts)

    def _unary(self, tree: ast.UnaryOp, place: Place) -> Node:
        operand = self._node(tree.operand)
        if isinstance(tree.op, ast.Not):
            return nodes.Not(place, operand)
        if isinstance(tree.op, ast.USub):
            return nodes.Negative(place, operand)
        raise place.error("this sign is not part of the language", "use not, - and the operators + - * / %")

    def _arithmetic(self, tree: ast.BinOp, place: Place) -> Node:
        operator = _OPERATORS.get(type(tree.op))
        if operator is None:
            raise place.error("this operator is not part of the language", "use + - * / %")
        return nodes.Arithmetic(place, operator, self._node(tree.left), self._node(tree.right))

    def _if(self, tree: ast.IfExp, place: Place) -> Node:
        return nodes.IfElse(place, self._node(tree.test), self._node(tree.body), self._node(tree.orelse))

    def _call(self, tree: ast.Call, place: Place) -> Node:
        if not isinstance(tree.func, ast.Name) or tree.func.id not in FUNCTIONS:
            shown = tree.func.id if isinstance(tree.func, ast.Name) else "this"
            raise place.error(f"{shown} is no function", f"there are {', '.join(sorted(FUNCTIONS))}")
        if tree.keywords or any(isinstance(argument, ast.Starred) for argument in tree.args):
            raise place.error("functions take plain values, separated by commas")
        arguments = tuple(self._node(argument) for argument in tree.args)
        call = nodes.Call(place, tree.func.id, arguments)
        FUNCTIONS[call.function].check(call)
        return call

    _METHODS: ClassVar[dict[type[ast.expr], str]] = {
        ast.Constant: "_constant",
        ast.List: "_list",
        ast.Tuple: "_list",
        ast.Name: "_name",
        ast.Attribute: "_attribute",
        ast.Subscript: "_subscript",
        ast.Compare: "_compare",
        ast.BoolOp: "_logic",
        ast.UnaryOp: "_unary",
        ast.BinOp: "_arithmetic",
        ast.IfExp: "_if",
        ast.Call: "_call",
    }


_WHAT: dict[type[ast.expr], str] = {
    ast.Lambda: "functions cannot be made here",
    ast.ListComp: "loops are not part of the language",
    ast.SetComp: "loops are not part of the language",
    ast.GeneratorExp: "loops are not part of the language",
    ast.DictComp: "loops are not part of the language",
    ast.JoinedStr: "texts are written without a letter before the quote",
    ast.NamedExpr: "values cannot be assigned",
}
