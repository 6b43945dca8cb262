"""Does the test part give itself away in train?"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from foretaste.data import Dataset
from foretaste.errors import DataError
from foretaste.evaluation.splits.base import Split


@dataclass(frozen=True)
class Leakage:
    """What of the test part train knows."""

    same_events: int
    """Test events that are in train too: same user, item, type and time. Only counted where times are known."""
    repeated_pairs: int
    """Distinct user-item pairs of test that are in train too. No mistake where people come back to an item, but such an
    item cannot be in a list that leaves out what was seen."""
    late_train_events: int
    """Train events after the earliest test event; only counted for a split by time."""
    cold_train_events: int = 0
    """Train events of users or items that train may not know; only counted for splits of cold users or items."""

    @property
    def is_clean(self) -> bool:
        """No event on both sides, none of train after the beginning of test, none of what should be cold."""
        return self.same_events == 0 and self.late_train_events == 0 and self.cold_train_events == 0

    def require_clean(self) -> None:
        """Raise :class:`DataError` when events of test are known to train."""
        if not self.is_clean:
            raise DataError(
                f"the split leaks: {self.same_events} test events are in train too, {self.late_train_events} train "
                f"events are later than the first test event, {self.cold_train_events} are of cold users or items",
                hint="remove duplicate events before splitting, or split by time",
            )


def check_leakage(split: Split) -> Leakage:
    """Count what train knows of test; takes seconds on tens of millions of interactions."""
    train, test = _events(split.train), _events(split.test)
    pair = ["user", "item"]
    suspects = test.join(train.select(pair).unique(), on=pair, how="semi")
    timed = suspects.filter(pl.col("time").is_not_nan())
    same = timed.join(train, on=["user", "item", "type", "time"], how="semi")
    late = 0
    if split.cutoff is not None:
        late = int((split.train.interactions.timestamps > split.cutoff).sum())
    return Leakage(len(same), suspects.select(pair).n_unique(), late, _cold_events(split))


def _cold_events(split: Split) -> int:
    known = split.train.interactions
    cold = np.zeros(len(known), dtype=bool)
    if split.held_users is not None:
        cold |= split.held_users[known.user_rows]
    if split.held_items is not None:
        cold |= split.held_items[known.item_rows]
    return int(cold.sum())


def _events(data: Dataset) -> pl.DataFrame:
    interactions = data.interactions
    names = np.array(interactions.type_names)
    types = pl.Series("type", interactions.types).cast(pl.Int32)
    frame = pl.DataFrame(
        {"user": interactions.user_rows, "item": interactions.item_rows, "time": interactions.timestamps, "code": types}
    )
    kinds = pl.DataFrame({"code": np.arange(len(names), dtype=np.int32), "type": names.tolist()})
    return frame.join(kinds, on="code", how="left").drop("code")
