"""Rules as they are written in TOML or JSON: their kinds and fields, checked before anything is served by them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveInt,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from foretaste.errors import RuleError
from foretaste.serving.live.columns import date_seconds
from foretaste.serving.rules.checking import check
from foretaste.serving.rules.functions import Face
from foretaste.serving.rules.language import parse
from foretaste.serving.rules.nodes import Node
from foretaste.validation import first_fault

MAX_RULES = 500
MAX_ITEMS = 10_000
"""Items of one hide rule."""
Moment = str | float
ItemId = Annotated[str, Field(min_length=1, max_length=256)]
Text = Annotated[str, Field(min_length=1, max_length=256)]


class Rule(BaseModel):
    """What every rule has."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)
    EXPRESSIONS: ClassVar[Mapping[str, Face]] = {"when": "flag"}
    """Fields that are expressions, and what each gives."""

    name: Text
    """Names it in errors, traces and reports; each once."""
    enabled: bool = True
    """False keeps the rule without applying it."""
    scenarios: tuple[Text, ...] = ()
    """Scenarios in which it holds; empty means all."""
    priority: int = 0
    """Rules with a higher one come first: their pins win, their caps are relaxed last."""
    when: str | None = None
    """Condition on user, context and time under which it holds; absent means always."""

    def expressions(self) -> Iterator[tuple[str, Face, str]]:
        """Field, what it must give, and its text."""
        for field, face in self.EXPRESSIONS.items():
            text = getattr(self, field)
            if isinstance(text, str):
                yield field, face, text


class FilterRule(Rule):
    """Leaves items out: those that match ``deny``, or those that do not match ``allow``."""

    kind: Literal["filter"]
    EXPRESSIONS: ClassVar[Mapping[str, Face]] = {"when": "flag", "allow": "flag", "deny": "flag"}
    allow: str | None = None
    deny: str | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.allow is None) == (self.deny is None):
            raise ValueError("a filter has either allow or deny")
        return self


class BoostRule(Rule):
    """Multiplies the scores of items that match ``where``; above 1 lifts them, below 1 lowers them."""

    kind: Literal["boost"]
    EXPRESSIONS: ClassVar[Mapping[str, Face]] = {"when": "flag", "where": "flag", "factor": "number"}
    where: str | None = None
    """Absent means all items."""
    factor: NonNegativeFloat | str
    """A number, or an expression that gives one; a missing value counts as 1."""


class _Dated(Rule):
    valid_from: Moment | None = None
    """ISO 8601 date or seconds since 1970 UTC from which it holds."""
    valid_until: Moment | None = None
    """The moment at which it ends."""

    @field_validator("valid_from", "valid_until", mode="before")
    @classmethod
    def _is_text(cls, value: object) -> object:
        return value.isoformat() if isinstance(value, date) else value  # TOML has dates of its own

    @field_validator("valid_from", "valid_until")
    @classmethod
    def _is_moment(cls, value: Moment | None) -> Moment | None:
        if isinstance(value, str) and date_seconds(value) is None:
            raise ValueError('not an ISO 8601 date such as "2026-12-24" or "2026-12-24T08:00:00Z"')
        return value

    def holds_at(self, now: float) -> bool:
        """Whether a moment lies in the validity."""
        return _seconds(self.valid_from, now) <= now < _seconds(self.valid_until, now + 1)


def _seconds(moment: Moment | None, otherwise: float) -> float:
    if moment is None:
        return otherwise
    seconds = date_seconds(moment) if isinstance(moment, str) else float(moment)
    assert seconds is not None
    return seconds


class PinRule(_Dated):
    """Puts an item at a place, as long as it may be shown."""

    kind: Literal["pin"]
    item: ItemId
    place: Annotated[int, Field(ge=1, le=1000)] = 1
    """From 1. Of several pins for a place the later ones move on to the next."""


class HideRule(_Dated):
    """Leaves out single items."""

    kind: Literal["hide"]
    items: Annotated[tuple[ItemId, ...], Field(min_length=1, max_length=MAX_ITEMS)]


class CapRule(Rule):
    """At most ``most`` items of a list share a value of an attribute; items without a value are not counted."""

    kind: Literal["cap"]
    attribute: Text
    """e.g. ``seller``, ``category``; of an attribute with lists every element counts."""
    most: PositiveInt
    hard: bool = False
    """Rather a short list than more of one value."""


class BoughtRule(Rule):
    """What becomes of items that the user has bought.

    Reads the newest 500 events. A scenario that leaves out all that was seen (``exclude_seen``) leaves these out, too.
    """

    kind: Literal["bought"]
    EXPRESSIONS: ClassVar[Mapping[str, Face]] = {"when": "flag", "repeatable": "flag"}
    hide: Literal["always", "days", "never"] = "always"
    """Left out for ever, for ``days`` after the last purchase, or not at all."""
    days: Annotated[float, Field(gt=0)] | None = None
    actions: tuple[Text, ...] = ("purchase",)
    """Types of events that are purchases."""
    repeatable: str | None = None
    """Items that may be bought again, e.g. ``item.category == "coffee"``; they are never left out by this rule."""

    @model_validator(mode="after")
    def _days_fit(self) -> Self:
        if (self.hide == "days") != (self.days is not None):
            raise ValueError('days belongs to hide = "days"')
        return self


class StockRule(Rule):
    """Leaves out what cannot be had now: no stock, not yet or no longer available. Missing values hide nothing."""

    kind: Literal["stock"]
    stock: Text = "stock"
    available_from: Text = "available_from"
    available_until: Text = "available_until"
    """Attributes."""


class AgeRule(Rule):
    """Leaves out items rated for ages above the user's, from ``user.age`` or a date of birth."""

    kind: Literal["age_rating"]
    attribute: Text = "age_rating"
    """Numbers, or texts with one (``"18+"``, ``"PG-13"``); other texts count as 18."""
    ratings: dict[Text, NonNegativeFloat] = Field(default_factory=dict)
    """Ages of ratings without a number, e.g. ``{"R" = 17}``."""
    unknown_age: NonNegativeFloat = 12.0
    """The age taken for users of whom none is known; by default that of a minor."""


class FlagsRule(Rule):
    """Leaves out items with content flags, unless the user's ``allowed_flags`` or the rule allows them."""

    kind: Literal["flags"]
    attribute: Text = "flags"
    """A list of flags, or one."""
    hide: tuple[Text, ...] | None = None
    """Flags that are left out, e.g. ``["adult", "violence"]``; absent means all."""
    allow: tuple[Text, ...] = ()
    """Flags that may be shown all the same (in the rule's scenarios)."""


class BlockedRule(Rule):
    """Leaves out what the user has blocked: item ids in ``user.blocked_items``, values of attributes in others."""

    kind: Literal["blocked"]
    lists: dict[Text, Text] = Field(default_factory=lambda: {"blocked_sellers": "seller"})
    """Attribute of the user with a list → attribute of the item."""


AnyRule = Annotated[
    FilterRule | BoostRule | PinRule | HideRule | CapRule | BoughtRule | StockRule | AgeRule | FlagsRule | BlockedRule,
    Field(discriminator="kind"),
]
POLICIES: tuple[Rule, ...] = (
    StockRule(name="stock by default", kind="stock"),
    AgeRule(name="age rating by default", kind="age_rating"),
    FlagsRule(name="content flags by default", kind="flags"),
    BlockedRule(name="blocked by the user, by default", kind="blocked"),
)
"""What holds in the scenarios for which a shop has written no rule of the kind; one with ``enabled = false`` turns it
off.
"""
_BRANCHES = frozenset({"constrained-float", "constrained-str", "float", "str"})
"""How pydantic names the kinds of value that a field may have; nobody who writes rules knows them."""
_TAKEN = frozenset(policy.name for policy in POLICIES)
_ADAPTER: TypeAdapter[Any] = TypeAdapter(AnyRule)


@dataclass(frozen=True)
class RuleSet:
    """All rules, those of the highest priority first, and the policies that stand by themselves."""

    rules: tuple[Rule, ...] = ()

    @classmethod
    def parse(cls, values: Mapping[str, Any] | Sequence[Any] | None) -> "RuleSet":
        """From decoded TOML or JSON: ``{"rules": [...]}`` or the list itself.

        Raises:
            RuleError: names the rule, the field, and in expressions line, column and part.
        """
        if isinstance(values, Mapping):
            others = sorted(set(values) - {"rules"})
            if others:
                raise RuleError(f"{others[0]!r} is unknown beside the rules", hint="write [[rules]] tables only")
            values = values.get("rules", [])
        values = [] if values is None else values
        if not isinstance(values, Sequence) or isinstance(values, str):
            raise RuleError(f"rules are a list, not {type(values).__name__}", hint="write [[rules]] tables")
        if len(values) > MAX_RULES:
            raise RuleError(f"there are {len(values)} rules, at most {MAX_RULES} are allowed")
        rules = [_parsed(place, value) for place, value in enumerate(values)]
        seen: set[str] = set()
        for place, rule in enumerate(rules):
            if rule.name in _TAKEN:
                raise RuleError(f"rules[{place}]: the name {rule.name!r} is taken", hint="take another name")
            if rule.name in seen:
                raise RuleError(f"rules[{place}]: the name {rule.name!r} is there twice", hint="name each rule once")
            seen.add(rule.name)
        return cls(tuple(rules))

    def in_order(self) -> list[Rule]:
        """Enabled rules and the policies, those of the highest priority first."""
        return sorted((rule for rule in (*self.rules, *POLICIES) if rule.enabled), key=lambda rule: -rule.priority)

    def in_scenario(self, scenario: str) -> list[Rule]:
        """Those of :meth:`in_order` that may hold in a scenario."""
        here = [rule for rule in self.rules if not rule.scenarios or scenario in rule.scenarios]
        written = {kind_of(rule) for rule in here}
        names = {rule.name for rule in here}
        names |= {policy.name for policy in POLICIES if kind_of(policy) not in written}
        return [rule for rule in self.in_order() if rule.name in names]

    def with_scenario(self, scenario: str, own: "RuleSet") -> "RuleSet":
        """These and a scenario's own rules, which are called ``scenario: name`` here."""
        added = (
            rule.model_copy(update={"name": f"{scenario}: {rule.name}", "scenarios": (scenario,)}) for rule in own.rules
        )
        return RuleSet((*self.rules, *added))

    def dump(self) -> dict[str, Any]:
        """JSON values from which :meth:`parse` makes the same rules."""
        rules = [rule.model_dump(mode="json", exclude_none=True, exclude_defaults=True) for rule in self.rules]
        return {"rules": rules}


def kind_of(rule: Rule) -> str:
    """The kind as it is written."""
    return str(getattr(rule, "kind", ""))


def expression(rule: Rule, field: str, text: str) -> Node:
    """A parsed expression of a rule.

    Raises:
        RuleError: names rule and field, too.
    """
    try:
        return parse(text)
    except RuleError as exc:
        raise _of_rule(rule, field, exc) from exc


def attributes_of(rule: Rule) -> frozenset[str]:
    """The item's attributes that a rule names; those that policies look for by default are not among them.

    Raises:
        RuleError: an expression that is none.
    """
    named = {rule.attribute} if isinstance(rule, CapRule) else set[str]()
    return frozenset(named).union(*(expression(rule, field, text).attributes for field, _, text in rule.expressions()))


def problems_of(rule: Rule, columns: Mapping[str, Any] | None = None) -> list[RuleError]:
    """What cannot work in the expressions of a rule, as far as the columns tell."""
    found: list[RuleError] = []
    for field, face, text in rule.expressions():
        node = expression(rule, field, text)
        if field == "when" and node.attributes:
            message = "when is about user, context and time, it cannot name an attribute of the item"
            found.append(_of_rule(rule, field, node.place.error(message, "put the part about the item elsewhere")))
        found += [_of_rule(rule, field, problem) for problem in check(node, face, columns)]
    return found


def _of_rule(rule: Rule, field: str, error: RuleError) -> RuleError:
    details = {**error.details, "rule": rule.name, "field": field}
    return RuleError(f"rule {rule.name!r}, {field}: {error.message}", hint=error.hint, details=details)


def _parsed(place: int, value: object) -> Rule:
    try:
        rule: Rule = _ADAPTER.validate_python(value)
    except ValidationError as exc:
        fault = first_fault(exc)
        name = value.get("name") if isinstance(value, Mapping) else None
        where = f"rules[{place}]" + (f" ({str(name)[:60]!r})" if name else "")
        field = ".".join(str(part) for part in fault.location[1:] if part not in _BRANCHES)
        shown = repr(fault.value)
        said = f", {field} = {shown}" if field and len(shown) <= 80 else f", {field}" if field else ""
        raise RuleError(
            f"{where}{said}: {fault.message}",
            hint="see docs/serving/rules.md for the kinds of rules",
            details={"rule": place, "field": field},
        ) from exc
    for problem in problems_of(rule):
        raise problem
    return rule


__all__ = [
    "POLICIES",
    "AgeRule",
    "AnyRule",
    "BlockedRule",
    "BoostRule",
    "BoughtRule",
    "CapRule",
    "FilterRule",
    "FlagsRule",
    "HideRule",
    "PinRule",
    "Rule",
    "RuleSet",
    "StockRule",
    "attributes_of",
    "expression",
    "problems_of",
]
