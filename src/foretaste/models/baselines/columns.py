"""What the baselines read from the item frame: groups of items, and the time an item came out."""

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from foretaste.data import Dataset
from foretaste.data.feature_types import infer_features
from foretaste.errors import DataFormatError

NO_GROUP = ""
"""The group of items whose column is empty."""

DATE_COLUMNS = (
    "published",
    "published_at",
    "publication_date",
    "release_date",
    "released",
    "created",
    "created_at",
    "date",
    "date_added",
    "added_at",
    "available_from",
)
"""Columns taken for an item's publication date when none is named, in this order."""


def item_column(data: Dataset, column: str) -> pl.Series:
    """One column of the item frame.

    Raises:
        DataFormatError: there is no such column.
    """
    if data.item_frame is None or column not in data.item_frame.columns:
        there = ", ".join(data.item_frame.columns) if data.item_frame is not None else "none"
        raise DataFormatError(
            f"items of data set {data.name!r} have no column {column!r}", hint=f"columns that are there: {there}"
        )
    return data.item_frame[column]


def item_groups(data: Dataset, column: str) -> tuple[list[str], sparse.csr_array]:
    """The groups that a column makes (sorted) and which items are in them, items × groups of ones, float32.

    An item is in each group of a list column; without any it is in the group :data:`NO_GROUP`.

    Raises:
        DataFormatError: there is no such column.
    """
    values = item_column(data, column).alias("group")
    frame = pl.DataFrame({"item_id": data.items.ids, "group": values})
    declared = data.item_features.get(column)
    if values.dtype == pl.String and declared != "categorical":
        typed, kinds = infer_features(frame, {"group": "list"} if declared == "list" else {}, skip="item_id")
        if kinds.get("group") == "list":
            frame = typed
    if not isinstance(frame["group"].dtype, pl.List):
        frame = frame.with_columns(pl.concat_list(pl.col("group").cast(pl.String)))
    lists = pl.col("group").cast(pl.List(pl.String)).fill_null([]).list.drop_nulls().list.unique()
    rows = frame.select(pl.int_range(pl.len(), dtype=pl.Int32).alias("row"), lists).with_columns(
        pl.when(pl.col("group").list.len() == 0).then(pl.lit([NO_GROUP])).otherwise(pl.col("group")).alias("group")
    )
    named = rows.explode("group").sort("group", "row")
    names = named["group"].unique().sort()
    columns = names.search_sorted(named["group"]).to_numpy()
    ones = np.ones(len(named), dtype=np.float32)
    groups = sparse.csr_array((ones, (named["row"].to_numpy(), columns)), shape=(data.n_items, len(names)))
    return names.to_list(), groups


def publication_times(data: Dataset, column: str | None = None) -> npt.NDArray[np.float64] | None:
    """Seconds since 1970 UTC at which each item came out (I,), NaN where unknown; None without a column of dates.

    ``column`` None takes the first of :data:`DATE_COLUMNS` that is there and can be read as dates.

    Raises:
        DataFormatError: a named column that is not there or holds no dates.
    """
    if column is not None:
        return _seconds(item_column(data, column))
    names = data.item_frame.columns if data.item_frame is not None else []
    by_name = {name.lower(): name for name in names}
    declared = [name for name, kind in data.item_features.items() if kind == "date"]
    for name in [by_name[known] for known in DATE_COLUMNS if known in by_name] + declared:
        try:
            times = _seconds(item_column(data, name))
        except DataFormatError:
            continue
        if not np.isnan(times).all():
            return times
    return None


def first_seen_times(data: Dataset) -> npt.NDArray[np.float64]:
    """Seconds since 1970 UTC of each item's first interaction (I,), NaN where there is none with a time."""
    out = np.full(data.n_items, np.inf)
    known = ~np.isnan(data.interactions.timestamps)
    np.minimum.at(out, data.interactions.item_rows[known], data.interactions.timestamps[known])
    out[np.isinf(out)] = np.nan
    return out


def _seconds(column: pl.Series) -> npt.NDArray[np.float64]:
    frame = pl.DataFrame({"item_id": np.arange(len(column)), "date": column})
    typed, _ = infer_features(frame, {"date": "date"}, skip="item_id")
    micros = typed["date"].cast(pl.Datetime("us")).to_physical().cast(pl.Float64) / 1e6
    return micros.fill_null(float("nan")).to_numpy().astype(np.float64)
