import random

import pytest

from foretaste.errors import InvalidRecordError
from foretaste.events import Event
from foretaste.storage.records.sqlite_append import append_events
from foretaste.storage.records.sqlite_connection import connect, migrate
from foretaste.storage.records.sqlite_rows import from_event


@pytest.fixture
def connection(tmp_path):
    migrate(tmp_path / "records.db", timeout_s=5.0)
    connection = connect(tmp_path / "records.db", timeout_s=5.0)
    yield connection
    connection.close()


def values(*event_ids):
    return [from_event(Event(event_id=event_id, user_id="u", item_id="i", timestamp=1.0)) for event_id in event_ids]


@pytest.mark.parametrize("n", [1, 7, 99, 100, 101, 250])
def test_which_events_were_new_is_as_if_they_came_one_by_one(connection, n):
    rng = random.Random(n)
    known = set()
    for _ in range(4):
        ids = [f"e{rng.randrange(3 * n)}" for _ in range(n)]
        expected = [event_id not in known and event_id not in ids[:place] for place, event_id in enumerate(ids)]
        assert append_events(connection, values(*ids)) == expected
        known.update(ids)
    stored = [row[0] for row in connection.execute("SELECT event_id FROM events ORDER BY sequence")]
    assert sorted(stored) == sorted(known)


def test_events_keep_their_order_and_every_column(connection):
    whole = Event(
        event_id="e1",
        user_id="u1",
        item_id="i1",
        type="purchase",
        value=2.5,
        timestamp=7.0,
        session_id="s1",
        context={"device": "phone"},
        recommendation_id="r1",
        position=3,
    )
    append_events(connection, [*values("e0"), from_event(whole), *values("e2")])
    rows = connection.execute("SELECT * FROM events ORDER BY sequence").fetchall()
    assert [row[1] for row in rows] == ["e0", "e1", "e2"]
    assert rows[1][1:] == ("e1", "u1", "i1", "purchase", 2.5, 7.0, "s1", '{"device":"phone"}', "r1", 3)


def test_an_event_that_lacks_a_value_is_an_error_and_not_passed_over(connection):
    for place, nothing in ((0, None), (1, None), (2, None), (3, None), (5, None), (5, float("nan"))):
        wrong = list(values("e1")[0])
        wrong[place] = nothing
        with pytest.raises(InvalidRecordError, match="lacks its id"):
            append_events(connection, [*values("e0"), tuple(wrong)])
    assert connection.execute("SELECT COUNT(*) FROM events").fetchone() == (0,)
