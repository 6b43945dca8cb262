"""Trending against its formula, newest against dates."""

import math
from datetime import date

import numpy as np
import polars as pl
import pytest

from foretaste.data import Dataset, Interactions, Query, Vocabulary
from foretaste.errors import DataFormatError, DataInsufficientError
from foretaste.models.baselines.newest import Newest
from foretaste.models.baselines.trending import Trending

DAY = 86_400.0


def make_data(rows, items, frame=None):
    """Rows are (user number, item id, weight, day)."""
    vocabulary = Vocabulary(items)
    interactions = Interactions(
        np.array([row[0] for row in rows], dtype=np.int32),
        vocabulary.rows([row[1] for row in rows]),
        np.array([row[2] for row in rows], dtype=np.float32),
        np.array([row[3] * DAY for row in rows], dtype=np.float64),
        np.zeros(len(rows), dtype=np.uint8),
    ).sorted()
    users = Vocabulary([f"u{n}" for n in range(max(row[0] for row in rows) + 1)])
    return Dataset(users, vocabulary, interactions, item_frame=frame)


def anybody(model, k=10):
    return dict(model.recommend([Query()], k=k)[0])


def test_a_trend_is_growth_over_the_past_in_standard_deviations():
    rows = [(user, "steady", 1, day) for user, day in enumerate(range(35))]
    rows += [(user, "rising", 1, 34.5 - user / 10) for user in range(6)] + [(9, "start", 1, 0)]
    model = Trending(window_days=7, before_days=28, half_life_days=None, smoothing=2).fit(
        make_data(rows, ["steady", "rising", "start"])
    )
    span = 34.5 - 7  # days of past there are
    steady = sum(1 for day in range(35) if 34.5 - day < 7)
    past = sum(1 for day in range(35) if 34.5 - day >= 7)
    expected = past * 7 / span
    scores = anybody(model)
    assert scores["steady"] == pytest.approx((steady - expected) / math.sqrt(expected + 2), abs=1e-5)
    assert scores["rising"] == pytest.approx(6 / math.sqrt(2), abs=1e-5)
    assert "start" not in scores  # nobody took it in the window


def test_newer_interactions_weigh_more_inside_the_window():
    rows = [(0, "fresh", 1, 10), (1, "older", 1, 6)]
    model = Trending(window_days=7, half_life_days=2, smoothing=1).fit(make_data(rows, ["fresh", "older"]))
    assert anybody(model) == pytest.approx({"fresh": 1.0, "older": 2 ** (-4 / 2)}, abs=1e-6)


def test_a_steady_item_is_no_trend_whatever_the_half_life():
    rows = [(n, "steady", 1, n / 100) for n in range(3500)] + [(n, "double", 1, n / 100) for n in range(3500)]
    rows += [(3500 + n, "double", 1, 28 + n / 100) for n in range(700)]
    scores = anybody(Trending(smoothing=1, half_life_days=2).fit(make_data(rows, ["steady", "double"])))
    assert abs(scores["steady"]) < 0.3
    assert scores["double"] > 10


def test_one_person_clicking_all_day_makes_no_trend():
    rows = [(0, "clicked", 1, 30 - n / 100) for n in range(50)] + [(n, "loved", 1, 30 - n / 100) for n in range(1, 4)]
    data = make_data(rows, ["clicked", "loved"])
    assert next(iter(anybody(Trending().fit(data)))) == "loved"
    assert next(iter(anybody(Trending(values="weight").fit(data)))) == "clicked"


def test_trends_need_times():
    with pytest.raises(DataInsufficientError, match="timestamp"):
        Trending().fit(make_data([(0, "a", 1, float("nan"))], "a"))


def test_newest_goes_by_publication_date_and_ranks_items_that_nobody_took():
    frame = pl.DataFrame({"item_id": list("abc"), "published": [date(2024, 1, 1), date(2024, 3, 1), date(2024, 2, 1)]})
    scores = anybody(Newest().fit(make_data([(0, "a", 1, 1)], "abc", frame)))
    assert list(scores) == ["b", "c", "a"]
    assert list(scores.values()) == [0.0, -29.0, -60.0]


def test_dates_as_text_are_read_and_missing_ones_filled_from_the_first_interaction():
    frame = pl.DataFrame({"item_id": list("abcd"), "Release_Date": ["01-Jan-1970", "11-Jan-1970", None, None]})
    data = make_data([(0, "c", 1, 5), (1, "c", 1, 30)], "abcd", frame)
    assert anybody(Newest().fit(data)) == {"b": 0.0, "c": -5.0, "a": -10.0}
    assert anybody(Newest(first_seen=False).fit(data)) == {"b": 0.0, "a": -10.0}


def test_without_any_date_there_is_no_newest():
    with pytest.raises(DataInsufficientError, match="publication date"):
        Newest().fit(make_data([(0, "a", 1, float("nan"))], "a"))
    with pytest.raises(DataFormatError, match="'born'"):
        Newest(column="born").fit(make_data([(0, "a", 1, 1)], "a"))
