"""Rules: boosted candidates in a new order, and lists with their pins in place and within their caps."""

from collections.abc import Mapping, Sequence

from foretaste.serving.pipeline.batch import Batch
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
            pins = placed_pins(decision, b, query.k)
            candidates = pool.rows[b][pool.rows[b] >= 0].tolist()
            draft.write(b, settled(decision, b, candidates, query.k, pins), dict.fromkeys(pins.values(), PINNED), pool)
    if any(decision.pins) or any(decision.caps):
        batch.note("pins and caps")


def pin_again(batch: Batch) -> None:
    """Put what has a fixed place, pinned or explored, back there in lists that were lengthened."""
    draft, decision = batch.draft, batch.decision
    for b, query in enumerate(batch.queries):
        pins = placed_pins(decision, b, query.k) if decision.pins[b] else {}
        explored = batch.explored[b] if batch.explored else None
        if not pins and explored is None:
            continue
        fixed = dict(pins)
        if explored is not None:
            rows = batch.catalogue.items.rows(explored.item_ids).tolist()
            places = _within(explored.places, pins, int((draft.rows[b] >= 0).sum()))
            fixed |= zip(places, rows, strict=True)
        others = [row for row in draft.rows[b].tolist() if row >= 0 and row not in set(fixed.values())]
        draft.write(b, with_pins(others, fixed, query.k), dict.fromkeys(pins.values(), PINNED), draft)


def _within(places: Sequence[int], pins: Mapping[int, int], n: int) -> list[int]:
    """Ascending places of explored items in a list of ``n``: those beyond its end become its last free ones."""
    free, found = [place for place in range(n) if place not in pins], list[int]()
    for place in reversed(places):
        free = [other for other in free if other <= place]
        found.insert(0, free.pop())
    return found
