"""Rules made ready for one catalogue: decides for a whole batch at once."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from foretaste.data import Query
from foretaste.errors import RuleError
from foretaste.events import Event
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.rules import config
from foretaste.serving.rules.config import Rule, RuleSet, expression, problems_of
from foretaste.serving.rules.decision import EXCLUDED, Cap, Decision, Floats, Mask, Rows
from foretaste.serving.rules.evaluate import Evaluator, Situation
from foretaste.serving.rules.hiding import Asker, Bought, Hider, blocked_rows, hider_of
from foretaste.serving.rules.kept import Kept
from foretaste.serving.rules.nodes import Node

MAX_FACTOR = 1e6
_SCENARIOS = 100
"""Scenarios whose rules are remembered; callers may name any."""


class User(Protocol):
    """What rules know of a user; the store's user states are such."""

    @property
    def attributes(self) -> Mapping[str, Any]:
        """As the shop has set them."""
        ...

    @property
    def events(self) -> Sequence[Event]:
        """What the user did, as far as it is remembered, in any order."""
        ...


@dataclass(frozen=True)
class _Boost:
    rule: config.BoostRule
    where: Node | None
    factor: Node | float

    @property
    def bindings(self) -> frozenset[tuple[str, str]]:
        nodes = [node for node in (self.where, self.factor) if isinstance(node, Node)]
        return frozenset().union(*(node.bindings for node in nodes))


class CompiledRules:
    """The rules of a shop over one version of its catalogue. Safe to use from several threads.

    A rule that cannot work with the catalogue of the moment (its attribute became a text) hides and boosts nothing
    by the parts that do not fit; :attr:`problems` says so, and whoever changes rules refuses them by it.

    Args:
        rules: parsed rules.
        catalogue: the items.
        before: the same or other rules over an earlier version; what still holds of it is not computed again.
    """

    def __init__(self, rules: RuleSet, catalogue: Catalogue, before: "CompiledRules | None" = None) -> None:
        self.rules, self.catalogue = rules, catalogue
        self.evaluator: Evaluator = Evaluator(
            catalogue.columns, catalogue.items, before.evaluator if before is not None else None
        )
        self._ordered = rules.in_order()
        self.problems: list[RuleError] = [
            problem for rule in self._ordered for problem in problems_of(rule, catalogue.columns)
        ]
        made = [hider_of(rule, catalogue, self.evaluator) for rule in self._ordered]
        self._hiders = [hider for hider in made if hider is not None]
        self._bought = {
            rule.name: Bought.of(rule, catalogue, self.evaluator)
            for rule in self._ordered
            if isinstance(rule, config.BoughtRule)
        }
        self._boosts = [_boost(rule) for rule in self._ordered if isinstance(rule, config.BoostRule)]
        self._whens = {
            rule.name: expression(rule, "when", rule.when) for rule in self._ordered if rule.when is not None
        }
        self._kept = Kept[Hashable]()
        """Masks and factors, by what of the user, the context and the time made them."""
        self._in_scenario: dict[str, list[Rule]] = {}

    def decide(self, queries: Sequence[Query], users: Sequence[User | None], *, now: float) -> Decision:
        """What each query may be shown, and how.

        Args:
            queries: of any scenarios; their ``exclude`` is left to the sources, pins keep to it.
            users: aligned; None for somebody of whom nothing is known.
            now: seconds since 1970 UTC.
        """
        askers = [_asker(query, user, now) for query, user in zip(queries, users, strict=True)]
        holding = [self._holding(query.scenario, asker) for query, asker in zip(queries, askers, strict=True)]
        pins = [self._pins(query, asker, names) for query, asker, names in zip(queries, askers, holding, strict=True)]
        return Decision(
            self._masks(askers, holding),
            [self._factors(asker, names) for asker, names in zip(askers, holding, strict=True)],
            pins,
            [self._caps(names) for names in holding],
            lambda b, row: self._why_not(queries[b], askers[b], holding[b], row),
        )

    def _holding(self, scenario: str, asker: Asker) -> tuple[Rule, ...]:
        """The rules that hold for one query."""
        rules = self._in_scenario.get(scenario)
        if rules is None:
            rules = self.rules.in_scenario(scenario)
            if len(self._in_scenario) < _SCENARIOS:
                self._in_scenario[scenario] = rules
        return tuple(
            rule
            for rule in rules
            if rule.name not in self._whens or self.evaluator.truth(self._whens[rule.name], asker.situation) is True
        )

    # --- masks ---------------------------------------------------------------------------------------------------

    def _masks(self, askers: Sequence[Asker], holding: Sequence[tuple[Rule, ...]]) -> Mask:
        shared = [self._mask(asker, rules) for asker, rules in zip(askers, holding, strict=True)]
        single = [self._single_rows(asker, rules) for asker, rules in zip(askers, holding, strict=True)]
        if not shared:
            return self.catalogue.allowed
        if all(mask is shared[0] for mask in shared) and not any(len(rows) for rows in single):
            return shared[0]
        masks = np.empty((len(shared), len(shared[0])), dtype=bool)
        for b, (mask, rows) in enumerate(zip(shared, single, strict=True)):
            masks[b] = mask
            masks[b, rows] = False
        return masks

    def _mask(self, asker: Asker, rules: tuple[Rule, ...]) -> Mask:
        """What everybody like the asker may be shown (I,), the same object for the same key."""
        names = {rule.name for rule in rules}
        hiders = [hider for hider in self._hiders if hider.rule.name in names]
        keyed = [(hider, hider.key(asker)) for hider in hiders]
        active = [(hider, key) for hider, key in keyed if key is not None]
        whole = ("mask", tuple((hider.rule.name, key) for hider, key in active))

        def compute() -> Mask:
            shown = self.catalogue.allowed
            for hider, _ in active:
                shown = shown & ~np.asarray(hider.hidden(asker))
            return shown

        found: Mask = self._kept.get(whole, compute)
        return found

    def _single_rows(self, asker: Asker, rules: tuple[Rule, ...]) -> Rows:
        """Rows that are left out for this asker alone."""
        return np.concatenate([np.zeros(0, dtype=np.int32), *(self._rows_of(rule, asker) for rule in rules)])

    def _rows_of(self, rule: Rule, asker: Asker) -> Rows:
        if isinstance(rule, config.BlockedRule):
            return blocked_rows(self.catalogue, asker)
        if rule.name in self._bought:
            return self._bought[rule.name].rows(asker)
        return np.zeros(0, dtype=np.int32)

    # --- factors, pins, caps -------------------------------------------------------------------------------------

    def _factors(self, asker: Asker, rules: tuple[Rule, ...]) -> Floats | None:
        names = {rule.name for rule in rules}
        boosts = [boost for boost in self._boosts if boost.rule.name in names]
        if not boosts:
            return None
        key = ("boost", tuple((boost.rule.name, asker.situation.bound(boost.bindings)) for boost in boosts))

        def compute() -> Floats:
            product: npt.NDArray[np.float64] = np.ones(self.catalogue.columns.n_rows)
            for boost in boosts:
                product = product * self._factor(boost, asker.situation)
            return product.astype(np.float32)

        found: Floats = self._kept.get(key, compute)
        return found

    def _factor(self, boost: _Boost, situation: Situation) -> Any:
        factor: Any = boost.factor
        if isinstance(factor, Node):
            factor = self.evaluator.number(factor, situation)
        factor = np.clip(np.where(np.isnan(factor), 1.0, factor), 0.0, MAX_FACTOR)
        where = True if boost.where is None else self.evaluator.truth(boost.where, situation)
        return np.where(where, factor, 1.0)

    def _pins(self, query: Query, asker: Asker, rules: tuple[Rule, ...]) -> list[tuple[int, int]]:
        pins = []
        for rule in rules:
            if isinstance(rule, config.PinRule) and rule.holds_at(asker.situation.now):
                row = self.catalogue.items.row(rule.item)
                if row >= 0 and rule.item not in query.exclude:
                    pins.append((rule.place - 1, row))
        return pins

    def _caps(self, rules: tuple[Rule, ...]) -> list[Cap]:
        columns = self.catalogue.columns
        return [
            Cap(rule.name, rule.most, rule.hard, columns[rule.attribute])
            for rule in rules
            if isinstance(rule, config.CapRule) and rule.attribute in columns
        ]

    # --- why -----------------------------------------------------------------------------------------------------

    def _why_not(self, query: Query, asker: Asker, rules: tuple[Rule, ...], row: int) -> list[str]:
        found = [] if self.catalogue.allowed[row] else ["unavailable"]
        if self.catalogue.items.id(row) in query.exclude:
            found.append(EXCLUDED)
        names = {rule.name for rule in rules}
        hiders = [hider for hider in self._hiders if hider.rule.name in names and hider.key(asker) is not None]
        found += [f"rule {hider.rule.name!r}" for hider in hiders if _at(hider, asker, row)]
        found += [f"rule {rule.name!r}" for rule in rules if row in self._rows_of(rule, asker)]
        return found

    def hits(self, rule: Rule, *, now: float) -> Mask | None:
        """Rows (I,) that a rule concerns for somebody unknown: left out, boosted or pinned; None for caps and such."""
        asker = Asker(Situation(now=now))
        nothing = np.zeros(self.catalogue.columns.n_rows, dtype=bool)
        for hider in self._hiders:
            if hider.rule.name == rule.name:
                return nothing | hider.hidden(asker) if hider.key(asker) is not None else nothing
        for boost in self._boosts:
            if boost.rule.name == rule.name:
                return np.asarray(nothing | (self._factor(boost, asker.situation) != 1.0))
        if isinstance(rule, config.PinRule):
            row = self.catalogue.items.row(rule.item)
            nothing[[row] if row >= 0 else []] = True
            return nothing
        return None


def _boost(rule: config.BoostRule) -> _Boost:
    where = expression(rule, "where", rule.where) if rule.where is not None else None
    factor = expression(rule, "factor", rule.factor) if isinstance(rule.factor, str) else float(rule.factor)
    return _Boost(rule, where, factor)


def _asker(query: Query, user: User | None, now: float) -> Asker:
    attributes: Mapping[str, Any] = user.attributes if user is not None else {}
    return Asker(Situation(attributes, query.context, now), user.events if user is not None else ())


def _at(hider: Hider, asker: Asker, row: int) -> bool:
    hidden = hider.hidden(asker)
    return bool(hidden) if isinstance(hidden, bool) else bool(hidden[row])
