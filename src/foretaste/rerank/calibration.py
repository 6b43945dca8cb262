"""Calibration: a list whose categories have the shares that they have in the user's own history."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from foretaste.models.kernels.jit import kernel
from foretaste.rerank.base import Candidates, RerankConfig, Reranker
from foretaste.rerank.kernels import Floats, Ints, Longs, mark_pinned
from foretaste.rerank.slate import Labels, Rows, Slate


class CalibrationConfig(RerankConfig):
    """Which attribute is calibrated, and how much it counts."""

    kind: Literal["calibration"] = "calibration"
    field: str = "categories"
    """The text attribute whose values shall have the shares of the history; an item with several counts for each of
    them with an equal part. In a service ``categories`` holds what items name as category, categories or genres."""
    trade_off: float = Field(default=0.7, ge=0, le=1)
    """Share of relevance; the rest is against divergence. 1 leaves the order as it is."""
    smoothing: float = Field(default=0.01, gt=0, lt=1)
    """Part α of the history's own shares that is mixed into those of the list, so that the divergence stays finite."""


class Calibration(Reranker):
    """Greedy: next comes the item with the largest t·relevance - (1 - t)·KL(p || q̃) of the list with it.

    p are the categories' shares in the history (by weight), q those in the list, q̃ = (1 - α)·q + α·p. Items without
    a category count in neither; a user without a history in known categories keeps the order. Source: Steck 2018,
    doi:10.1145/3240323.3240372 (λ is 1 - t), with relevance scaled to 0 … 1.
    Cost: O(k·(n·c + G)) a list for c categories an item and G in the history.
    """

    name: ClassVar[str] = "calibration"
    config_class: ClassVar[type[RerankConfig]] = CalibrationConfig
    config: CalibrationConfig

    def lacks(self, slate: Slate) -> str | None:
        if slate.view.labels(self.config.field) is None:
            return f"the items' {self.config.field!r}"
        return None if len(slate.histories) else "the users' histories"

    def _choose(self, slate: Slate, candidates: Candidates) -> Rows:
        labels = slate.view.labels(self.config.field)
        assert labels is not None
        return choose(
            candidates.rows,
            candidates.relevance,
            candidates.counts,
            candidates.lengths,
            candidates.pinned,
            labels.indptr,
            labels.codes,
            history_shares(slate, labels),
            np.float32(self.config.trade_off),
            np.float32(self.config.smoothing),
        )


def history_shares(slate: Slate, labels: Labels) -> Floats:
    """The share of each value in the history of each user (B, G); zeros where nothing is known."""
    lengths = np.array([len(history) for history in slate.histories], dtype=np.int64)
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    rows = np.concatenate(slate.histories).astype(np.int32)
    weights = np.ones(len(rows), np.float32)
    if len(slate.history_weights):
        weights = np.concatenate(slate.history_weights).astype(np.float32)
    shares = np.zeros((len(lengths), len(labels.names)), np.float32)
    add_shares(indptr, rows, weights, labels.indptr, labels.codes, shares)
    return shares


@kernel
def add_shares(
    indptr: Longs, rows: Ints, weights: Floats, label_indptr: Longs, label_codes: Ints, shares: Floats
) -> None:
    """Fill ``shares`` (B, G), which comes with zeros; weights that are not positive count for nothing."""
    for b in range(len(indptr) - 1):
        total = np.float32(0.0)
        for place in range(indptr[b], indptr[b + 1]):
            row, weight = rows[place], weights[place]
            if row < 0 or not weight > 0:
                continue
            start, stop = label_indptr[row], label_indptr[row + 1]
            for n in range(start, stop):
                shares[b, label_codes[n]] += weight / np.float32(stop - start)
            if stop > start:
                total += weight
        if total > 0:
            for g in range(shares.shape[1]):
                shares[b, g] /= total


@kernel
def choose(
    rows: Ints,
    relevance: Floats,
    counts: Longs,
    lengths: Longs,
    pinned: Ints,
    label_indptr: Longs,
    label_codes: Ints,
    shares: Floats,
    trade_off: np.float32,
    smoothing: np.float32,
) -> Ints:
    """Candidates at each place (B, K); ``shares`` (B, G) are the wanted ones."""
    n_lists, width = pinned.shape
    n_codes = shares.shape[1]
    chosen = np.full((n_lists, width), -1, np.int32)
    listed = np.empty(n_codes, np.float32)  # how often each value stands in the list
    logs = np.empty(n_codes, np.float32)  # log q̃ of a list with one item more that has none of the values
    for b in range(n_lists):
        n = counts[b]
        taken = np.zeros(n, np.bool_)
        mark_pinned(pinned[b], taken)
        listed[:] = 0.0
        labelled = np.float32(0.0)
        wanted = np.flatnonzero(shares[b])
        for place in range(lengths[b]):
            best = pinned[b, place]
            if best < 0:
                stay, base = np.float32(0.0), np.float32(0.0)  # KL with an item without values, with others
                for g in wanted:
                    p = shares[b, g]
                    q = smoothing * p + (np.float32(1.0) - smoothing) * listed[g] / max(labelled, np.float32(1.0))
                    stay += p * np.log(p / q)
                    q = smoothing * p + (np.float32(1.0) - smoothing) * listed[g] / (labelled + np.float32(1.0))
                    logs[g] = np.log(q)
                    base += p * (np.log(p) - logs[g])
                top = np.float32(-np.inf)
                for c in range(n):
                    if taken[c]:
                        continue
                    start, stop = label_indptr[rows[b, c]], label_indptr[rows[b, c] + 1]
                    divergence = base if stop > start else stay
                    for at in range(start, stop):
                        g = label_codes[at]
                        p = shares[b, g]
                        if p > 0:
                            more = listed[g] + np.float32(1.0) / np.float32(stop - start)
                            q = smoothing * p + (np.float32(1.0) - smoothing) * more / (labelled + np.float32(1.0))
                            divergence += p * (logs[g] - np.log(q))
                    value = trade_off * relevance[b, c] - (np.float32(1.0) - trade_off) * divergence
                    if best < 0 or value > top:
                        best, top = c, value
                taken[best] = True
            chosen[b, place] = best
            start, stop = label_indptr[rows[b, best]], label_indptr[rows[b, best] + 1]
            for at in range(start, stop):
                listed[label_codes[at]] += np.float32(1.0) / np.float32(stop - start)
            if stop > start:
                labelled += np.float32(1.0)
    return chosen
