"""Rules: boosted candidates in a new order, and lists with their pins in place and within their caps."""

import numpy as np

from foretaste.serving.pipeline.batch import Batch, Draft
from foretaste.serving.rules import placed_pins, settled, with_pins

PINNED = "pinned"
"""Source name of items that a rule has put in their place."""


def boost(batch: Batch) -> None:
    """Order the candidates by their scores times the factors of the rules."""
    draft = batch.draft
    if all(factors is None for factors in batch.decision.factors) or not (draft.rows >= 0).any():
        return
    order, draft.scores = batch.decision.boosted(draft.rows, draft.scores)
    draft.reorder(order)
    batch.note("rules")


def settle(batch: Batch) -> None:
    """Shorten the candidates to lists, those with pins and caps by them."""
    pool, decision = batch.draft, batch.decision
    batch.draft = draft = pool.cut(batch.ks)
    for b, query in enumerate(batch.queries):
        if decision.pins[b] or decision.caps[b]:
            pins = set(placed_pins(decision, b, query.k).values())
            candidates = pool.rows[b][pool.rows[b] >= 0].tolist()
            _write(draft, b, settled(decision, b, candidates, query.k), pins, pool)
    if any(decision.pins) or any(decision.caps):
        batch.note("pins and caps")


def pin_again(batch: Batch) -> None:
    """Put the pins of lists that were lengthened back in their places."""
    draft, decision = batch.draft, batch.decision
    for b, query in enumerate(batch.queries):
        pins = placed_pins(decision, b, query.k) if decision.pins[b] else {}
        if pins:
            placed = set(pins.values())
            others = [row for row in draft.rows[b].tolist() if row >= 0 and row not in placed]
            _write(draft, b, with_pins(others, pins, query.k), placed, draft)


def _write(draft: Draft, b: int, rows: list[int], pins: set[int], pool: Draft) -> None:
    """Make ``rows`` list ``b``, each with its score and source of the pool; pins have a source of their own."""
    places = {row: place for place, row in enumerate(pool.rows[b].tolist()) if row >= 0}
    scores = [float(pool.scores[b, places[row]]) if row in places else np.nan for row in rows]
    codes = [draft.code(PINNED) if row in pins else int(pool.codes[b, places[row]]) for row in rows]
    draft.rows[b], draft.scores[b], draft.codes[b] = -1, np.nan, -1
    draft.rows[b, : len(rows)], draft.scores[b, : len(rows)], draft.codes[b, : len(rows)] = rows, scores, codes
