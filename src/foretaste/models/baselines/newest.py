"""The newest items first."""

import numpy as np

from foretaste.data import Dataset
from foretaste.errors import DataInsufficientError
from foretaste.models.base import ModelConfig
from foretaste.models.baselines.columns import first_seen_times, publication_times
from foretaste.models.baselines.popular import DAY_S
from foretaste.models.baselines.shared import SameForAll
from foretaste.models.ranking import Floats


class NewestConfig(ModelConfig):
    """Settings of :class:`Newest`."""

    column: str | None = None
    """Item column with the publication date; None looks for a usual name (``published``, ``release_date``, …)."""
    first_seen: bool = True
    """Take an item's first interaction as its date where none is given."""


class Newest(SameForAll):
    """The same list for everybody: items by publication date, the newest first.

    The score is minus the age in days, counted from the newest date there is. Items whose date is unknown are left out.

    Raises:
        DataFormatError: when fitted on items without the named column.
        DataInsufficientError: when no item has a date.
    """

    name = "newest"
    config_class = NewestConfig
    state_fields = ("ages", "is_dated")
    scores_new_items = True
    updates_incrementally = True
    reason_kind = "new"

    def _fit(self, data: Dataset) -> None:
        times = publication_times(data, self.config.column)
        if times is None:
            times = np.full(data.n_items, np.nan)
        if self.config.first_seen:
            times = np.where(np.isnan(times), first_seen_times(data), times)
        self.is_dated = ~np.isnan(times)  # (I,)
        if not self.is_dated.any():
            raise DataInsufficientError(
                f"no item of data set {data.name!r} has a publication date or an interaction with a time",
                hint="name the item column that holds dates: column=…",
            )
        newest = times[self.is_dated].max()
        self.ages = np.where(self.is_dated, (newest - times) / DAY_S, 0.0)  # (I,) days
        self._forget()

    def _update(self, data: Dataset) -> None:
        self._fit(data)

    def _for_all(self) -> Floats:
        return np.where(self.is_dated, -self.ages, -np.inf).astype(np.float32)
