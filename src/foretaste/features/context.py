"""When each interaction happened, as numbers, and the visit that it belongs to."""

import numpy as np
import polars as pl

from foretaste.data import Dataset
from foretaste.errors import ConfigurationError

SESSION_GAP_S = 1_800.0


def context_table(data: Dataset, *, utc_offset_s: float = 0.0) -> pl.DataFrame:
    """One row an interaction, in the data set's order; all null where the time is unknown.

    ===========  ===================================================================================================
    ``hour``     hour of the day, 0 … 23
    ``weekday``  1 for Monday … 7 for Sunday
    ``weekend``  Saturday or Sunday
    ``daytime``  night (0–5), morning (6–11), afternoon (12–17) or evening (18–23)
    ===========  ===================================================================================================

    Times are UTC; ``utc_offset_s`` is added to them. Location and device are attributes of a request, not of the data
    set's interactions: a model takes them from there.
    """
    seconds = pl.Series("time", data.interactions.timestamps + utc_offset_s).fill_nan(None)
    moments = (seconds * 1e6).cast(pl.Int64).cast(pl.Datetime("us"))
    parts = ("night", "morning", "afternoon", "evening")
    frame = moments.to_frame().select(
        hour=pl.col("time").dt.hour().cast(pl.Int64), weekday=pl.col("time").dt.weekday().cast(pl.Int64)
    )
    return frame.with_columns(
        weekend=pl.col("weekday") >= 6,
        daytime=(pl.col("hour") // 6).replace_strict(dict(enumerate(parts)), return_dtype=pl.String),
    )


def session_table(data: Dataset, *, gap_s: float = SESSION_GAP_S) -> pl.DataFrame:
    """One row an interaction, in the data set's order.

    ``session`` numbers the visits of all users, 0 first: a new one begins with each user and where more than ``gap_s``
    seconds have passed since the interaction before. ``place`` counts within the visit, from 0. An unknown time is
    taken to belong to the visit before.

    Raises:
        ConfigurationError: a gap below 0.
    """
    if not gap_s >= 0:
        raise ConfigurationError(f"gap_s = {gap_s} is out of range", hint="give seconds, at least 0")
    users, times = data.interactions.user_rows, data.interactions.timestamps
    if len(users) == 0:
        return pl.DataFrame(schema={"session": pl.Int64, "place": pl.Int64})
    begins = np.ones(len(users), dtype=bool)
    begins[1:] = (users[1:] != users[:-1]) | (times[1:] - times[:-1] > gap_s)
    sessions = np.cumsum(begins) - 1
    starts = np.flatnonzero(begins)
    return pl.DataFrame({"session": sessions, "place": np.arange(len(users)) - starts[sessions]})
