"""Times, numbers and columns as people write them."""

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretaste.data.intake.columns import ColumnMap, kind_of, resolve
from foretaste.data.intake.frames import as_frame
from foretaste.data.intake.ids import encode
from foretaste.data.intake.values import numbers, timestamps, truths
from foretaste.errors import DataFormatError
from foretaste.events.event import check_id, parse_timestamp

NOON = 1_767_268_800.0  # 2026-01-01T12:00:00Z


@pytest.mark.parametrize(
    "value",
    [
        NOON,
        int(NOON * 1e3),
        int(NOON * 1e6),
        int(NOON * 1e9),
        str(int(NOON)),
        "2026-01-01T12:00:00Z",
        "2026-01-01 12:00:00",
        "2026-01-01T12:00",
        "2026-01-01T13:30:00+01:30",
        "2026-01-01T10:00:00-0200",
        "2026-01-01 12:00:00 UTC",
        "2026/1/1 12:00:00",
        datetime(2026, 1, 1, 12),
        datetime(2026, 1, 1, 13, tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_all_writings_of_one_time_are_the_same_second(value) -> None:
    seconds, bad = timestamps(pl.Series("t", [value]))
    assert seconds.to_list() == [NOON]
    assert not bad.any()


def test_dates_and_fractions_of_seconds_are_kept() -> None:
    assert timestamps(pl.Series([date(1970, 1, 2)]))[0].to_list() == [86_400.0]
    assert timestamps(pl.Series(["19700102", "86401"]))[0].to_list() == [86_400.0, 86_401.0]
    assert timestamps(pl.Series(["20261399", "20260101"]))[0].to_list() == [20_261_399.0, parse_timestamp("20260101")]
    assert timestamps(pl.Series(["1970-01-01T00:00:01.250Z"]))[0].to_list() == [1.25]


@pytest.mark.parametrize("text", ["soon", "2026-13-01", "2026-02-30", "2026-01-01T25:00:00", "01/02/2026", "1e400"])
def test_texts_that_are_no_time_are_told(text) -> None:
    seconds, bad = timestamps(pl.Series("t", ["2026-01-01T12:00:00Z", text, None]))
    assert bad.to_list() == [False, True, False]
    assert seconds[0] == NOON
    assert seconds[2] is None


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2100, 1, 1)), st.integers(-14 * 60, 14 * 60))
@settings(max_examples=100, deadline=None)
def test_iso_times_agree_with_those_of_single_events(moment, minutes) -> None:
    text = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes))).isoformat()
    assert timestamps(pl.Series([text, "x"]))[0][0] == parse_timestamp(text)


def test_times_from_pandas_with_a_zone_are_utc() -> None:
    frame = pd.DataFrame({"t": pd.to_datetime(["2026-01-01T13:00:00+01:00"])})
    assert timestamps(as_frame(frame, what="rows")["t"])[0].to_list() == [NOON]
    local = pd.DataFrame({"t": pd.to_datetime(["2026-01-01T13:00:00"]).tz_localize("Etc/GMT-1")})
    assert timestamps(as_frame(local, what="rows")["t"])[0].to_list() == [NOON]


def test_a_column_of_clock_times_is_refused() -> None:
    with pytest.raises(DataFormatError, match="not numbers"):
        timestamps(pl.Series("t", [datetime.now(UTC).time()]))


def test_numbers_tell_text_from_missing() -> None:
    values, is_text = numbers(pl.Series("r", ["1.5", "x", "nan", "", None, "N/A", "1e3"]), role="value")
    assert values.to_list() == [1.5, None, None, None, None, None, 1000.0]
    assert is_text.to_list() == [False, True, False, False, False, False, False]


def test_truths_are_read_from_words_and_numbers() -> None:
    assert truths(pl.Series(["yes", "FALSE", "1", "maybe", None])).to_list() == [True, False, True, None, None]
    assert truths(pl.Series([1, 0, None])).to_list() == [True, False, None]


@given(st.lists(st.one_of(st.none(), st.text(max_size=6)), max_size=20))
@settings(max_examples=150, deadline=None)
def test_ids_are_refused_exactly_where_single_events_refuse_them(ids) -> None:
    encoded = encode(pl.Series("id", ids, dtype=pl.String))
    for place, outside_id in enumerate(ids):
        try:
            check_id(outside_id, "id")
            fine = True
        except Exception:  # noqa: BLE001
            fine = False
        code = encoded.codes[place]
        assert (encoded.problems[code] == 0) == fine
        assert encoded.distinct[int(code)] == outside_id


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("userId movieId rating timestamp", "userId movieId rating timestamp"),
        ("timestamp visitorid event itemid transactionid", "visitorid itemid - timestamp event"),
        ("customer_id SKU Quantity created_at", "customer_id SKU Quantity created_at"),
        ("reviewerID asin overall unixReviewTime", "reviewerID asin overall unixReviewTime"),
        ("event_id user_id item_id interaction_type value", "user_id item_id value - interaction_type event_id"),
        ("user_id business_id stars date", "user_id business_id stars date"),
    ],
)
def test_well_known_columns_find_their_roles(columns, expected) -> None:
    order = ("user", "item", "value", "timestamp", "type", "event_id")
    roles = {role: name for role, name in zip(order, expected.split(), strict=False) if name != "-"}
    assert resolve(columns.split(), None, "interactions") == roles


def test_named_columns_win_over_known_names_and_are_used_once() -> None:
    roles = resolve(["user_id", "item_id", "other_item", "rating"], ColumnMap(item="other_item"), "interactions")
    assert roles == {"user": "user_id", "item": "other_item", "value": "rating"}


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        (["user_id", "item_id"], "interactions"),
        (["movieId", "title"], "items"),
        (["user_id", "age"], "users"),
        (["user_id", "friend_id"], "links"),
        (["source_id", "target_id"], "links"),
        (["colour", "size"], None),
    ],
)
def test_tables_are_told_apart_by_their_columns(columns, kind) -> None:
    assert kind_of(columns) == kind


def test_an_item_table_prefers_its_own_id_to_that_of_an_attribute() -> None:
    assert resolve(["id", "artist_id", "title"], None, "items") == {"item": "id"}


def test_pandas_columns_of_mixed_and_missing_values_survive() -> None:
    frame = pd.DataFrame({"a": ["x", None, "z"], "b": pd.array([1, None, 3], dtype="Int64"), "c": [1, "two", np.nan]})
    got = as_frame(frame, what="rows")
    assert got["a"].to_list() == ["x", None, "z"]
    assert got["b"].to_list() == [1, None, 3]
    assert got["c"].to_list() == ["1", "two", None]


def test_a_pandas_frame_with_a_column_twice_is_refused() -> None:
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(DataFormatError, match="more than one column 'a'"):
        as_frame(frame, what="rows")
