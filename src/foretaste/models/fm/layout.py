"""Which rows of a factorisation machine's table stand for whom and for what."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from foretaste.data import Dataset
from foretaste.features import FeatureEncoder

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Csr = sparse.csr_array
MomentPart = Literal["hour", "weekday"]

_SIZES: Mapping[MomentPart, int] = {"hour": 24, "weekday": 7}
_DAY_S = 86_400.0


@dataclass(frozen=True)
class Layout:
    """Users and items in terms of the rows of one table: users' ids, items' ids, user features, item features, moments.

    ``users`` (U, R) and ``items`` (I, R) hold the own id first in each row, then the features.
    """

    users: Csr
    items: Csr
    parts: tuple[slice, slice, slice, slice, slice]

    @property
    def n_rows(self) -> int:
        """Rows of the table."""
        return int(self.parts[-1].stop)

    @property
    def user_side(self) -> tuple[Longs, Ints, Floats]:
        """``users`` as the kernel takes it."""
        return _arrays(self.users)

    @property
    def item_side(self) -> tuple[Longs, Ints, Floats]:
        """``items`` as the kernel takes it."""
        return _arrays(self.items)

    @classmethod
    def of(
        cls, data: Dataset, users: FeatureEncoder, items: FeatureEncoder, moments: tuple[MomentPart, ...]
    ) -> "Layout":
        """The layout of a data set whose features are fixed."""
        return cls.of_sizes(
            data.n_users,
            data.n_items,
            users,
            items,
            moments,
            user_matrix=users.transform(data.user_frame) if data.user_frame is not None and users.columns else None,
            item_matrix=items.transform(data.item_frame) if data.item_frame is not None and items.columns else None,
        )

    @classmethod
    def of_sizes(
        cls,
        n_users: int,
        n_items: int,
        users: FeatureEncoder,
        items: FeatureEncoder,
        moments: tuple[MomentPart, ...],
        *,
        user_matrix: Csr | None = None,
        item_matrix: Csr | None = None,
    ) -> "Layout":
        """The layout for so many users and items; without matrices nobody has features."""
        sizes = (n_users, n_items, users.n_features, items.n_features, cls.n_moments(moments))
        ends = np.cumsum(sizes).tolist()
        parts = tuple(slice(end - size, end) for size, end in zip(sizes, ends, strict=True))
        return cls(
            _with_ids(n_users, 0, user_matrix, ends[1], ends[-1]),
            _with_ids(n_items, n_users, item_matrix, ends[2], ends[-1]),
            parts,  # type: ignore[arg-type]
        )

    @staticmethod
    def n_moments(moments: tuple[MomentPart, ...]) -> int:
        """Rows for moments."""
        return sum(_SIZES[part] for part in moments)


def _with_ids(n: int, first_id: int, features: Csr | None, first_feature: int, n_rows: int) -> Csr:
    """One row each: the own id, then the features."""
    own = np.arange(n)
    rows, columns, values = own, own + first_id, np.ones(n)
    if features is not None:
        found = features.tocoo()
        rows = np.concatenate([rows, found.row])
        columns = np.concatenate([columns, found.col.astype(np.int64) + first_feature])
        values = np.concatenate([values, found.data])
    order = np.lexsort((columns, rows))  # ids have lower columns than features
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(rows, minlength=n))])
    return Csr((values[order].astype(np.float32), columns[order], indptr), shape=(n, n_rows))


def _arrays(matrix: Csr) -> tuple[Longs, Ints, Floats]:
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data.astype(np.float32)


def last_times(data: Dataset, matrix: Csr) -> npt.NDArray[np.float64]:
    """When each pair of ``matrix`` last happened (nnz,); NaN where unknown."""
    actions = data.interactions
    liked = np.flatnonzero(actions.weights > 0)
    keys = actions.user_rows[liked].astype(np.int64) * data.n_items + actions.item_rows[liked]
    order = np.lexsort((np.arange(len(liked)), keys))
    last = np.append(keys[order][1:] != keys[order][:-1], [True])
    return np.asarray(actions.timestamps[liked[order[last]]], np.float64)


def encode_moments(times: npt.NDArray[np.float64], moments: tuple[MomentPart, ...], layout: Layout) -> Ints:
    """Rows of the table for each time (N, M); (N, 0) when moments are not used or a time is unknown."""
    if not moments or np.isnan(times).any():
        return np.zeros((len(times), 0), np.int32)
    columns, start = [], layout.parts[-1].start
    for part in moments:
        columns.append(start + _part_of(times, part))
        start += _SIZES[part]
    return np.column_stack(columns).astype(np.int32)


def _part_of(times: npt.NDArray[np.float64], part: MomentPart) -> npt.NDArray[np.int64]:
    days = np.floor(times / _DAY_S)
    if part == "hour":
        return ((times - days * _DAY_S) // 3600.0).astype(np.int64)
    return (days.astype(np.int64) + 3) % 7  # 1 January 1970 was a Thursday


def moment_of(context: Mapping[str, object], moments: tuple[MomentPart, ...]) -> list[int]:
    """Places of a query's moment among the rows for moments; none where the context does not say all that is used."""
    when = context.get("timestamp")
    seconds = when.timestamp() if isinstance(when, datetime) else when
    is_known = isinstance(seconds, int | float) and not isinstance(seconds, bool) and np.isfinite(seconds)
    places, start = [], 0
    for part in moments:
        value = context.get(part)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _SIZES[part]:
            places.append(start + value)
        elif is_known:
            places.append(start + int(_part_of(np.array([float(seconds)]), part)[0]))  # type: ignore[arg-type]
        else:
            return []
        start += _SIZES[part]
    return places
