"""Exploration: some places of the settled lists go to items that a bandit takes from a pool.

What is explored keeps to the rules: it may be shown, is no pin and no item of the list, and fits under the caps. For
each one the last item of the list that is not pinned gives way, so that lists keep their length.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from foretaste.serving.config import PipelineConfig
from foretaste.serving.exploration import Explored, Explorer, Policy, draw_of
from foretaste.serving.exploration.policy import mixed
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.view import training_popularity
from foretaste.serving.pipeline.batch import Batch, Draft
from foretaste.serving.pipeline.sources import CATALOGUE, Rows, first_shown, refused_rows
from foretaste.serving.rules import Room, placed_pins, with_pins

RARE = "rare"
"""Source name of items that were explored because few people took them."""
_DAY_S = 86_400


class _Pick(NamedTuple):
    place: int
    row: int
    item_id: str
    propensity: float
    features: tuple[float, ...]


class _Found(NamedTuple):
    """One list with what was explored in it."""

    rows: list[int]
    labels: dict[int, str]
    """Source names of rows that were no candidates."""
    explored: Explored


class Exploring:
    """The stage of one pipeline, with the policies of its tables."""

    def __init__(self, config: PipelineConfig, explorer: Explorer) -> None:
        self._policies = {
            table: explorer.policy(table, own) if own.share > 0 else None for table, own in config.explorations()
        }
        self._rarest: tuple[Bundle, int, Rows] | None = None

    def policy(self, scenario: str) -> Policy | None:
        """What explores in this scenario."""
        return self._policies.get(scenario, self._policies.get("")) if self._policies else None

    def explore(self, batch: Batch, policy: Policy, pool: Draft) -> None:
        """Put what the policy takes into the lists; ``pool`` holds the candidates that they were made of."""
        if batch.watch.limit("explore") == 0:
            batch.pass_over("explore", "late")
            return
        [told] = batch.together("explore", [("explore", partial(self._explored, batch, policy, pool))])
        if told.value is None:
            batch.pass_over("explore", told.trouble or "error")
            return
        batch.explored = [None if found is None else found.explored for found in told.value]
        draft = batch.draft
        for b, found in enumerate(told.value):
            if found is not None:
                draft.write(b, found.rows, draft.labels(b) | found.labels, pool)
        batch.note("explore")

    def _explored(self, batch: Batch, policy: Policy, pool: Draft) -> list[_Found | None]:
        """For each list what it becomes; None where nothing is explored."""
        found: list[_Found | None] = []
        for b, query in enumerate(batch.queries):
            draw = draw_of(policy, query, now=batch.now, seed=mixed(batch.seed, b))
            one = _One(batch, policy, pool, b) if policy.explores(draw) else None
            found.append(None if one is None else one.filled(draw, self._pool_rows(batch, policy, pool, b)))
        return found

    def _pool_rows(self, batch: Batch, policy: Policy, pool: Draft, b: int) -> Rows:
        """Rows of the pool, those that are offered first first."""
        kind = policy.config.pool
        if kind == "candidates":
            rows: Rows = pool.rows[b]
            return rows[rows >= 0]
        return batch.catalogue.newest if kind == "newest" else self._rarest_first(batch.bundle, batch.now)

    def _rarest_first(self, bundle: Bundle, now: float) -> Rows:
        """Rows that models rank, those that the fewest people took first; equals in another order each day."""
        day, kept = int(now // _DAY_S), self._rarest
        if kept is not None and kept[0] is bundle and kept[1] == day:
            return kept[2]
        taken = training_popularity(bundle)
        order: Rows = np.lexsort((np.random.default_rng(day).random(len(taken)), taken)).astype(np.int32)
        self._rarest = (bundle, day, order)
        return order


class _One:
    """One list that explores."""

    def __init__(self, batch: Batch, policy: Policy, pool: Draft, b: int) -> None:
        self._batch, self._policy, self._pool, self._b = batch, policy, pool, b
        query, decision = batch.queries[b], batch.decision
        self._k, self._items = query.k, batch.catalogue.items
        self._pins = placed_pins(decision, b, query.k) if decision.pins[b] else {}
        listed = [row for row in batch.draft.rows[b].tolist() if row >= 0]
        self._pinned = [row for row in self._pins.values() if row in listed]
        self._others = [row for row in listed if row not in self._pinned]
        user = batch.users[b]
        self._situation = policy.situation(query, user.attributes if user is not None else {}, batch.now)

    def filled(self, draw: int, rows: Rows) -> _Found | None:
        """The list with what is explored at the places that no pin takes; None when none of ``rows`` fits."""
        picks: list[_Pick] = []
        left, offered = self._offered(rows), list[str]()
        for n, place in enumerate(p for p in self._policy.config.ranks(self._k) if p not in self._pins):
            fits = self._fitting(left, [pick.row for pick in picks])
            if len(fits) == 0:
                break
            ids = self._items.ids_of(fits)
            offered = offered or ids
            taken, propensity, features = self._policy.choose(
                ids, draw=mixed(draw, n), situation=self._situation, attributes_of=self._attributes_of
            )
            picks.append(_Pick(place, int(fits[taken]), ids[taken], propensity, features))
            left = left[left != fits[taken]]
        if not picks:
            return None
        fixed = {pick.place: pick.row for pick in picks} | self._pins
        return _Found(
            with_pins(self._kept(len(picks)), fixed, self._k), self._labels(picks), self._record(picks, offered)
        )

    def _kept(self, n: int) -> list[int]:
        """Items of the list, less pins, beside which ``n`` explored ones have room."""
        return self._others[: max(0, self._k - len(self._pinned) - n)]

    def _offered(self, rows: Rows) -> Rows:
        """The first of the rows that may be shown and are not in the list."""
        batch, query = self._batch, self._batch.queries[self._b]
        listed = np.array([*self._pinned, *self._kept(1)], dtype=np.int32)
        refused = np.concatenate([listed, refused_rows(query, batch.bundle, batch.catalogue)])
        return first_shown(rows, batch.decision.allowed(self._b), refused, self._policy.config.pool_size)

    def _fitting(self, rows: Rows, explored: Sequence[int]) -> Rows:
        """Those of some rows that keep the caps beside the rest of the list."""
        caps = self._batch.decision.caps[self._b]
        if not caps:
            return rows
        beside = [*self._pinned, *self._kept(len(explored) + 1), *explored]
        room = Room(caps, [*beside, *rows.tolist()])
        for row in beside:
            room.add(row)
        return rows[[room.takes(row) for row in rows.tolist()]]

    def _attributes_of(self, item_ids: Sequence[str]) -> list[Mapping[str, str]]:
        rows, view = self._items.rows(item_ids), self._batch.view()
        found: list[dict[str, str]] = [{} for _ in item_ids]
        for name in self._policy.config.attributes:
            labels = view.labels(name)
            for own, code in zip(found, () if labels is None else labels.first[rows].tolist(), strict=False):
                if code >= 0 and labels is not None:
                    own[name] = labels.names[code]
        return list(found)

    def _labels(self, picks: Sequence[_Pick]) -> dict[int, str]:
        """Candidates keep the source that gave them; the others come from the pool."""
        candidates = set(self._pool.rows[self._b].tolist())
        name = CATALOGUE if self._policy.config.pool == "newest" else RARE
        return {pick.row: name for pick in picks if pick.row not in candidates}

    def _record(self, picks: Sequence[_Pick], offered: Sequence[str]) -> Explored:
        return Explored(
            policy=self._policy.name,
            share=self._policy.config.share,
            item_ids=tuple(pick.item_id for pick in picks),
            places=tuple(pick.place for pick in picks),
            propensities=tuple(pick.propensity for pick in picks),
            offered=tuple(offered),
            situation=self._situation,
            features=tuple(pick.features for pick in picks if pick.features),
        )
