"""Popularity among users alike: what people of the same country, age or sex took."""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import NonNegativeFloat
from scipy import sparse

from foretaste.data import Dataset, FeatureType, Reason
from foretaste.errors import DataInsufficientError
from foretaste.features import feature_table
from foretaste.models.base import FloatBlock, ModelConfig, Recommender, UserBatch

MOST_SEGMENTS = 100
BANDS = 5
NOBODY = -1


class SegmentPopularConfig(ModelConfig):
    """Settings of :class:`SegmentPopular`."""

    column: str | None = None
    """User column that makes the segments; None takes the first category that several users share, else the first
    number.
    """
    prior: NonNegativeFloat = 10.0
    """Users of average taste added to each segment, so that small segments stay near what is popular with all."""


class SegmentPopular(Recommender):
    """Items by the share of users of the same segment that took them, drawn towards the share of all users.

    score = (n_si + m · p_i) / (n_s + m): n_si users of segment s took item i, n_s users of it took anything, p_i is
    the share of all users that took i, m is ``prior`` (the posterior mean of a Beta prior). A category makes a segment
    a value, a number or date five bands that hold about as many users each.

    A user without a segment gets p_i: the plain popularity; so does everybody where there is no usable column and none
    is named. Items that nobody took have no evidence and are left out. Serves users of whom only attributes are known,
    also such as came after the training and bring them with the query.

    Raises:
        DataFormatError: the named column is not there.
        DataInsufficientError: the named column makes no segments.

    Cost: one pass over the interactions; segments × items numbers are kept.
    """

    name = "segment_popular"
    config_class = SegmentPopularConfig
    state_fields = ("shares", "segment_of", "segment_names", "segment_column", "segment_bands")
    scores_without_history = True
    scores_attributes = True
    updates_incrementally = True
    reason_kind = "popular"

    def _fit(self, data: Dataset) -> None:
        found = _segments(data, self.config.column)
        segments = self.segment_of = found.of_users  # (U,) int32, NOBODY for users without one
        self.segment_names, self.segment_column, self.segment_bands = found.names, found.column, found.bands
        taken = data.matrix("binary").astype(np.float64)  # (U, I)
        active = np.diff(taken.indptr) > 0
        overall = np.asarray(taken.sum(axis=0)).ravel() / max(int(active.sum()), 1)  # (I,)
        members = np.flatnonzero((segments >= 0) & active)
        n_segments = len(self.segment_names)
        ones = np.ones(len(members))
        member_of = sparse.csr_array((ones, (segments[members], members)), shape=(n_segments, data.n_users))
        counts = np.asarray((member_of @ taken).toarray())  # (S, I)
        sizes = np.bincount(segments[members], minlength=n_segments)[:, None]
        prior = np.where(sizes > 0, self.config.prior, 1.0)  # an empty segment is like everybody
        shares = (counts + prior * overall) / np.maximum(sizes + prior, 1e-12)
        self.shares = np.vstack([shares, overall]).astype(np.float32)  # (S + 1, I), the last row for all

    def _update(self, data: Dataset) -> None:
        self._fit(data)

    def _rows(self, batch: UserBatch) -> npt.NDArray[np.int64]:
        """The row of ``shares`` for each user (B,)."""
        found = np.where(batch.rows >= 0, self.segment_of[np.maximum(batch.rows, 0)], NOBODY)
        if batch.attributes is not None:
            told = [self._segment(attributes.get(self.segment_column)) for attributes in batch.attributes]
            found = np.where(found >= 0, found, told)
        return np.where(found >= 0, found, len(self.shares) - 1)

    def _segment(self, value: object) -> int:
        """The segment of an attribute's value; NOBODY for one that makes none."""
        label: object = str(value).lower() if isinstance(value, bool) else value
        if self.segment_bands:
            number = _number(value)
            if number is None:
                return NOBODY
            label = self.segment_bands["labels"][int(np.searchsorted(self.segment_bands["cuts"], number, side="left"))]
        name = f"{self.segment_column}: {label}"
        return self.segment_names.index(name) if name in self.segment_names else NOBODY

    def _scores(self, batch: UserBatch) -> FloatBlock:
        scores = self.shares[self._rows(batch)]
        scores[scores <= 0] = -np.inf
        return scores

    def _reasons_of_one(self, batch: UserBatch, item_rows: npt.NDArray[np.int32]) -> tuple[Reason | None, ...]:
        row = int(self._rows(batch)[0])
        named = (self.segment_names[row],) if row < len(self.segment_names) else ()
        return tuple(Reason(self.reason_kind, features=named) if item >= 0 else None for item in item_rows.tolist())


@dataclass(frozen=True)
class _Segments:
    """The segments of a data set's users, and what a user who comes later is placed by."""

    of_users: npt.NDArray[np.int32]
    """(U,) NOBODY for users without one."""
    names: list[str]
    """As ``column: value``."""
    column: str
    bands: dict[str, list[Any]]
    """``cuts`` between the bands of a number or date and their ``labels``; empty for a category."""


def _segments(data: Dataset, column: str | None) -> _Segments:
    nobody = _Segments(np.full(data.n_users, NOBODY, dtype=np.int32), [], "", {})
    try:
        frame, kinds = feature_table(data, "user", None if column is None else [column])
    except DataInsufficientError:
        if column is not None:
            raise
        return nobody
    order: list[FeatureType] = ["categorical", "numeric", "date"]
    names = sorted((name for name in kinds if kinds[name] in order), key=lambda name: order.index(kinds[name]))
    for name in names:
        values, bands = (frame[name], {}) if kinds[name] == "categorical" else _bands(frame[name])
        labels = values.drop_nulls().unique().sort()
        if len(labels) == 0 or (column is None and not 1 < len(labels) <= min(MOST_SEGMENTS, data.n_users - 1)):
            continue
        found = values.replace_strict(labels, np.arange(len(labels)), default=None, return_dtype=pl.Int32)
        of_users = found.fill_null(NOBODY).to_numpy().astype(np.int32)
        return _Segments(of_users, [f"{name}: {label}" for label in labels], name, bands)
    if column is not None:
        raise DataInsufficientError(
            f"user feature {column!r} of data set {data.name!r} makes no segments",
            hint="name a column of categories, numbers or dates",
        )
    return nobody


def _bands(values: pl.Series) -> tuple[pl.Series, dict[str, list[Any]]]:
    """Numbers or dates as the band they are in, null where missing; and what tells the bands apart."""
    is_date = values.dtype.is_temporal()
    numbers = (values.cast(pl.Datetime("us")).to_physical() if is_date else values).cast(pl.Float64)
    floats = numbers.fill_null(float("nan")).to_numpy()
    known = np.isfinite(floats)
    if not known.any():
        return pl.Series(values.name, [None], dtype=pl.String).new_from_index(0, len(values)), {}
    cuts = np.unique(np.quantile(floats[known], np.linspace(0, 1, BANDS + 1)[1:-1], method="lower"))
    bands = np.searchsorted(cuts, np.where(known, floats, 0.0), side="left")
    shown = [str(np.datetime64(int(cut), "us"))[:10] if is_date else f"{cut:g}" for cut in cuts]
    labels = [
        f"up to {shown[0]}",
        *(f"{a} to {b}" for a, b in pairwise(shown)),
        f"over {shown[-1]}",
    ]
    found = [labels[b] if k else None for b, k in zip(bands, known, strict=True)]
    return pl.Series(values.name, found, dtype=pl.String), {"cuts": cuts.tolist(), "labels": labels}


def _number(value: object) -> float | None:
    """A number, or a date (ISO 8601) in microseconds since 1970; None for anything else."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return 1e6 * aware.timestamp()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e300 else None  # NaN is no smaller
