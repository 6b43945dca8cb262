"""The functions of the rule language: what they take and give. What they do stands in ``evaluate``."""

from dataclasses import dataclass
from typing import Literal

from foretaste.serving.live.columns import date_seconds
from foretaste.serving.rules.nodes import Call, Constant, Name

Face = Literal["number", "flag", "text", "list"]
MOST_ARGUMENTS = 20


@dataclass(frozen=True)
class Function:
    """One function: how many values it takes, of which kinds, and the kind it gives."""

    least: int
    most: int
    takes: tuple[frozenset[Face], ...]
    """Kinds of the values; the last holds for all further ones. Empty means any."""
    gives: Face
    wants_name: bool = False
    """The value is an attribute itself."""
    wants_date: bool = False
    """The value is a constant text with a date."""
    plain_second: bool = False
    """The second value may not depend on the item."""

    def check(self, call: Call) -> None:
        """Raises unless the call can be made.

        Raises:
            RuleError: names the place.
        """
        n = len(call.arguments)
        if not self.least <= n <= self.most:
            wanted = str(self.least) if self.least == self.most else f"{self.least} to {self.most}"
            raise call.place.error(f"{call.function} takes {wanted} values, not {n}")
        if self.wants_name and not isinstance(call.arguments[0], Name):
            raise call.place.error(f"{call.function} takes an attribute", f"e.g. {call.function}(item.price)")
        if self.wants_date:
            value = call.arguments[0].value if isinstance(call.arguments[0], Constant) else None
            if not isinstance(value, str) or date_seconds(value) is None:
                raise call.place.error("date takes a constant ISO 8601 date", 'e.g. date("2026-12-24")')
        if self.plain_second and call.arguments[1].attributes:
            raise call.arguments[1].place.error(
                f"the second value of {call.function} may not depend on the item", "compare attributes with == or in"
            )

    def kinds(self, place: int) -> frozenset[Face]:
        """Kinds that the value at a place may have."""
        return self.takes[min(place, len(self.takes) - 1)]


ANY: frozenset[Face] = frozenset({"number", "flag", "text", "list"})
_NUMBER: frozenset[Face] = frozenset({"number"})
_TEXT: frozenset[Face] = frozenset({"text"})
_LIST: frozenset[Face] = frozenset({"list"})
FUNCTIONS: dict[str, Function] = {
    "has": Function(1, 1, (ANY,), "flag", wants_name=True),
    "lower": Function(1, 1, (_TEXT,), "text"),
    "contains": Function(2, 2, (_TEXT | _LIST, _TEXT | _NUMBER), "flag", plain_second=True),
    "startswith": Function(2, 2, (_TEXT, _TEXT), "flag", plain_second=True),
    "overlaps": Function(2, 2, (_LIST, _LIST), "flag", plain_second=True),
    "days": Function(1, 1, (_NUMBER,), "number"),
    "date": Function(1, 1, (_TEXT,), "number", wants_date=True),
    "age_days": Function(1, 1, (_NUMBER,), "number"),
    "min": Function(2, MOST_ARGUMENTS, (_NUMBER,), "number"),
    "max": Function(2, MOST_ARGUMENTS, (_NUMBER,), "number"),
    "abs": Function(1, 1, (_NUMBER,), "number"),
    "log1p": Function(1, 1, (_NUMBER,), "number"),
}
