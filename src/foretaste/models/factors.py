"""What models with a vector for each user and item share: whose vector is at hand, and vectors of length one."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from foretaste.data import Histories
from foretaste.models.batches import UserBatch

Floats = npt.NDArray[np.float32]


def embedded(batch: UserBatch, table: Floats, fold: Callable[[Histories], Floats]) -> Floats:
    """Vectors (B, F) of the users: their rows of ``table`` (U, F), or ``fold`` of the histories that are newer.

    They are kept with the batch, as a model that gives candidates and ranks them would fold in twice.
    """
    kept = batch.kept.get("embedded")
    if kept is not None and kept[0] is table:
        return np.array(kept[1])
    learnt = batch.learnt
    factors = np.zeros((len(batch), table.shape[1]), np.float32)
    factors[learnt] = table[batch.rows[learnt]]
    places, histories = batch.fresh()
    if len(places):
        factors[places] = fold(histories)
    batch.kept["embedded"] = (table, factors)
    return factors.copy()


def unit_rows(factors: Floats) -> Floats:
    """The rows at length one; those of nothing stay zero."""
    lengths = np.linalg.norm(factors, axis=1, keepdims=True)
    return np.asarray(factors / np.where(lengths > 0, lengths, 1.0), np.float32)
