"""A part of every user's items held out, for models that learn from their parts' mistakes."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from foretaste.data import Dataset


@dataclass(frozen=True, eq=False)
class Holdout:
    """A data set without the held-out pairs, and those pairs by user (CSR over all users)."""

    train: Dataset
    indptr: npt.NDArray[np.int64]  # (U + 1,)
    item_rows: npt.NDArray[np.int32]  # (N,)

    @property
    def users(self) -> npt.NDArray[np.int32]:
        """Rows of the users who have something held out."""
        return np.flatnonzero(np.diff(self.indptr) > 0).astype(np.int32)


def hold_out(data: Dataset, share: float, *, seed: int = 0, fold: int = 0) -> Holdout | None:
    """Hold out a random ``share`` of the items each user likes, at least one, and leave at least one.

    Users with a single item keep it. Folds of one seed hold out different parts as far as the share allows. What was
    seen without interest is neither held out nor drawn from, so it changes nothing. None when nobody has two items.
    """
    liked = data.matrix("binary")
    counts = np.diff(liked.indptr).astype(np.int64)
    rows = np.repeat(np.arange(data.n_users, dtype=np.int64), counts)
    wanted = np.clip(np.rint(counts * share).astype(np.int64), 1, np.maximum(counts - 1, 0))
    wanted[counts < 2] = 0
    if not wanted.any():
        return None
    order = np.argsort(rows + 0.999 * np.random.default_rng(seed).random(len(rows)), kind="stable")
    place = np.empty(len(rows), dtype=np.int64)
    place[order] = np.arange(len(rows)) - np.repeat(liked.indptr[:-1].astype(np.int64), counts)
    turned = (place - fold * np.repeat(wanted, counts)) % np.repeat(np.maximum(counts, 1), counts)
    held = turned < np.repeat(wanted, counts)
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(rows[held], minlength=data.n_users))])
    items = liked.indices[held].astype(np.int32)
    keys = rows[held] * data.n_items + items
    interactions = data.interactions
    own = interactions.user_rows.astype(np.int64) * data.n_items + interactions.item_rows
    kept = ~np.isin(own, keys)
    train = replace(data.with_interactions(interactions.where(kept)), name=f"{data.name} (inner train)")
    return Holdout(train, indptr.astype(np.int64), items)
