"""What a data set says about each item, as a table."""

from collections.abc import Collection, Sequence

import numpy as np
import polars as pl

from foretaste.data import Dataset

DAY_S = 86_400.0
CATEGORY_NAMES = ("category", "categories", "genres", "genre", "type", "department", "section", "tags")
PRICE_NAMES = ("price", "unit_price", "cost", "amount")
BORN_NAMES = ("published", "published_at", "release_date", "released", "created_at", "date", "date_added", "added")
PRICE_BANDS = ("lowest", "low", "middle", "high", "highest")


def item_table(data: Dataset, *, windows_days: Sequence[int] = (7, 30), now: float | None = None) -> pl.DataFrame:
    """One row an item in vocabulary order; ``now`` is seconds since 1970, by default the newest interaction.

    ===================  ============================================================================================
    ``n_interactions``   interactions of weight above 0
    ``n_users``          distinct users of those
    ``popularity``       ``n_users`` as a share of all users who took anything, 0 … 1
    ``popularity_7d``    the same within the last 7 days (one column for each of ``windows_days``)
    ``mean_rating``      mean weight of explicit data; null for implicit data or no rating
    ``age_days``         days since it was published (a date column), else since its first interaction
    ``price_band``       which fifth of all priced items it is in: lowest, low, middle, high, highest
    ===================  ============================================================================================

    Behind them stand the columns of the item frame (categories, attributes, texts) as they are; their numbers for
    models come from :class:`FeatureEncoder`. What cannot be known (no time, no price) is null.
    """
    x = data.interactions
    moment = newest(data) if now is None else now
    events = pl.DataFrame(
        {
            "user": x.user_rows,
            "item": x.item_rows,
            "weight": x.weights,
            "age": pl.Series((moment - x.timestamps) / DAY_S).fill_nan(None),
        }
    ).filter(pl.col("weight") > 0)
    rating = pl.col("weight").mean().cast(pl.Float64) if data.is_explicit else pl.lit(None, dtype=pl.Float64)
    found = events.group_by("item").agg(
        n_interactions=pl.len().cast(pl.Int64),
        n_users=pl.col("user").n_unique().cast(pl.Int64),
        mean_rating=rating,
        seen_days=pl.col("age").max().clip(lower_bound=0.0),
    )
    table = pl.DataFrame({"item_id": data.items.ids, "item": np.arange(data.n_items, dtype=np.int32)})
    table = table.join(found, on="item", how="left", maintain_order="left")
    n_active = max(events["user"].n_unique(), 1)
    table = table.with_columns(
        pl.col("n_interactions", "n_users").fill_null(0), popularity=pl.col("n_users").fill_null(0) / n_active
    )
    windows = [f"popularity_{days}d" for days in windows_days]
    for name, days in zip(windows, windows_days, strict=True):
        table = table.join(_windowed(events, days, name), on="item", how="left", maintain_order="left")
        has_times = not np.isnan(newest(data))
        table = table.with_columns(pl.when(pl.lit(has_times)).then(pl.col(name).fill_null(0.0)).alias(name))
    table = table.with_columns(age_days=_ages(data, moment, table["seen_days"]), price_band=_price_bands(data))
    order = ["item_id", "n_interactions", "n_users", "popularity", *windows, "mean_rating", "age_days", "price_band"]
    table = table.select(order)
    if data.item_frame is None:
        return table
    given = [name for name in data.item_frame.columns if name not in table.columns]
    return table.hstack(data.item_frame.select(given)) if given else table


def first_column(data: Dataset, names: Sequence[str], kinds: Collection[str]) -> pl.Series | None:
    """The item column with the first of ``names`` that is there (in any case) and is of one of ``kinds``."""
    frame = data.item_frame
    if frame is None:
        return None
    by_name = {column.lower(): column for column in frame.columns}
    for name in names:
        column = by_name.get(name)
        if column is not None and data.item_features.get(column) in kinds:
            return frame[column]
    return None


def newest(data: Dataset) -> float:
    """Seconds of the newest interaction; NaN without any time."""
    times = data.interactions.timestamps
    known = times[~np.isnan(times)]
    return float(known.max()) if len(known) else float("nan")


def _windowed(events: pl.DataFrame, days: int, name: str) -> pl.DataFrame:
    late = events.filter((pl.col("age") >= 0) & (pl.col("age") < days))
    n_active = max(late["user"].n_unique(), 1)
    return late.group_by("item").agg((pl.col("user").n_unique() / n_active).alias(name))


def _ages(data: Dataset, moment: float, seen_days: pl.Series) -> pl.Series:
    born = first_column(data, BORN_NAMES, {"date"})
    if born is None or np.isnan(moment):
        return seen_days
    seconds = born.cast(pl.Datetime("us")).to_physical().cast(pl.Float64) / 1e6
    ages = ((moment - seconds) / DAY_S).clip(lower_bound=0.0)
    return ages.zip_with(ages.is_not_null(), seen_days)


def _price_bands(data: Dataset) -> pl.Series:
    price = first_column(data, PRICE_NAMES, {"numeric"})
    if price is None:
        return pl.Series("price_band", [None], dtype=pl.String).new_from_index(0, data.n_items)
    numbers = price.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
    known = np.isfinite(numbers)
    edges = np.quantile(numbers[known], [0.2, 0.4, 0.6, 0.8]) if known.any() else np.zeros(4)
    bands = np.searchsorted(edges, np.where(known, numbers, 0.0), side="left")
    return pl.Series(
        "price_band",
        [PRICE_BANDS[band] if is_known else None for band, is_known in zip(bands, known, strict=True)],
        dtype=pl.String,
    )
