"""Judging a fitted model on the test part of a split, in batches of users."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from foretaste.errors import DataInsufficientError
from foretaste.evaluation.intervals import Floats, bootstrap, mean_intervals
from foretaste.evaluation.metrics import (
    AnyMetric,
    Catalogue,
    ExposureMetric,
    RatingMetric,
    Truth,
    UserMetric,
    judge,
    parse_metrics,
)
from foretaste.evaluation.splits import Split
from foretaste.models import Recommender

DEFAULT_METRICS = (
    "ndcg",
    "recall",
    "precision",
    "hit_rate",
    "map",
    "mrr",
    "catalog_coverage",
    "novelty",
    "long_tail_share",
)
BATCH_USERS = 8192
"""Users asked for and judged at once: memory does not grow with the number of users."""


@dataclass(frozen=True)
class Value:
    """One metric of one model: its value, the ends of its 95 % bootstrap interval (NaN where there is none)."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Evaluation:
    """What one model reached on one split.

    ``per_user`` holds the values (B,) of the metrics that are means over users, NaN where undefined, for paired tests.
    """

    values: dict[str, Value]
    n_users: int
    seconds: float
    protocol: str
    warnings: tuple[str, ...] = ()
    per_user: dict[str, Floats] = field(default_factory=dict, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, without those of single users."""
        return {
            "metrics": {label: {"mean": v.mean, "low": v.low, "high": v.high} for label, v in self.values.items()},
            "n_users": self.n_users,
            "seconds": self.seconds,
            "protocol": self.protocol,
            "warnings": list(self.warnings),
        }


def evaluate(
    model: Recommender,
    split: Split,
    metrics: Sequence[str | AnyMetric] = DEFAULT_METRICS,
    *,
    k: Sequence[int] = (10,),
    exclude_seen: bool = True,
    known_users_only: bool = False,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Rank all items for every user of the test part and judge the lists.

    Candidates are all items, or those that the split names, without those of the user's train part unless
    ``exclude_seen`` is False; what is relevant is what the test part gives a weight above 0 and train does not hold. A
    user who is new to train is ranked by models that need no history, and gets an empty list, which counts as a miss,
    from the others; ``known_users_only`` leaves such users out.

    Raises:
        DataInsufficientError: no user of the test part has anything to find.
        UnknownNameError, ConfigurationError: of the metrics.
    """
    parsed = parse_metrics(metrics, k=k)
    start = time.perf_counter()
    users, truth, n_known = _truth(split, exclude_seen=exclude_seen, known_users_only=known_users_only)
    catalogue = Catalogue.of(split.train)
    listed = [metric for metric in parsed if isinstance(metric, UserMetric | ExposureMetric)]
    values: dict[str, Value] = {}
    per_user: dict[str, Floats] = {}
    if listed:
        per_user, exposures = _judge_lists(
            model, users, truth, catalogue, listed, exclude_seen=exclude_seen, allowed=split.candidates
        )
        values |= _list_values(listed, per_user, exposures, catalogue, n_resamples=n_resamples, seed=seed)
    ratings = [metric for metric in parsed if isinstance(metric, RatingMetric)]
    warnings = _warnings(split, users, n_known)
    if ratings:
        values |= _rating_values(model, split, ratings, n_resamples=n_resamples, seed=seed)
        if not model.predicts_ratings:
            warnings = (*warnings, f"model {model.name!r} predicts no ratings: its rating errors mean nothing")
    masked = "train items left out" if exclude_seen else "train items included"
    known = " known to train" if known_users_only else ""
    protocol = f"{split.protocol}; {_ranked(split)}, {masked}; {len(users)} users{known} judged"
    order = [metric.label for metric in parsed]
    return Evaluation(
        {label: values[label] for label in order},
        len(users),
        time.perf_counter() - start,
        protocol,
        warnings,
        per_user,
    )


def _ranked(split: Split) -> str:
    if split.candidates is None:
        return f"full ranking of {split.train.n_items} items"
    return f"ranking of {int(split.candidates.sum())} of {split.train.n_items} items only"


def _truth(split: Split, *, exclude_seen: bool, known_users_only: bool) -> tuple[npt.NDArray[np.int32], Truth, int]:
    """The users to judge, what each should be shown, and how many test pairs train already holds."""
    wanted = split.test.matrix("weight")
    n_pairs = wanted.nnz
    if exclude_seen:
        histories = split.train.histories
        rows = np.repeat(np.arange(split.train.n_users, dtype=np.int64), histories.lengths)
        known = np.unique(rows * split.train.n_items + histories.item_rows)
        users = np.repeat(np.arange(wanted.shape[0], dtype=np.int64), np.diff(wanted.indptr))
        fresh = ~np.isin(users * split.train.n_items + wanted.indices, known)
        counts = np.bincount(users[fresh], minlength=wanted.shape[0])
        indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        items, weights = wanted.indices[fresh], wanted.data[fresh]
    else:
        indptr, items, weights = wanted.indptr.astype(np.int64), wanted.indices, wanted.data
    judged = np.diff(indptr) > 0
    if known_users_only:
        judged &= split.train.histories.lengths > 0
    chosen = np.flatnonzero(judged).astype(np.int32)
    if len(chosen) == 0:
        raise DataInsufficientError(
            f"no user of the test part of {split.test.name!r} has anything to find that train does not hold",
            hint="use another split, or exclude_seen=False",
        )
    truth = Truth(indptr, items.astype(np.int32), weights.astype(np.float64)).take(chosen)
    return chosen, truth, n_pairs - len(items)


def _judge_lists(
    model: Recommender,
    users: npt.NDArray[np.int32],
    truth: Truth,
    catalogue: Catalogue,
    metrics: Sequence[UserMetric | ExposureMetric],
    *,
    exclude_seen: bool,
    allowed: npt.NDArray[np.bool_] | None,
) -> tuple[dict[str, Floats], dict[int, npt.NDArray[np.int64]]]:
    """Values per user of the user metrics, and how often each item was listed for each cutoff."""
    cutoffs = {metric.k for metric in metrics}
    longest = max(cutoffs)
    parts: dict[str, list[Floats]] = {metric.label: [] for metric in metrics if isinstance(metric, UserMetric)}
    exposures = {cutoff: np.zeros(catalogue.n_items, np.int64) for cutoff in cutoffs}
    for start in range(0, len(users), BATCH_USERS):
        stop = min(start + BATCH_USERS, len(users))
        lists = model.recommend(users[start:stop], longest, exclude_seen=exclude_seen, allowed=allowed, unknown="empty")
        rows = np.full((stop - start, longest), -1, np.int32)
        rows[:, : lists.k] = lists.item_rows  # a small catalogue gives shorter lists
        judged = judge(rows, truth.block(start, stop), catalogue)
        for metric in metrics:
            if isinstance(metric, UserMetric):
                parts[metric.label].append(metric.per_user(judged.at(metric.k)))
        for cutoff, counts in exposures.items():
            shown = rows[:, :cutoff]
            counts += np.bincount(shown[shown >= 0], minlength=catalogue.n_items)
    return {label: np.concatenate(values) for label, values in parts.items()}, exposures


def _list_values(
    metrics: Sequence[UserMetric | ExposureMetric],
    per_user: dict[str, Floats],
    exposures: dict[int, npt.NDArray[np.int64]],
    catalogue: Catalogue,
    *,
    n_resamples: int,
    seed: int,
) -> dict[str, Value]:
    values = {
        metric.label: Value(metric.value(exposures[metric.k], catalogue), float("nan"), float("nan"))
        for metric in metrics
        if isinstance(metric, ExposureMetric)
    }
    if per_user:
        together = np.stack(list(per_user.values()), axis=1)
        low, high = mean_intervals(together, n_resamples=n_resamples, seed=seed)
        for column, label in enumerate(per_user):
            known = together[:, column][~np.isnan(together[:, column])]
            mean = float(known.mean()) if len(known) else float("nan")
            values[label] = Value(mean, float(low[column]), float(high[column]))
    return values


def _rating_values(
    model: Recommender, split: Split, metrics: Sequence[RatingMetric], *, n_resamples: int, seed: int
) -> dict[str, Value]:
    """Errors over all test pairs, with intervals over users; predictions are clipped to the range of train."""
    events = split.test.interactions
    predicted = model.score_rows(events.user_rows, events.item_rows).astype(np.float64)
    scale = split.train.interactions.weights
    predicted = np.clip(predicted, float(scale.min()), float(scale.max()))
    known = np.isfinite(predicted)
    users = events.user_rows[known]
    values = {}
    for metric in metrics:
        losses = metric.losses(predicted[known], events.weights[known].astype(np.float64))
        sums = np.bincount(users, losses, minlength=split.test.n_users)[:, None].astype(np.float64)
        counts = np.bincount(users, minlength=split.test.n_users)[:, None].astype(np.float64)
        has_any = counts[:, 0] > 0
        low, high = bootstrap(sums[has_any], counts[has_any], n_resamples=n_resamples, seed=seed)
        ends = metric.value(np.array([losses.mean() if len(losses) else np.nan, low[0], high[0]]))
        values[metric.label] = Value(*(float(end) for end in ends))
    return values


def _warnings(split: Split, users: npt.NDArray[np.int32], n_known: int) -> tuple[str, ...]:
    new = int((split.train.histories.lengths[users] == 0).sum())
    found = []
    if new:
        found.append(f"{new} of {len(users)} judged users are new to train")
    if n_known:
        found.append(f"{n_known} test pairs that train already holds are not judged")
    return tuple(found)
