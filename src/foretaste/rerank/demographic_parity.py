"""Demographic parity: a protected group has its share of every list's top, up to what chance allows."""

from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from foretaste.rerank.base import Candidates, RerankConfig, Reranker
from foretaste.rerank.slate import ItemView, Rows, Slate


class DemographicParityConfig(RerankConfig):
    """Which group, which share, how strictly."""

    kind: Literal["demographic_parity"] = "demographic_parity"
    field: str
    """Text attribute that says who is in the group, e.g. ``seller_size``."""
    group: tuple[str, ...] = Field(min_length=1)
    """The values that make up the protected group."""
    share: float | None = Field(default=None, gt=0, lt=1)
    """Its due share of the places; None means its share of the catalogue (of the items of which it is known)."""
    significance: float = Field(default=0.1, gt=0, lt=1)
    """A top that would be as poor in protected items by chance with at most this probability is not allowed; larger is
    stricter."""
    two_sided: bool = False
    """Bound the group from above in the same way."""


class DemographicParity(Reranker):
    """The order of relevance, but every prefix of the list holds as many protected items as FA*IR asks for.

    The first p places hold at least m items of the group, m the smallest with P(Binomial(p, share) ≤ m) above
    ``significance``. Where no candidate of the group is left the list goes on without. Source: Zehlike et al. 2017,
    doi:10.1145/3132847.3132938, algorithm 2, without the correction for testing every prefix (so somewhat stricter).
    Cost: O(n·k) a list.
    """

    name: ClassVar[str] = "demographic_parity"
    config_class: ClassVar[type[RerankConfig]] = DemographicParityConfig
    config: DemographicParityConfig

    def lacks(self, slate: Slate) -> str | None:
        return None if slate.view.labels(self.config.field) is not None else f"the items' {self.config.field!r}"

    def _choose(self, slate: Slate, candidates: Candidates) -> Rows:
        from foretaste.rerank.kernels import within_bounds

        view, config = slate.view, self.config
        members, share = view.derived(
            ("members", config.field, config.group), lambda: members_of(view, config.field, config.group)
        )
        least, most = bounds(candidates.width, config.share or share, config.significance)
        if not config.two_sided:
            most = np.full_like(most, candidates.width + 1)
        shape = candidates.pinned.shape
        return within_bounds(
            candidates.relevance,
            candidates.counts,
            candidates.lengths,
            candidates.pinned,
            members[candidates.rows],
            np.ascontiguousarray(np.broadcast_to(least, shape)),
            np.ascontiguousarray(np.broadcast_to(most, shape)),
        )


def members_of(view: ItemView, field: str, group: tuple[str, ...]) -> tuple[npt.NDArray[np.bool_], float]:
    """Which items are in the group (I,), and their share of those that have any value."""
    labels = view.labels(field)
    assert labels is not None
    wanted = np.array([labels.code(name) for name in group])
    owners = np.repeat(np.arange(labels.n_items), np.diff(labels.indptr))
    members = np.zeros(view.n_items, dtype=bool)
    members[owners[np.isin(labels.codes, wanted)]] = True
    return members, float(members.sum() / max(1, len(np.unique(owners))))


def bounds(width: int, share: float, significance: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Least and most members among the first 1 … ``width`` places."""
    places = np.arange(1, width + 1)
    return least_by_chance(places, share, significance), places - least_by_chance(places, 1.0 - share, significance)


def least_by_chance(places: npt.NDArray[np.int64], share: float, significance: float) -> npt.NDArray[np.int64]:
    """The smallest m with P(Binomial(p, share) ≤ m) > ``significance``, for each p of ``places``.

    >>> least_by_chance(np.arange(1, 13), 0.5, 0.1).tolist()
    [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 4]
    """
    from scipy.special import bdtr

    counts = np.arange(places.max(initial=0) + 1)
    too_few = (bdtr(counts[None, :], places[:, None], share) <= significance) & (counts < places[:, None])
    return np.asarray(too_few.sum(axis=1), dtype=np.int64)
