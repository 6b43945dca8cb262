"""Beyond accuracy: does everybody get the same few items?"""

from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from foretaste.evaluation.metrics.base import Catalogue, ExposureMetric, Floats, Judged, UserMetric


class CatalogCoverage(ExposureMetric):
    """The part of all items that is in at least one list."""

    name: ClassVar[str] = "catalog_coverage"

    def value(self, exposure: npt.NDArray[np.int64], catalogue: Catalogue) -> float:
        return float((exposure > 0).sum() / max(catalogue.n_items, 1))


class Gini(ExposureMetric):
    """How unequally the items are listed: 0 when all equally often, near 1 when all lists hold the same few."""

    name: ClassVar[str] = "gini"
    higher_is_better: ClassVar[bool] = False

    def value(self, exposure: npt.NDArray[np.int64], catalogue: Catalogue) -> float:
        total, n = exposure.sum(), len(exposure)
        if total == 0:
            return float("nan")
        ranks = np.arange(1, n + 1)
        return float(((2 * ranks - n - 1) @ np.sort(exposure)) / (n * total))


class Novelty(UserMetric):
    """Mean self-information of the listed items in bits: -log2 of the part of train users who took the item.

    An item that nobody took counts as if one user had. Source: Zhou et al. 2010, doi:10.1073/pnas.1000488107.
    """

    name: ClassVar[str] = "novelty"

    def per_user(self, judged: Judged) -> Floats:
        catalogue = judged.catalogue
        shares = np.maximum(catalogue.user_counts, 1) / max(catalogue.n_users, 1)
        return _list_mean(judged, -np.log2(shares))


class LongTailShare(UserMetric):
    """The part of the listed items that is outside the head of the catalogue."""

    name: ClassVar[str] = "long_tail_share"

    head_share: float = Field(default=0.8, gt=0, lt=1)
    """The head is the fewest most popular items that hold this part of all user-item pairs of train."""

    def per_user(self, judged: Judged) -> Floats:
        return _list_mean(judged, (~judged.catalogue.head(self.head_share)).astype(np.float64))


class PopularityBias(UserMetric):
    """Mean popularity of the listed items over the mean popularity of what people took in train.

    1 when lists are as popular as people's own choices, above 1 when they are more so. Popularity is the part of train
    users who took the item.
    """

    name: ClassVar[str] = "popularity_bias"
    higher_is_better: ClassVar[bool] = False

    def per_user(self, judged: Judged) -> Floats:
        catalogue = judged.catalogue
        taken = catalogue.user_counts @ catalogue.shares / max(int(catalogue.user_counts.sum()), 1)
        if taken == 0:
            return np.full(len(judged), np.nan)
        return _list_mean(judged, catalogue.shares / taken)


def _list_mean(judged: Judged, values: Floats) -> Floats:
    """The mean of ``values`` (I,) over each list (B,), NaN for an empty one."""
    picked = np.append(values, 0.0)[judged.item_rows]  # the padding, -1, picks the 0 at the end
    summed = picked @ np.ones(judged.k)
    return np.asarray(summed / np.where(judged.lengths > 0, judged.lengths, np.nan))
