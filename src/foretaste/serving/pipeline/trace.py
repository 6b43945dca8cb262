"""Trace: for any item, where it came from and what each stage did to it, or what left it out."""

import math

import numpy as np
import numpy.typing as npt

from foretaste.serving.answers import TracedItem, TracedPlace
from foretaste.serving.pipeline.batch import Batch, Draft
from foretaste.serving.pipeline.journal import Journal
from foretaste.serving.pipeline.sources import seen_rows
from foretaste.serving.rules import EXCLUDED, broken

NEXT = 20
"""Candidates after the list that are told of when no items are named."""


def traced(batch: Batch, journal: Journal, pool: Draft) -> tuple[tuple[TracedItem, ...], ...]:
    """For each query the items asked about; ``pool`` holds the candidates before they were cut to the list."""
    return tuple(_of_one(batch, journal, pool, b) for b in range(len(batch.queries)))


def _of_one(batch: Batch, journal: Journal, pool: Draft, b: int) -> tuple[TracedItem, ...]:
    items = batch.catalogue.items
    listed = [row for row in batch.draft.rows[b].tolist() if row >= 0]
    if journal.item_ids:
        return tuple(_item(batch, journal, pool, b, item_id) for item_id in sorted(journal.item_ids))
    beyond = [row for row in pool.rows[b].tolist() if row >= 0 and row not in set(listed)][:NEXT]
    return tuple(_item(batch, journal, pool, b, item_id) for item_id in items.ids_of([*listed, *beyond]))


def _item(batch: Batch, journal: Journal, pool: Draft, b: int, item_id: str) -> TracedItem:
    row = batch.catalogue.items.row(item_id)
    if row < 0:
        return TracedItem(item_id, None, left_out=("unknown item",))
    draft = batch.draft
    place = _place(draft.rows[b], row)
    found_by = []
    for source in batch.candidates:
        at = _place(source.rows[b], row)
        if at is not None:
            found_by.append(TracedPlace(source.config.name, at + 1, _number(source.scores[b, at])))
    stages = []
    for shot in journal.snapshots:
        at = shot.place(b, row)
        if at is not None:
            stages.append(TracedPlace(shot.stage, at + 1, _number(shot.scores[b, at])))
    return TracedItem(
        item_id,
        None if place is None else place + 1,
        None if place is None else draft.names[int(draft.codes[b, place])],
        tuple(found_by),
        tuple(stages),
        _left_out(batch, pool, b, row, bool(found_by)) if place is None else (),
        {part.stage: float(part.scores[b, at]) for part in journal.features if (at := part.place(b, row)) is not None},
    )


def _left_out(batch: Batch, pool: Draft, b: int, row: int, was_found: bool) -> tuple[str, ...]:
    """Why a known item is not in list ``b``: the filters that hide it, else the threshold that it did not reach."""
    query, decision = batch.queries[b], batch.decision
    why = decision.why_not(b, row)
    if not decision.allowed(b)[row] and not [reason for reason in why if reason != EXCLUDED]:
        why.insert(0, "filter of the request")
    if row in seen_rows(query, batch.bundle, batch.catalogue):
        why.append("seen")
    if why:
        return tuple(why)
    place = _place(pool.rows[b], row)
    listed = [other for other in batch.draft.rows[b].tolist() if other >= 0]
    kept_out = set(broken(decision, b, [*listed, row])) - set(broken(decision, b, listed))
    if kept_out and was_found:
        return tuple(f"cap {name!r}" for name in sorted(kept_out))
    if place is not None:
        return (f"below the list: candidate {place + 1}",)
    return ("below the pool",) if was_found else ("no source gave it",)


def _place(rows: npt.NDArray[np.int32], row: int) -> int | None:
    found = np.flatnonzero(rows == row)
    return int(found[0]) if len(found) else None


def _number(score: np.float32) -> float | None:
    return float(score) if math.isfinite(score) else None
