"""What each kind of rule leaves out: for everybody alike, by a few values of the user, or single items of one user."""

import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from foretaste.data.weights import normal_action
from foretaste.events import Event
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.live.columns import date_seconds, plain_value
from foretaste.serving.rules import config
from foretaste.serving.rules.config import Rule, expression
from foretaste.serving.rules.evaluate import DAY_S, Evaluator, Situation
from foretaste.serving.rules.nodes import Node
from foretaste.serving.rules.values import Truth, Value, marked, member, rows_with, value_of_column

YEAR_S = 365.2425 * DAY_S
_BIRTHS = ("birth_date", "birthdate", "date_of_birth", "birthday")
_ADULT = 18.0
Rows = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Asker:
    """One query's side of the rules: the situation, and what the user did."""

    situation: Situation
    events: Sequence[Event] = ()

    def listed(self, name: str) -> tuple[str | float, ...]:
        """The user's attribute as a list; a single text or number is a list of one."""
        kind, value = plain_value(self.situation.user.get(name))
        return value if kind == "list" else (value,) if kind in {"text", "number"} else ()


class Hider(Protocol):
    """Leaves out items by a small key, so that the mask is computed once for all who share it."""

    @property
    def rule(self) -> Rule:
        """Whose work it does."""
        ...

    def key(self, asker: Asker) -> Hashable:
        """Equal for askers for whom the same items are left out; None where it leaves out nothing."""
        ...

    def hidden(self, asker: Asker) -> Truth:
        """Which rows (I,) are left out; depends on nothing but the key."""
        ...


@dataclass(frozen=True)
class ByExpression:
    """A filter."""

    rule: config.FilterRule
    evaluator: Evaluator
    node: Node

    @classmethod
    def of(cls, rule: config.FilterRule, evaluator: Evaluator) -> "ByExpression":
        """From a rule whose expressions have been checked."""
        field, text = ("deny", rule.deny) if rule.deny is not None else ("allow", rule.allow)
        return cls(rule, evaluator, expression(rule, field, str(text)))

    def key(self, asker: Asker) -> Hashable:
        return asker.situation.bound(self.node.bindings)

    def hidden(self, asker: Asker) -> Truth:
        truth = self.evaluator.truth(self.node, asker.situation)
        if self.rule.deny is not None:
            return truth
        return not truth if isinstance(truth, bool) else ~truth


@dataclass(frozen=True)
class ByDate:
    """Single items, for a time."""

    rule: config.HideRule
    catalogue: Catalogue

    def key(self, asker: Asker) -> Hashable:
        return True if self.rule.holds_at(asker.situation.now) else None

    def hidden(self, asker: Asker) -> Truth:
        return _mask(self.catalogue, self.catalogue.items.rows(self.rule.items))


@dataclass(frozen=True)
class ByStock:
    """What cannot be had now."""

    rule: config.StockRule
    catalogue: Catalogue

    def key(self, asker: Asker) -> Hashable:
        columns = self.catalogue.columns
        dated = self.rule.available_from in columns or self.rule.available_until in columns
        if not dated and self.rule.stock not in columns:
            return None
        return asker.situation.minute if dated else 0.0

    def hidden(self, asker: Asker) -> Truth:
        columns, now = self.catalogue.columns, asker.situation.minute
        with np.errstate(invalid="ignore"):
            found: Truth = columns.numbers(self.rule.stock) <= 0
            found = found | (columns.numbers(self.rule.available_from) > now)
            return found | (columns.numbers(self.rule.available_until) <= now)


@dataclass(frozen=True)
class ByAge:
    """What is rated for older people."""

    rule: config.AgeRule
    catalogue: Catalogue

    def key(self, asker: Asker) -> Hashable:
        if self.rule.attribute not in self.catalogue.columns:
            return None
        return age_of(asker.situation, self.rule.unknown_age)

    def hidden(self, asker: Asker) -> Truth:
        column = self.catalogue.columns[self.rule.attribute]
        age = age_of(asker.situation, self.rule.unknown_age)
        found: Truth = np.zeros(self.catalogue.columns.n_rows, dtype=bool)
        if column.numbers is not None:
            with np.errstate(invalid="ignore"):
                found = found | (column.numbers > age)
        if column.text is not None:
            found = found | marked(column.text.words, lambda word: self._rated(str(word)) > age)[column.text.codes]
        return found

    def _rated(self, text: str) -> float:
        if text in self.rule.ratings:
            return self.rule.ratings[text]
        number = re.search(r"\d+", text)
        return float(number.group()) if number is not None else _ADULT


def age_of(situation: Situation, unknown: float) -> float:
    """The user's age in whole years, from ``age`` or a date of birth; ``unknown`` where there is neither."""
    kind, age = plain_value(situation.user.get("age"))
    if kind == "number" and age >= 0:
        return float(age)
    for name in _BIRTHS:
        born = situation.user.get(name)
        seconds = date_seconds(born) if isinstance(born, str) else None
        if seconds is not None and seconds <= situation.now:
            return float((situation.now - seconds) // YEAR_S)
    return unknown


@dataclass(frozen=True)
class ByFlags:
    """Content that is not for everybody."""

    rule: config.FlagsRule
    catalogue: Catalogue

    def key(self, asker: Asker) -> Hashable:
        return self._allowed(asker) if self.rule.attribute in self.catalogue.columns else None

    def _allowed(self, asker: Asker) -> frozenset[str]:
        return frozenset(self.rule.allow) | {str(flag) for flag in asker.listed("allowed_flags")}

    def hidden(self, asker: Asker) -> Truth:
        column, allowed = self.catalogue.columns[self.rule.attribute], self._allowed(asker)

        def is_hidden(flag: str | float) -> bool:
            return str(flag) not in allowed and (self.rule.hide is None or str(flag) in self.rule.hide)

        found: Truth = np.zeros(self.catalogue.columns.n_rows, dtype=bool)
        if column.text is not None:
            found = found | marked(column.text.words, is_hidden)[column.text.codes]
        if column.lists is not None:
            found = found | column.lists.having(marked(column.lists.words, is_hidden))
        return found


@dataclass(frozen=True)
class ByBlocks:
    """Sellers and the like that the user has blocked."""

    rule: config.BlockedRule
    catalogue: Catalogue

    def key(self, asker: Asker) -> Hashable:
        found = tuple((name, asker.listed(name)) for name in self.rule.lists)
        return found if any(words for _, words in found) else None

    def hidden(self, asker: Asker) -> Truth:
        found: Truth = False
        for name, attribute in self.rule.lists.items():
            column = self.catalogue.columns.get(attribute)
            words = asker.listed(name)
            if column is None or not words:
                continue
            found = found | member(value_of_column(column), Value(list=words))
            if column.lists is not None:
                found = found | rows_with(column.lists, words)
        return found


def blocked_rows(catalogue: Catalogue, asker: Asker) -> Rows:
    """Items that the user has blocked one by one."""
    blocked = asker.situation.user.get("blocked_items")
    if not isinstance(blocked, list | tuple):
        return np.zeros(0, dtype=np.int32)
    rows = catalogue.items.rows([str(item_id) for item_id in blocked])
    return rows[rows >= 0]


@dataclass(frozen=True)
class Bought:
    """Items that a user has bought and shall not see again now."""

    rule: config.BoughtRule
    catalogue: Catalogue
    evaluator: Evaluator
    actions: frozenset[str]
    repeatable: Node | None

    @classmethod
    def of(cls, rule: config.BoughtRule, catalogue: Catalogue, evaluator: Evaluator) -> "Bought":
        """From a rule whose expressions have been checked."""
        actions = frozenset(normal_action(action) for action in rule.actions)
        node = expression(rule, "repeatable", rule.repeatable) if rule.repeatable is not None else None
        return cls(rule, catalogue, evaluator, actions, node)

    def rows(self, asker: Asker) -> Rows:
        """Their rows (n,), for one asker alone."""
        rule = self.rule
        if rule.hide == "never" or not asker.events:
            return np.zeros(0, dtype=np.int32)
        since = asker.situation.now - (rule.days or 0.0) * DAY_S if rule.hide == "days" else -np.inf
        items = {e.item_id for e in asker.events if normal_action(e.type) in self.actions and e.timestamp > since}
        rows = self.catalogue.items.rows(sorted(items))
        rows = rows[rows >= 0]
        if self.repeatable is None or len(rows) == 0:
            return rows
        truth = self.evaluator.truth(self.repeatable, asker.situation)
        repeatable = np.broadcast_to(truth, self.catalogue.columns.n_rows)[rows]
        return np.asarray(rows[~repeatable], dtype=np.int32)


def _mask(catalogue: Catalogue, rows: Rows) -> npt.NDArray[np.bool_]:
    mask = np.zeros(catalogue.columns.n_rows, dtype=bool)
    mask[rows[rows >= 0]] = True
    return mask


def hider_of(rule: Rule, catalogue: Catalogue, evaluator: Evaluator) -> Hider | None:
    """What a rule leaves out by a key; None for rules that do something else."""
    makers: dict[type[Rule], Callable[[Any], Hider]] = {
        config.FilterRule: lambda rule: ByExpression.of(rule, evaluator),
        config.HideRule: lambda rule: ByDate(rule, catalogue),
        config.StockRule: lambda rule: ByStock(rule, catalogue),
        config.AgeRule: lambda rule: ByAge(rule, catalogue),
        config.FlagsRule: lambda rule: ByFlags(rule, catalogue),
        config.BlockedRule: lambda rule: ByBlocks(rule, catalogue),
    }
    maker = makers.get(type(rule))
    return maker(rule) if maker is not None else None
