"""What a data set says about each user, as a table."""

import numpy as np
import numpy.typing as npt
import polars as pl

from foretaste.data import Dataset
from foretaste.features.items import CATEGORY_NAMES, DAY_S, PRICE_NAMES, first_column, newest

PREFERRED = 3


def user_table(data: Dataset, *, now: float | None = None) -> pl.DataFrame:
    """One row a user in vocabulary order; ``now`` is seconds since 1970, by default the newest interaction.

    ========================  =======================================================================================
    ``n_interactions``        interactions, those of weight 0 included
    ``n_items``               distinct items
    ``mean_rating``           mean weight of explicit data; null for implicit data or nobody's rating
    ``recency_days``          days since the last interaction
    ``tenure_days``           days since the first interaction
    ``frequency``             interactions a day of tenure (at least one day)
    ``monetary_value``        sum of the prices of items bought (all interactions, where no action is a purchase)
    ``preferred_categories``  the up to 3 categories of the largest total weight, largest first
    ========================  =======================================================================================

    Behind them stand the columns of the user frame (demographics, declared interests) as they are. What cannot be
    known (no time, no price, no category, no interaction) is null.
    """
    events = pl.DataFrame(
        {
            "user": data.interactions.user_rows,
            "item": data.interactions.item_rows,
            "weight": data.interactions.weights,
            "time": pl.Series(data.interactions.timestamps).fill_nan(None),
            "bought": _bought(data),
        }
    )
    price = item_prices(data)
    events = events.with_columns(price=pl.Series(price[data.interactions.item_rows]).fill_nan(None))
    moment = newest(data) if now is None else now
    days = ((moment - pl.col("time")) / DAY_S).clip(lower_bound=0.0)
    rating = pl.col("weight").mean().cast(pl.Float64) if data.is_explicit else pl.lit(None, dtype=pl.Float64)
    has_price = (pl.col("price").is_not_null() & pl.col("bought")).any()
    found = events.group_by("user").agg(
        n_interactions=pl.len().cast(pl.Int64),
        n_items=pl.col("item").n_unique().cast(pl.Int64),
        mean_rating=rating,
        recency_days=days.min(),
        tenure_days=days.max(),
        monetary_value=pl.when(has_price).then(pl.col("price").filter(pl.col("bought")).sum()),
    )
    found = found.with_columns(
        frequency=pl.col("n_interactions") / pl.max_horizontal("tenure_days", pl.lit(1.0))
    ).with_columns(frequency=pl.when(pl.col("tenure_days").is_not_null()).then("frequency"))
    everybody = pl.DataFrame({"user_id": data.users.ids, "user": np.arange(data.n_users, dtype=np.int32)})
    table = everybody.join(found, on="user", how="left", maintain_order="left")
    table = table.join(_preferred(data, events), on="user", how="left", maintain_order="left")
    counts = [pl.col("n_interactions", "n_items").fill_null(0)]
    order = ["user_id", "n_interactions", "n_items", "mean_rating", "recency_days", "tenure_days", "frequency"]
    table = table.with_columns(counts).select([*order, "monetary_value", "preferred_categories"])
    if data.user_frame is None:
        return table
    given = [name for name in data.user_frame.columns if name not in table.columns]
    return table.hstack(data.user_frame.select(given)) if given else table


def item_prices(data: Dataset) -> npt.NDArray[np.float64]:
    """The price of each item (I,), NaN where there is none."""
    column = first_column(data, PRICE_NAMES, {"numeric"})
    if column is None:
        return np.full(data.n_items, np.nan)
    return column.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy().astype(np.float64)


def _bought(data: Dataset) -> npt.NDArray[np.bool_]:
    names = data.interactions.type_names
    if "purchase" not in names:
        return np.ones(data.n_interactions, dtype=bool)
    return np.asarray(data.interactions.types == names.index("purchase"))


def _preferred(data: Dataset, events: pl.DataFrame) -> pl.DataFrame:
    """Columns ``user`` and ``preferred_categories``; ties go by name."""
    kinds = first_column(data, CATEGORY_NAMES, {"categorical", "list"})
    if kinds is None:
        return pl.DataFrame(schema={"user": pl.Int32, "preferred_categories": pl.List(pl.String)})
    frame = pl.DataFrame({"item": np.arange(data.n_items, dtype=np.int32), "category": kinds})
    if isinstance(kinds.dtype, pl.List):
        frame = frame.filter(pl.col("category").list.len() > 0).explode("category")
    frame = frame.drop_nulls("category").with_columns(pl.col("category").cast(pl.String))
    sums = events.join(frame, on="item").group_by("user", "category").agg(pl.col("weight").sum())
    ordered = sums.filter(pl.col("weight") > 0).sort(["user", "weight", "category"], descending=[False, True, False])
    return ordered.group_by("user", maintain_order=True).agg(preferred_categories=pl.col("category").head(PREFERRED))
