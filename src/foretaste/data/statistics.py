"""What a data set looks like: size, density, long tail, time, actions, ratings."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from foretaste.data.dataset import Dataset

_QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)
_MAX_BARS = 20


@dataclass(frozen=True)
class DatasetStatistics:
    """Figures of a data set; shares are between 0 and 1, unknown figures None."""

    name: str
    n_users: int
    n_items: int
    n_interactions: int
    n_pairs: int
    """Distinct user-item pairs."""
    density: float
    """``n_pairs`` / (users × items)."""
    n_cold_users: int
    """Users without interactions."""
    n_cold_items: int
    interactions_per_user: Mapping[str, float]
    """Mean and quantiles over users with interactions (``mean``, ``0%`` … ``100%``)."""
    interactions_per_item: Mapping[str, float]
    top_items_share: Mapping[str, float]
    """Share of interactions of the most popular 1, 10 and 20 % of the items (at least one item)."""
    gini: float
    """Inequality of interactions over items, cold ones included: 0 all alike, near 1 all on one."""
    first_time: str | None
    """ISO 8601, UTC."""
    last_time: str | None
    days: float | None
    share_with_time: float
    actions: Mapping[str, int]
    is_explicit: bool
    ratings: Mapping[str, int] | None
    """How often each rating occurs (in ``bins`` where there are many different ones); None for implicit data."""
    mean_rating: float | None
    n_zero_weights: int
    """Interactions that were seen, but show no interest."""
    n_links: int
    user_features: Mapping[str, str]
    item_features: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)

    def to_text(self) -> str:
        """As readable lines."""
        lines = [
            f"{self.name}: {self.n_users:,} users, {self.n_items:,} items, {self.n_interactions:,} interactions",
            f"  density {self.density:.4%}, {self.n_pairs:,} different user-item pairs",
            f"  cold: {self.n_cold_users:,} users and {self.n_cold_items:,} items without interactions",
            f"  per user: {_spread(self.interactions_per_user)}",
            f"  per item: {_spread(self.interactions_per_item)}",
            "  long tail: "
            + ", ".join(f"top {name} of items have {share:.1%}" for name, share in self.top_items_share.items())
            + f"; Gini {self.gini:.3f}",
            f"  time: {self.first_time} to {self.last_time} ({self.days:,.1f} days)"
            if self.days is not None
            else "  time: unknown",
            "  actions: " + ", ".join(f"{name} {count:,}" for name, count in self.actions.items()),
        ]
        if self.ratings is not None:
            bars = ", ".join(f"{rating}: {count:,}" for rating, count in self.ratings.items())
            lines.append(f"  ratings: mean {self.mean_rating:.3f}; {bars}")
        if self.n_zero_weights and not self.is_explicit:
            lines.append(f"  seen without interest: {self.n_zero_weights:,}")
        if self.n_links:
            lines.append(f"  links between users: {self.n_links:,}")
        for what, kinds in (("user", self.user_features), ("item", self.item_features)):
            if kinds:
                lines.append(f"  {what} features: " + ", ".join(f"{name} ({kind})" for name, kind in kinds.items()))
        return "\n".join(lines)


def describe(dataset: Dataset) -> DatasetStatistics:
    """Figures of ``dataset``. O(N log N) time; a data set without interactions gives zeros."""
    events = dataset.interactions
    n = len(events)
    per_user = np.bincount(events.user_rows, minlength=dataset.n_users)
    per_item = np.bincount(events.item_rows, minlength=dataset.n_items)
    pairs = np.unique(events.user_rows.astype(np.int64) * max(dataset.n_items, 1) + events.item_rows)
    cells = dataset.n_users * dataset.n_items
    times = events.timestamps[~np.isnan(events.timestamps)]
    types = np.bincount(events.types, minlength=len(events.type_names))
    return DatasetStatistics(
        name=dataset.name,
        n_users=dataset.n_users,
        n_items=dataset.n_items,
        n_interactions=n,
        n_pairs=len(pairs),
        density=len(pairs) / cells if cells else 0.0,
        n_cold_users=int((per_user == 0).sum()),
        n_cold_items=int((per_item == 0).sum()),
        interactions_per_user=_quantiles(per_user[per_user > 0]),
        interactions_per_item=_quantiles(per_item[per_item > 0]),
        top_items_share={f"{share:.0%}": _top_share(per_item, share) for share in (0.01, 0.1, 0.2)},
        gini=gini(per_item),
        first_time=_iso(times.min()) if len(times) else None,
        last_time=_iso(times.max()) if len(times) else None,
        days=float(np.ptp(times)) / 86_400.0 if len(times) else None,
        share_with_time=len(times) / n if n else 0.0,
        actions={name: int(count) for name, count in zip(events.type_names, types, strict=False)},
        is_explicit=dataset.is_explicit,
        ratings=_histogram(events.weights) if dataset.is_explicit and n else None,
        mean_rating=float(events.weights.mean(dtype=np.float64)) if dataset.is_explicit and n else None,
        n_zero_weights=int((events.weights <= 0).sum()),
        n_links=0 if dataset.links is None else len(dataset.links[0]),
        user_features=dict(dataset.user_features),
        item_features=dict(dataset.item_features),
    )


def gini(counts: npt.NDArray[np.integer]) -> float:
    """Gini coefficient of non-negative counts: Σᵢ (2i - n - 1)·xᵢ / (n·Σx) with x ascending; 0 when all are zero."""
    total = int(counts.sum())
    if total == 0:
        return 0.0
    ascending = np.sort(counts).astype(np.float64)
    n = len(ascending)
    return float(((2 * np.arange(1, n + 1) - n - 1) * ascending).sum() / (n * total))


def _top_share(counts: npt.NDArray[np.integer], share: float) -> float:
    total = int(counts.sum())
    best = max(1, round(share * len(counts)))
    return float(np.sort(counts)[::-1][:best].sum() / total) if total else 0.0


def _quantiles(counts: npt.NDArray[np.integer]) -> dict[str, float]:
    if len(counts) == 0:
        return {}
    values = np.quantile(counts, _QUANTILES)
    return {"mean": float(counts.mean())} | {f"{q:.0%}": float(v) for q, v in zip(_QUANTILES, values, strict=True)}


def _histogram(ratings: npt.NDArray[np.float32]) -> dict[str, int]:
    values, counts = np.unique(ratings, return_counts=True)
    if len(values) <= _MAX_BARS:
        return {f"{value:g}": int(count) for value, count in zip(values.tolist(), counts, strict=True)}
    counts, edges = np.histogram(ratings, bins=10)
    return {f"{a:.3g}–{b:.3g}": int(c) for a, b, c in zip(edges[:-1], edges[1:], counts, strict=True)}


def _spread(figures: Mapping[str, float]) -> str:
    if not figures:
        return "none"
    return (
        f"mean {figures['mean']:.1f}, median {figures['50%']:,.0f}, "
        f"least {figures['0%']:,.0f}, 90 % up to {figures['90%']:,.0f}, most {figures['100%']:,.0f}"
    )


def _iso(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(float(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{seconds:g} s after 1970"
