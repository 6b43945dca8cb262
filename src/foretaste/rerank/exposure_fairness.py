"""Fairness of exposure: items, or sellers, that were shown less than they merit come higher."""

from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from foretaste.rerank.base import Candidates, RerankConfig, Reranker
from foretaste.rerank.slate import ItemView, Rows, Slate


class ExposureFairnessConfig(RerankConfig):
    """Among whom exposure is shared, by what merit, and how much it counts."""

    kind: Literal["exposure_fairness"] = "exposure_fairness"
    field: str | None = None
    """Text attribute whose values are the groups, e.g. ``seller``; without it each item stands for itself."""
    merit: Literal["popularity", "even"] = "popularity"
    """Exposure is due in the shares of what people took, or the same to each item."""
    trade_off: float = Field(default=0.8, gt=0, le=1)
    """Share t of relevance; the rest is for what is owed. No item is passed by one whose relevance (0 … 1) is more than
    (1 - t)/t lower. 1 leaves the order as it is."""


class ExposureFairness(Reranker):
    """The order of t·relevance + (1 - t)·deficit: a controller that pays back, over many lists, what is owed.

    The deficit of a group is the part of its merited exposure that it has not had: 1 - (its share of the exposure)/(its
    share of the merit), from 0 (as much as it merits, or more) to 1 (never shown). Exposure is what was counted until
    now, so lists made at the same moment do not know of each other. Items without a group, and groups without merit,
    are owed nothing. Source: the controller of Morik, Singh, Hong and Joachims 2020, arXiv:2005.14713 (FairCo), with
    the deficit as a share so that the loss of relevance is bounded. Cost: O(n·k) a list.
    """

    name: ClassVar[str] = "exposure_fairness"
    config_class: ClassVar[type[RerankConfig]] = ExposureFairnessConfig
    config: ExposureFairnessConfig

    def lacks(self, slate: Slate) -> str | None:
        view, config = slate.view, self.config
        if view.exposure is None:
            return "the items' exposure"
        if config.merit == "popularity" and view.popularity is None:
            return "the items' popularity"
        if config.field is not None and view.labels(config.field) is None:
            return f"the items' {config.field!r}"
        return None

    def _choose(self, slate: Slate, candidates: Candidates) -> Rows:
        from foretaste.rerank.kernels import by_score

        view, config = slate.view, self.config
        deficit = view.derived(
            ("deficit", config.field, config.merit), lambda: deficits(view, config.field, config.merit)
        )
        owed = deficit[candidates.rows]
        score = np.float32(config.trade_off) * candidates.relevance + np.float32(1.0 - config.trade_off) * owed
        return by_score(score, candidates.counts, candidates.lengths, candidates.pinned)


def deficits(view: ItemView, field: str | None, merit: str) -> npt.NDArray[np.float32]:
    """What part of its merited exposure each item's group has not had (I,), 0 … 1."""
    assert view.exposure is not None
    groups = np.arange(view.n_items) if field is None else view.codes(field)
    has_group = groups >= 0
    due = np.ones(view.n_items) if merit == "even" or view.popularity is None else view.popularity
    n_groups = int(groups.max(initial=-1)) + 1
    merits = np.bincount(groups[has_group], weights=np.maximum(due[has_group], 0.0), minlength=n_groups)
    shown = np.bincount(groups[has_group], weights=np.maximum(view.exposure[has_group], 0.0), minlength=n_groups)
    if merits.sum() <= 0:
        return np.zeros(view.n_items, dtype=np.float32)
    expected = merits / merits.sum() * shown.sum()
    owed = np.zeros(n_groups)
    np.divide(shown, expected, out=owed, where=expected > 0)
    owed = np.where(merits > 0, np.clip(1.0 - owed, 0.0, 1.0), 0.0)
    return np.where(has_group, owed[groups], 0.0).astype(np.float32)
