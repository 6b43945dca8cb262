"""The split that happens in life: learn from before a moment, judge on what came after."""

from datetime import UTC, datetime
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from foretaste.data import Dataset, Interactions
from foretaste.errors import ConfigurationError, DataFormatError
from foretaste.evaluation.splits.base import Mask, Splitter


class GlobalTime(Splitter):
    """Everything before one moment in train, everything from it on in test.

    The moment is given (``at``), or chosen so that about the last ``test_share`` of all events are in test; events of
    the same time stay together, in test. Test may hold users and items that train does not know.
    """

    name: ClassVar[str] = "time"

    test_share: float | None = Field(default=None, gt=0, lt=1)
    """Part of all events, the newest, that goes to test; 0.2 when ``at`` is not given either."""
    at: float | datetime | None = None
    """Time of the first test event: seconds since 1970 UTC, or a date and time (UTC when it names no zone)."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if self.at is not None and self.test_share is not None:
            raise ConfigurationError("GlobalTime: give either at or test_share, not both")

    @property
    def share(self) -> float:
        """The test share in force."""
        return 0.2 if self.test_share is None else self.test_share

    def _in_test(self, data: Dataset) -> Mask:
        times = data.interactions.timestamps
        if len(times) and not data.interactions.has_times:
            n_missing = int(np.isnan(times).sum())
            raise DataFormatError(
                f"a split by time needs a time for every interaction; {n_missing} of {len(times)} in {data.name!r} "
                "have none",
                hint="name the time column when reading, or use the split random",
            )
        if len(times) == 0:
            return np.zeros(0, dtype=bool)
        return times >= self._moment(data.interactions)

    def _moment(self, interactions: Interactions) -> float:
        if self.at is None:
            times = interactions.timestamps
            place = min(int(np.ceil((1 - self.share) * len(times))), len(times) - 1)
            return float(np.partition(times, place)[place])
        if isinstance(self.at, datetime):
            return (self.at if self.at.tzinfo else self.at.replace(tzinfo=UTC)).timestamp()
        return self.at

    def _protocol(self, data: Dataset) -> str:
        shown = datetime.fromtimestamp(self._moment(data.interactions), tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        what = f"last {self.share:.0%} of all events by time" if self.at is None else "all events from a given time on"
        return f"global time split: {what} in test (from {shown})"

    def _advice(self) -> str:
        return "choose a time inside the data, or another test share"

    def _cutoff(self, interactions: Interactions, in_test: Mask) -> float | None:
        return float(interactions.timestamps[in_test].min())
