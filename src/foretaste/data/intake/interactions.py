"""A table of interactions, checked and turned into compact columns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from foretaste.data.intake.columns import value_kind
from foretaste.data.intake.config import BuildConfig
from foretaste.data.intake.ids import PROBLEMS, Encoded, IdTable, encode, id_text
from foretaste.data.intake.values import numbers, timestamps, truths
from foretaste.data.report import MAX_EXAMPLES, BuildReport
from foretaste.data.weights import DISLIKE, INTERACTION, LIKE, RATING, READ, normal_action
from foretaste.errors import DataFormatError
from foretaste.events.event import MAX_CLOCK_SKEW_S

MAX_ACTIONS = 255
Mask = npt.NDArray[np.bool_]


@dataclass
class ActionTable:
    """Names of the actions met so far, in order of first appearance."""

    names: list[str] = field(default_factory=list)

    def code(self, name: str) -> int:
        """The number of an action.

        Raises:
            DataFormatError: more kinds of action than can be meant.
        """
        if name not in self.names:
            if len(self.names) >= MAX_ACTIONS:
                raise DataFormatError(
                    f"more than {MAX_ACTIONS} kinds of action, the last one {name[:40]!r}",
                    hint="is that column really the kind of action? Name the right one with ColumnMap(type=…)",
                )
            self.names.append(name)
        return self.names.index(name)


@dataclass(frozen=True)
class Chunk:
    """Rows that passed their checks, as equally long columns."""

    users: npt.NDArray[np.int32]
    items: npt.NDArray[np.int32]
    values: npt.NDArray[np.float32]  # NaN where none came
    timestamps: npt.NDArray[np.float64]  # NaN where unknown
    actions: npt.NDArray[np.uint8]
    event_ids: pl.Series | None  # text

    def __len__(self) -> int:
        return len(self.users)


class Sieve:
    """Marks rows as dropped; each row counts for the first reason that hits it."""

    def __init__(self, n_rows: int, report: BuildReport) -> None:
        self.alive = np.ones(n_rows, dtype=bool)
        self._table = report.interactions

    def drop(self, mask: Mask, reason: str, examples: Callable[[npt.NDArray[np.int64]], list[object]]) -> None:
        """Drop the rows of ``mask`` that are still in; ``examples`` gives the values of some row numbers."""
        hit = np.flatnonzero(self.alive & mask)
        if len(hit):
            self._table.drop(reason, len(hit), examples(hit[:MAX_EXAMPLES]))
            self.alive[hit] = False


class Intake:
    """Takes tables of interactions one after the other; ids and actions get numbers as they come."""

    def __init__(self, config: BuildConfig, report: BuildReport, users: IdTable, items: IdTable, now: float) -> None:
        self.users, self.items, self.actions = users, items, ActionTable()
        self.chunks: list[Chunk] = []
        self._config, self._report, self._now = config, report, now

    def take(self, frame: pl.DataFrame, roles: Mapping[str, str], *, scope: str = "") -> None:
        """Check and keep one table; ``roles`` names its columns. Plain ``id`` values are unique within ``scope``."""
        self._report.interactions.read += len(frame)
        if len(frame) == 0:
            return
        sieve = Sieve(len(frame), self._report)
        users, items = encode(frame[roles["user"]]), encode(frame[roles["item"]])
        self._check_ids(sieve, users, "user")
        self._check_ids(sieve, items, "item")
        times = self._times(sieve, frame, roles)
        values, actions = self._signals(sieve, frame, roles)
        alive = sieve.alive
        user_codes, item_codes = self.users.add(users), self.items.add(items)
        self.chunks.append(
            Chunk(
                user_codes[alive].astype(np.int32),
                item_codes[alive].astype(np.int32),
                values[alive].astype(np.float32),
                times[alive],
                actions[alive],
                _event_ids(frame, roles, scope, alive),
            )
        )

    def _check_ids(self, sieve: Sieve, ids: Encoded, role: str) -> None:
        problems = ids.problems[ids.codes]
        for number, problem in enumerate(PROBLEMS, start=1):
            name = f"missing_{role}_id" if problem == "missing" else f"{role}_id_{problem}"
            sieve.drop(problems == number, name, lambda rows: ids.distinct.gather(ids.codes[rows]).to_list())

    def _times(self, sieve: Sieve, frame: pl.DataFrame, roles: Mapping[str, str]) -> npt.NDArray[np.float64]:
        if "timestamp" not in roles:
            return np.full(len(frame), np.nan)
        column = frame[roles["timestamp"]]
        seconds, is_bad = timestamps(column)
        times = seconds.fill_null(np.nan).to_numpy()

        def examples(rows: npt.NDArray[np.int64]) -> list[object]:
            return [str(v) if isinstance(v, str) else v for v in column.gather(rows).to_list()]

        sieve.drop(is_bad.to_numpy(), "timestamp_not_understood", examples)
        sieve.drop(times < 0, "timestamp_before_1970", examples)
        if self._config.future_timestamps == "drop":
            sieve.drop(times > self._now + MAX_CLOCK_SKEW_S, "timestamp_in_the_future", examples)
        first, last = self._config.timestamp_range
        outside = np.zeros(len(frame), dtype=bool)
        if first is not None:
            outside |= times < first
        if last is not None:
            outside |= times > last
        sieve.drop(outside, "timestamp_out_of_range", examples)
        self._report.warn("rows_without_a_timestamp", int((np.isnan(times) & sieve.alive).sum()))
        return times

    def _signals(
        self, sieve: Sieve, frame: pl.DataFrame, roles: Mapping[str, str]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8]]:
        """Value (NaN for none) and action of each row; rows whose value cannot be used are dropped."""
        n = len(frame)
        actions = self._named_actions(frame, roles)  # -1 where unnamed
        values, is_text = np.full(n, np.nan), np.zeros(n, dtype=bool)
        is_rating = "value" in roles and value_kind(roles, self._config.value_kind) == "rating"
        if "value" in roles:
            parsed, text = numbers(frame[roles["value"]], role="value")
            values, is_text = parsed.fill_null(np.nan).to_numpy().copy(), text.to_numpy()
        finite = np.isfinite(values)
        unnamed = actions < 0
        valueless = ~finite & ~is_text
        read_code = self.actions.names.index(READ) if READ in self.actions.names else MAX_ACTIONS
        reads = valueless & (actions == read_code)
        for name, mask in self._unnamed_signals(frame, roles, unnamed & valueless, reads, values).items():
            actions[mask] = self.actions.code(name)
        unnamed &= actions < 0
        fallback = RATING if is_rating else INTERACTION
        if unnamed.any():
            actions[unnamed] = self.actions.code(fallback)
        if "value" in roles:
            rating_code = self.actions.names.index(RATING) if RATING in self.actions.names else -1
            self._drop_values(
                sieve, frame[roles["value"]], values, is_text, unnamed | (actions == rating_code), actions
            )
        elif RATING in self.actions.names:
            self._report.warn("ratings_without_a_value", int((actions == self.actions.code(RATING)).sum()))
        return values, actions.astype(np.uint8)

    def _named_actions(self, frame: pl.DataFrame, roles: Mapping[str, str]) -> npt.NDArray[np.int16]:
        if "type" not in roles:
            return np.full(len(frame), -1, dtype=np.int16)
        coded = encode(frame[roles["type"]].cast(pl.String))
        names = [None if text is None or not text.strip() else normal_action(text) for text in coded.distinct.to_list()]
        codes = np.array([-1 if name is None else self.actions.code(name) for name in names], dtype=np.int16)
        return codes[coded.codes]

    def _unnamed_signals(
        self, frame: pl.DataFrame, roles: Mapping[str, str], free: Mask, reads: Mask, values: npt.NDArray[np.float64]
    ) -> dict[str, Mask]:
        """Actions of rows that name none and bring no value: liked or not, read for some time.

        A row that names the action ``read`` and brings no value has its seconds as the value too.
        """
        found: dict[str, Mask] = {}
        if "liked" in roles:
            liked = truths(frame[roles["liked"]])
            found[LIKE] = free & liked.fill_null(value=False).to_numpy()
            found[DISLIKE] = free & (~liked).fill_null(value=False).to_numpy()
            free = free & liked.is_null().to_numpy()
        if "read_time" in roles:
            seconds = numbers(frame[roles["read_time"]], role="reading time")[0].fill_null(np.nan).to_numpy()
            timed = (seconds >= 0) & np.isfinite(seconds)
            found[READ] = free & timed
            values[found[READ] | (reads & timed)] = seconds[found[READ] | (reads & timed)]
        return {name: mask for name, mask in found.items() if mask.any()}

    def _drop_values(
        self,
        sieve: Sieve,
        column: pl.Series,
        values: npt.NDArray[np.float64],
        is_text: Mask,
        needs_value: Mask,
        actions: npt.NDArray[np.int16],
    ) -> None:
        def examples(rows: npt.NDArray[np.int64]) -> list[object]:
            return column.gather(rows).to_list()

        sieve.drop(needs_value & is_text, "value_is_not_a_number", examples)
        sieve.drop(needs_value & np.isnan(values), "value_is_missing_or_NaN", examples)
        sieve.drop(needs_value & (~np.isfinite(values) | (np.abs(values) > 1e15)), "value_is_not_finite", examples)
        values[~np.isfinite(values)] = np.nan
        if self._config.rating_scale is not None and RATING in self.actions.names:
            low, high = self._config.rating_scale
            is_rating = actions == self.actions.code(RATING)
            sieve.drop(is_rating & ((values < low) | (values > high)), "rating_outside_its_scale", examples)


def _event_ids(frame: pl.DataFrame, roles: Mapping[str, str], scope: str, alive: Mask) -> pl.Series | None:
    if "event_id" not in roles:
        return None
    ids = id_text(frame[roles["event_id"]]).filter(pl.Series(alive)).alias("event_id")
    ids = ids.replace({"": None})
    return (scope + "\n" + ids) if roles["event_id"].lower() == "id" else ids
