"""When things happen: days by trend, weekday and season, hours by habit, and how popularity moves meanwhile."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from foretaste.data.sampling.catalogue import SHELF_DEPARTMENT, SHELVES, Catalogue
from foretaste.data.sampling.config import SampleConfig
from foretaste.data.sampling.randomness import stream
from foretaste.data.sampling.words import DEPARTMENTS

DAY_S = 86_400
WEEKDAY = np.array([1.0, 0.95, 0.95, 1.0, 1.1, 1.35, 1.3])
"""Relative traffic from Monday to Sunday."""
HOUR = np.array([3, 2, 1, 1, 1, 2, 4, 7, 9, 10, 11, 13, 15, 13, 11, 10, 10, 12, 15, 19, 22, 20, 13, 6], dtype=float)
"""Relative traffic by hour (UTC): lunch and evening."""
_YEAR_SWING = 0.25
_GROWTH = 0.5
_NEWNESS = 1.5  # a new item starts with e^1.5 times its popularity…
_NEWNESS_DAYS = 30.0  # …which fades with this time constant


@dataclass(frozen=True)
class Calendar:
    """The traffic of the shop as cumulative shares."""

    days: npt.NDArray[np.float64]  # (days + 1,) cumulative traffic, from 0
    hours: npt.NDArray[np.float64]  # (25,) cumulative, 0 … 1

    def sample_times(self, from_day: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.float64]:
        """Seconds after the start, one for each entry of ``from_day``, on that day or later."""
        low = self.days[np.clip(from_day, 0, len(self.days) - 2)]
        chance = low + rng.random(len(from_day)) * (self.days[-1] - low)
        day = np.clip(np.searchsorted(self.days, chance, side="right") - 1, 0, len(self.days) - 2)
        day = np.maximum(day, from_day)
        hour = np.interp(rng.random(len(from_day)), self.hours, np.arange(25.0))
        return np.asarray(day * float(DAY_S) + hour * 3600.0)


def make_calendar(config: SampleConfig) -> Calendar:
    """Growing traffic, fuller at week-ends and before the end of the year."""
    day = np.arange(config.days)
    weekday = (day + config.start.weekday()) % 7
    into_year = (day + config.start.timetuple().tm_yday) / 365.25
    year = 1.0 + _YEAR_SWING * np.cos(2 * np.pi * (into_year - 0.93))  # peak in early December
    traffic = WEEKDAY[weekday] * year * (1.0 + _GROWTH * day / 365.25)
    return Calendar(np.concatenate([[0.0], np.cumsum(traffic)]), np.concatenate([[0.0], np.cumsum(HOUR / HOUR.sum())]))


@dataclass(frozen=True)
class Demand:
    """How popular shelves and items are in each of P periods, ready for sampling. S shelves, I items.

    ``order`` lists the items shelf by shelf; ``cumulative[p]`` rises by 1 over each shelf that has something on sale
    in period p, so that ``searchsorted(cumulative[p], s + chance)`` finds an item of shelf s.
    """

    order: npt.NDArray[np.int32]  # (I,)
    cumulative: npt.NDArray[np.float64]  # (P, I)
    shelf_share: npt.NDArray[np.float32]  # (P, S) sums to 1 over S; 0 for an empty shelf
    period_s: float

    def period_of(self, seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """The period of a time after the start."""
        return np.clip((seconds / self.period_s).astype(np.int64), 0, len(self.cumulative) - 1)

    def sample_items(
        self, period: npt.NDArray[np.int64], shelf: npt.NDArray[np.int64], chance: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.int32]:
        """Item rows like ``chance`` (N, M), by popularity in ``period`` (N,) on ``shelf`` (N,)."""
        out = np.empty(chance.shape, dtype=np.int32)
        wanted = shelf[:, None] + chance
        by_period = np.argsort(period, kind="stable")
        bounds = np.searchsorted(period[by_period], np.arange(len(self.cumulative) + 1))
        for p in range(len(self.cumulative)):
            picks = by_period[bounds[p] : bounds[p + 1]]
            if len(picks):
                places = np.searchsorted(self.cumulative[p], wanted[picks].ravel(), side="right")
                out[picks] = self.order[np.minimum(places, len(self.order) - 1)].reshape(-1, chance.shape[1])
        return out


def make_demand(config: SampleConfig, catalogue: Catalogue) -> Demand:
    """Popularity through time: Zipf by rank, a random walk, a bump for what is new, nothing before publication."""
    order = np.argsort(catalogue.shelf, kind="stable").astype(np.int32)
    shelf = catalogue.shelf[order]
    published = catalogue.published_day[order]
    starts = np.searchsorted(shelf, np.arange(len(SHELVES)))
    filled = np.flatnonzero(np.bincount(shelf, minlength=len(SHELVES)))  # shelves that have items at all
    p_count = config.n_periods
    length = config.days / p_count
    cumulative = np.empty((p_count, len(order)))
    share = np.zeros((p_count, len(SHELVES)))
    drift = np.zeros(len(order))
    for p in range(p_count):
        rng = stream(config.seed, "drift", p)
        drift += config.popularity_drift / np.sqrt(p_count) * rng.standard_normal(len(order))
        age = p * length - published
        fresh = np.where(published >= 0, _NEWNESS * np.exp(-np.maximum(age, 0) / _NEWNESS_DAYS), 0.0)
        weights = np.where(age >= 0, catalogue.popularity[order] * np.exp(drift + fresh), 0.0)
        totals = np.zeros(len(SHELVES))
        totals[filled] = np.add.reduceat(weights, starts[filled])
        cumulative[p] = _risen(weights, totals, shelf, starts)
        season = totals * _season(config, p * length)
        share[p] = season / season.sum()
    return Demand(order, cumulative, share.astype(np.float32), length * DAY_S)


def _risen(
    weights: npt.NDArray[np.float64],
    totals: npt.NDArray[np.float64],
    shelf: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """Shelf number plus the share of the shelf up to and with each item; exactly the next number at its last one."""
    running = np.cumsum(weights)
    before = np.concatenate([[0.0], running])[starts]
    part = (running - before[shelf]) / np.where(totals > 0, totals, 1.0)[shelf]
    risen = shelf + np.clip(part, 0.0, 1.0)
    last = np.flatnonzero(np.append(shelf[1:] != shelf[:-1], True))
    full = totals[shelf[last]] > 0
    risen[last[full]] = shelf[last[full]] + 1.0
    return np.asarray(np.maximum.accumulate(risen))


def _season(config: SampleConfig, day: float) -> npt.NDArray[np.float64]:
    """How much better than in the mean of the year each shelf sells (S,)."""
    month = 1.0 + 12.0 * (((config.start + timedelta(days=int(day))).timetuple().tm_yday - 1) / 365.25)
    peak = np.array([d.peak_month for d in DEPARTMENTS])
    swing = np.array([d.season for d in DEPARTMENTS])
    return np.asarray(np.exp(swing * np.cos(2 * np.pi * (month - peak) / 12.0))[SHELF_DEPARTMENT])
