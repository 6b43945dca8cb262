"""The event: what is taken, what is refused and why, for any input at all."""

import json
import math
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretaste.errors import InvalidRecordError
from foretaste.events import (
    Event,
    check_event,
    check_id,
    is_session_user,
    new_event_id,
    new_event_ids,
    parse_timestamp,
)

NOW = 1_767_225_600.0  # 2026-01-01
GOOD = {"user_id": "u", "item_id": "i"}

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**300, max_value=10**400)
    | st.sampled_from(["huge"]).map(lambda _: 10**5000)
    | st.floats()
    | st.text(st.characters(), max_size=40)
    | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = (
    "event_id", "id", "user_id", "item_id", "product_id", "type", "action_type", "value", "rating", "timestamp",
    "session_id", "context", "recommendation_id", "position",
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(FIELDS), anything) | anything)
def test_garbage_gives_an_event_or_an_invalid_record_error(record: object) -> None:
    said = None
    try:
        event = check_event(record, now=NOW)  # type: ignore[arg-type]
    except InvalidRecordError as error:
        said = str(error)
    if said is not None:
        assert 0 < len(said) < 500
    else:
        assert event.user_id
        assert event.item_id
        assert 0 <= event.timestamp <= NOW + 86_400
        assert event.value is None or math.isfinite(event.value)


@given(anything)
def test_a_timestamp_is_a_finite_number_or_refused(value: object) -> None:
    said = None
    try:
        seconds = parse_timestamp(value)
    except InvalidRecordError as error:
        said = str(error)
    if said is not None:
        assert 0 < len(said) < 300
    else:
        assert math.isfinite(seconds)


@given(
    st.datetimes(
        min_value=datetime(1, 1, 2),
        max_value=datetime(9999, 12, 30),
        timezones=st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(
            lambda delta: timezone(timedelta(minutes=delta.total_seconds() // 60))
        ),
    )
)
def test_an_iso_text_is_read_back_to_the_microsecond(when: datetime) -> None:
    assert parse_timestamp(when.isoformat()) == when.timestamp()
    assert parse_timestamp(f"  {when.isoformat()} ") == when.timestamp()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (0, 0.0),
        (1_700_000_000, 1_700_000_000.0),
        (1_700_000_000_500, 1_700_000_000.5),
        ("1700000000.25", 1_700_000_000.25),
        ("1700010112345", 1_700_010_112.345),  # milliseconds, though ISO could read the year 1700 in it
        ("881250949", 881_250_949.0),
        ("20260101", 1_767_225_600.0),
        (20260101, 20_260_101.0),
        ("2026-01-01", 1_767_225_600.0),
        ("2026-01-01T00:00:00", 1_767_225_600.0),
        ("2026-01-01T01:00:00+01:00", 1_767_225_600.0),
        (datetime(2026, 1, 1, tzinfo=UTC), 1_767_225_600.0),
        (datetime(2026, 1, 1), 1_767_225_600.0),
    ],
)
def test_known_timestamps(value: object, seconds: float) -> None:
    assert parse_timestamp(value) == seconds


@pytest.mark.parametrize("value", [True, None, "", "soon", "nan", "inf", float("nan"), 10**400, "9" * 1000, [1], {}])
def test_what_is_no_time_is_refused(value: object) -> None:
    with pytest.raises(InvalidRecordError, match="timestamp"):
        parse_timestamp(value)


@pytest.mark.parametrize(
    "value", ["a", "ü-1", "商品", "a b", "x" * 256, "' OR 1=1 --", "../../etc/passwd", "0", "\U0001fae8", "\u0378"]
)
def test_any_printable_text_can_be_an_id(value: str) -> None:
    assert check_id(value, "item_id") == value


def test_whole_numbers_become_ids() -> None:
    assert check_id(42, "item_id") == "42"
    assert check_id(-7, "item_id") == "-7"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("x" * 257, "257 characters"),
        ("x" * 1_000_000, "1000000 characters"),
        ("a\x00b", "invisible"),
        ("a\nb", "invisible"),
        ("\ud800", "invisible"),
        ("a\u200bb", "invisible"),
        ("a\xa0b", "invisible"),
        ("\u202egnp", "invisible"),
        (True, "bool"),
        (1.5, "float"),
        (None, "NoneType"),
        (["a"], "list"),
        pytest.param(10**5000, "too long", id="huge"),
    ],
)
def test_a_bad_id_is_refused_in_a_short_message(value: object, said: str) -> None:
    with pytest.raises(InvalidRecordError, match=f"item_id.*{said}") as caught:
        check_id(value, "item_id")
    assert len(str(caught.value)) < 200


def test_the_other_names_of_fields_are_understood() -> None:
    event = check_event(
        {"user_id": 1, "product_id": 2, "action_type": "Add to-Cart", "rating": 4, "id": 9, "timestamp": 5}, now=NOW
    )
    assert (event.user_id, event.item_id, event.type, event.value, event.event_id, event.timestamp) == (
        "1", "2", "add_to_cart", 4.0, "9", 5.0,
    )  # fmt: skip


def test_what_is_missing_gets_a_default() -> None:
    first, second = check_event(GOOD, now=NOW), check_event(GOOD, now=NOW)
    assert (first.type, first.value, first.timestamp, first.context) == ("view", None, NOW, {})
    assert first.event_id != second.event_id


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"user_id": None}, "user_id"),
        ({"item_id": ""}, "item_id is empty"),
        ({"type": ""}, "type is empty"),
        ({"type": 0.5}, "type must be text"),
        ({"event_id": ""}, "event_id is empty"),
        ({"value": "5"}, "value must be a number, not '5'"),
        ({"value": float("nan")}, "value nan"),
        ({"value": 10**400}, "value"),
        ({"value": True}, "value must be a number"),
        ({"timestamp": -1}, "before 1970"),
        ({"timestamp": NOW + 86_401}, "in the future"),
        ({"timestamp": "x" * 10_000}, "neither"),
        ({"context": []}, "context must be an object, not list"),
        ({"context": "home"}, "context must be an object"),
        ({"position": -1}, "position"),
        ({"position": 1.0}, "position"),
        ({"position": True}, "position"),
        ({"session_id": {}}, "session_id"),
        ({"user_id": "session:v-17"}, "kept for anonymous sessions"),
        ({"user_id": None, "session_id": "s" * 249}, "session_id has 249 characters"),
    ],
)
def test_a_bad_field_is_refused_by_name(change: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidRecordError, match=said) as caught:
        check_event({**GOOD, **change}, now=NOW)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("record", [None, [], "text", 5, [GOOD]])
def test_a_record_that_is_no_object_is_refused(record: object) -> None:
    with pytest.raises(InvalidRecordError, match="must be an object"):
        check_event(record)  # type: ignore[arg-type]


def test_an_event_goes_through_json_unchanged() -> None:
    event = check_event(
        {**GOOD, "value": 2.5, "context": {"device": "phone", "n": [1]}, "position": 3, "session_id": "s"}, now=NOW
    )
    assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event
    assert check_event(json.loads(msgspec.json.encode(event)), now=NOW) == event


def test_new_event_ids_differ_and_are_valid() -> None:
    ids = {new_event_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(check_id(one, "event_id") == one for one in ids)


def test_new_event_ids_begin_with_their_time_and_differ_within_a_batch() -> None:
    earlier, later = list(new_event_ids(NOW, 50)), list(new_event_ids(NOW + 0.001, 50))
    assert max(earlier) < min(later)
    assert len({*earlier, *later}) == 100
    assert {len(one) for one in earlier} == {32}
    assert int(earlier[0][:12], 16) == int(NOW * 1000)


def test_an_event_without_an_id_takes_the_next_of_those_handed_in() -> None:
    ids = iter(["a", "b"])
    without = {name: value for name, value in GOOD.items() if name != "event_id"}
    found = [
        check_event(record, now=NOW, ids=ids).event_id for record in (without, {**GOOD, "event_id": "own"}, without)
    ]
    assert found == ["a", "own", "b"]


def test_an_event_of_a_session_without_a_user_is_kept_under_a_reserved_user() -> None:
    event = check_event({"session_id": "v-17", "item_id": "i"}, now=NOW)
    assert (event.user_id, event.session_id) == ("session:v-17", "v-17")
    assert is_session_user(event.user_id)
    assert not is_session_user(check_event({**GOOD, "session_id": "v-17"}, now=NOW).user_id)
    assert check_event({"session_id": "session:x", "item_id": "i"}, now=NOW).user_id == "session:session:x"
