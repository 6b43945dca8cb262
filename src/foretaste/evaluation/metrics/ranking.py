"""Accuracy of ranked lists: is what people took in the list, and how far up?

Formulas as in Järvelin and Kekäläinen 2002 (NDCG) and in TREC's evaluation tool (the others). Users without a relevant
item have no value.
"""

from typing import ClassVar, Literal

import numpy as np

from foretaste.evaluation.metrics.base import Floats, Judged, UserMetric

Denominator = Literal["relevant", "capped"]


class Precision(UserMetric):
    """The part of the k places that hold relevant items; a short list has empty places."""

    name: ClassVar[str] = "precision"

    def per_user(self, judged: Judged) -> Floats:
        return np.where(judged.n_relevant > 0, judged.n_hits / self.k, np.nan)


class Recall(UserMetric):
    """The part of the relevant items that the list holds."""

    name: ClassVar[str] = "recall"

    denominator: Denominator = "relevant"
    """Divide by all relevant items, or (capped) by min(k, relevant items), so that a full list can reach 1."""

    def per_user(self, judged: Judged) -> Floats:
        return judged.n_hits / _denominator(judged, self.denominator, self.k)


class F1(UserMetric):
    """The harmonic mean of precision and recall; 0 when both are."""

    name: ClassVar[str] = "f1"

    def per_user(self, judged: Judged) -> Floats:
        # 2PR / (P + R) with P = h / k and R = h / n is 2h / (k + n).
        return 2 * judged.n_hits / (self.k + judged.relevant)


class HitRate(UserMetric):
    """1 when at least one relevant item is in the list, else 0."""

    name: ClassVar[str] = "hit_rate"

    def per_user(self, judged: Judged) -> Floats:
        return np.where(judged.n_relevant > 0, judged.n_hits > 0, np.nan)


class MRR(UserMetric):
    """The reciprocal rank of the first relevant item, 0 when none is in the list."""

    name: ClassVar[str] = "mrr"

    def per_user(self, judged: Judged) -> Floats:
        first = (judged.hits / np.arange(1, judged.k + 1)).max(axis=1)
        return np.where(judged.n_relevant > 0, first, np.nan)


class MAP(UserMetric):
    """Average precision: the precision at each hit, summed and divided by the number of relevant items."""

    name: ClassVar[str] = "map"

    denominator: Denominator = "relevant"
    """Divide by all relevant items, or (capped) by min(k, relevant items)."""

    def per_user(self, judged: Judged) -> Floats:
        ranks = np.arange(1, judged.k + 1)
        means = np.triu(np.ones((judged.k, judged.k))) / ranks  # column i averages the places up to i
        summed: Floats = np.einsum("bk,bk->b", judged.hits @ means, judged.hits)
        return summed / _denominator(judged, self.denominator, self.k)


class NDCG(UserMetric):
    """Discounted gain over that of the best possible list: Σ gain / log2(rank + 1), both cut off at k.

    The ideal list is cut off at k too, so min(k, relevant items) places count.
    """

    name: ClassVar[str] = "ndcg"

    gain: Literal["binary", "linear", "exponential"] = "binary"
    """Gain of an item with weight w in test: 1, w or 2^w - 1."""

    def per_user(self, judged: Judged) -> Floats:
        discounts = 1.0 / np.log2(np.arange(2, judged.k + 2))
        if self.gain == "binary":
            best: Floats = np.concatenate([[np.nan], np.cumsum(discounts)])[np.minimum(judged.n_relevant, judged.k)]
            return np.asarray((judged.hits @ discounts) / best)
        gains, ideal = judged.gains, judged.ideal_gains
        if self.gain == "exponential":
            gains, ideal = np.exp2(gains) - 1, np.exp2(ideal) - 1
        best = np.where(judged.n_relevant > 0, ideal @ discounts, np.nan)
        return np.asarray((gains @ discounts) / best)


def _denominator(judged: Judged, kind: Denominator, k: int) -> Floats:
    return judged.relevant if kind == "relevant" else np.minimum(judged.relevant, k)
