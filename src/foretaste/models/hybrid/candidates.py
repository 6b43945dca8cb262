"""The candidates that weights are learned on: never users × items, only what could stand at the top of a list."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foretaste.data import Histories, Population
from foretaste.models.base import FloatBlock, Recommender, UserBatch
from foretaste.models.batches import known_batch
from foretaste.models.hybrid.holdout import Holdout
from foretaste.models.ranking import rank_dense
from foretaste.models.threads import map_threads, n_threads

_BLOCK_BYTES = 160_000_000
"""Scores of all parts held at once by all threads together."""
PartScores = Callable[[Recommender, UserBatch], FloatBlock]


@dataclass(frozen=True, eq=False)
class Candidates:
    """For each of U users the items to weigh, relevant ones first, with the parts' scores on one scale."""

    features: npt.NDArray[np.float32]  # (P, N)
    indptr: npt.NDArray[np.int64]  # (U + 1,)
    n_positive: npt.NDArray[np.int64]  # (U,)
    n_liked: npt.NDArray[np.int64]  # (U,) items in the history

    def __len__(self) -> int:
        return len(self.n_positive)

    def of_users(self, chosen: npt.NDArray[np.bool_]) -> "Candidates":
        """Those of some users."""
        widths = np.diff(self.indptr)
        indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(widths[chosen])])
        features = np.ascontiguousarray(self.features[:, np.repeat(chosen, widths)])
        return Candidates(features, indptr, self.n_positive[chosen], self.n_liked[chosen])

    @classmethod
    def joined(cls, parts: Sequence["Candidates"]) -> "Candidates":
        """Several sets, one after the other."""
        widths = np.concatenate([np.diff(part.indptr) for part in parts])
        return cls(
            np.concatenate([part.features for part in parts], axis=1),
            np.concatenate([np.zeros(1, np.int64), np.cumsum(widths)]),
            np.concatenate([part.n_positive for part in parts]),
            np.concatenate([part.n_liked for part in parts]),
        )


def gather(
    models: Sequence[Recommender],
    holdout: Holdout,
    scaled: PartScores,
    *,
    n_candidates: int,
    max_users: int,
    seed: int,
) -> Candidates:
    """The union of each part's ``n_candidates`` best unseen items and the held-out ones, for at most ``max_users``.

    ``scaled`` gives a part's scores (B, I) on one scale; ``models`` are fitted on the holdout's train part.
    """
    users = holdout.users
    if len(users) > max_users:
        users = np.sort(np.random.default_rng(seed).choice(users, max_users, replace=False))
    population = holdout.train.population
    n_items = len(population.items)
    step = int(np.clip(_BLOCK_BYTES // (4 * n_items * len(models) * n_threads()), 1, 512))

    def block(start: int) -> Candidates:
        chosen = users[start : start + step]
        return _block(models, population, holdout, scaled, chosen, min(n_candidates, n_items))

    return Candidates.joined(map_threads(block, range(0, len(users), step)))


def _block(
    models: Sequence[Recommender],
    population: Population,
    holdout: Holdout,
    scaled: PartScores,
    users: npt.NDArray[np.int32],
    n_candidates: int,
) -> Candidates:
    batch = known_batch(population, users)
    scores = [scaled(model, batch) for model in models]
    wanted = np.zeros((len(users), len(population.items)), dtype=bool)
    everyone = np.arange(len(users))
    liked = batch.histories.matrix("binary")  # what was seen without interest may stand among the candidates
    seen = _as_histories(liked.indptr.astype(np.int64), liked.indices.astype(np.int32), len(population.items))
    for part in scores:
        rows, _ = rank_dense(part.copy(), k=n_candidates, seen=seen)
        b, _ = np.nonzero(rows >= 0)
        wanted[b, rows[rows >= 0]] = True
    counts = np.diff(holdout.indptr)[users]
    held = _as_histories(holdout.indptr, holdout.item_rows, len(population.items)).take(users)
    owners = np.repeat(everyone, counts)
    wanted[owners, held.item_rows] = False
    b, items = np.nonzero(wanted)
    rows = np.concatenate([owners, b])
    columns = np.concatenate([held.item_rows, items])
    order = np.argsort(rows, kind="stable")  # held-out items stay first
    rows, columns = rows[order], columns[order]
    features = np.stack([part[rows, columns] for part in scores])
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(rows, minlength=len(users)))])
    n_liked = np.diff(liked.indptr).astype(np.int64)
    return Candidates(np.ascontiguousarray(features), indptr.astype(np.int64), counts.astype(np.int64), n_liked)


def _as_histories(indptr: npt.NDArray[np.int64], item_rows: npt.NDArray[np.int32], n_items: int) -> Histories:
    n = len(item_rows)
    return Histories(indptr, item_rows, np.ones(n, np.float32), np.full(n, np.nan), n_items)
