"""A parsed expression: a small tree of immutable nodes, each with its place in the text."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from foretaste.errors import RuleError

Scope = Literal["item", "user", "context"]
Comparison = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in"]
Operator = Literal["+", "-", "*", "/", "%"]
Scalar = str | float | bool
_SHOWN = 60


@dataclass(frozen=True)
class Place:
    """Where a part of an expression stands: offsets in its text."""

    text: str
    start: int
    end: int

    @property
    def line(self) -> int:
        """From 1."""
        return self.text.count("\n", 0, self.start) + 1

    @property
    def column(self) -> int:
        """From 1."""
        return self.start - (self.text.rfind("\n", 0, self.start) + 1) + 1

    @property
    def snippet(self) -> str:
        """The part itself, shortened."""
        part = " ".join(self.text[self.start : self.end].split())
        return part if len(part) <= _SHOWN else f"{part[:_SHOWN]}…"

    def error(self, message: str, hint: str = "") -> RuleError:
        """An error that names this place."""
        return RuleError(
            f"line {self.line}, column {self.column}, «{self.snippet}»: {message}",
            hint=hint,
            details={"line": self.line, "column": self.column, "snippet": self.snippet},
        )


@dataclass(frozen=True)
class Node:
    """A part of an expression. Two nodes are equal when they mean the same, wherever they stand."""

    place: Place

    @property
    def parts(self) -> tuple["Node", ...]:
        """The nodes directly below."""
        return ()

    @cached_property
    def key(self) -> str:
        """Equal for nodes that mean the same."""
        raise NotImplementedError

    @cached_property
    def bindings(self) -> frozenset[tuple[str, str]]:
        """What it takes from outside the item: (scope, field), and («now», «») for the time."""
        return frozenset().union(*(part.bindings for part in self.parts))

    @cached_property
    def attributes(self) -> frozenset[str]:
        """Attributes of the item that it reads."""
        return frozenset(node.field for node in self.walk() if isinstance(node, Name) and node.scope == "item")

    def walk(self) -> Iterator["Node"]:
        """This node and all below."""
        yield self
        for part in self.parts:
            yield from part.walk()


@dataclass(frozen=True)
class Constant(Node):
    """A number, a text, true or false."""

    value: Scalar

    @cached_property
    def key(self) -> str:
        return repr(self.value)


@dataclass(frozen=True)
class ListOf(Node):
    """A constant list of texts and numbers."""

    values: tuple[str | float, ...]

    @cached_property
    def key(self) -> str:
        return repr(self.values)


@dataclass(frozen=True)
class Name(Node):
    """An attribute of the item, the user or the context."""

    scope: Scope
    field: str

    @cached_property
    def key(self) -> str:
        return f"{self.scope}[{self.field!r}]"

    @cached_property
    def bindings(self) -> frozenset[tuple[str, str]]:
        return frozenset() if self.scope == "item" else frozenset({(self.scope, self.field)})


@dataclass(frozen=True)
class Now(Node):
    """The time of the request, seconds since 1970 UTC, at the start of its minute."""

    @cached_property
    def key(self) -> str:
        return "now"

    @cached_property
    def bindings(self) -> frozenset[tuple[str, str]]:
        return frozenset({("now", "")})


@dataclass(frozen=True)
class Compare(Node):
    """Two values compared."""

    operator: Comparison
    left: Node
    right: Node

    @property
    def parts(self) -> tuple[Node, ...]:
        return (self.left, self.right)

    @cached_property
    def key(self) -> str:
        return f"({self.left.key} {self.operator} {self.right.key})"


@dataclass(frozen=True)
class Logic(Node):
    """All (and) or any (or) of several conditions."""

    operator: Literal["and", "or"]
    conditions: tuple[Node, ...]

    @property
    def parts(self) -> tuple[Node, ...]:
        return self.conditions

    @cached_property
    def key(self) -> str:
        return "(" + f" {self.operator} ".join(part.key for part in self.conditions) + ")"


@dataclass(frozen=True)
class Not(Node):
    """The opposite of a condition."""

    condition: Node

    @property
    def parts(self) -> tuple[Node, ...]:
        return (self.condition,)

    @cached_property
    def key(self) -> str:
        return f"(not {self.condition.key})"


@dataclass(frozen=True)
class Arithmetic(Node):
    """Two numbers combined."""

    operator: Operator
    left: Node
    right: Node

    @property
    def parts(self) -> tuple[Node, ...]:
        return (self.left, self.right)

    @cached_property
    def key(self) -> str:
        return f"({self.left.key} {self.operator} {self.right.key})"


@dataclass(frozen=True)
class Negative(Node):
    """A number with the other sign."""

    number: Node

    @property
    def parts(self) -> tuple[Node, ...]:
        return (self.number,)

    @cached_property
    def key(self) -> str:
        return f"(-{self.number.key})"


@dataclass(frozen=True)
class IfElse(Node):
    """One value or another."""

    condition: Node
    yes: Node
    no: Node

    @property
    def parts(self) -> tuple[Node, ...]:
        return (self.condition, self.yes, self.no)

    @cached_property
    def key(self) -> str:
        return f"({self.yes.key} if {self.condition.key} else {self.no.key})"


@dataclass(frozen=True)
class Call(Node):
    """One of the language's functions."""

    function: str
    arguments: tuple[Node, ...]

    @property
    def parts(self) -> tuple[Node, ...]:
        return self.arguments

    @cached_property
    def key(self) -> str:
        return f"{self.function}({', '.join(part.key for part in self.arguments)})"

    @cached_property
    def bindings(self) -> frozenset[tuple[str, str]]:
        inside = super().bindings
        return inside | {("now", "")} if self.function == "age_days" else inside
