import orjson
import pytest

from foretaste.errors import InvalidRecordError, StorageFullError
from foretaste.monitoring import Metrics
from foretaste.serving.collect import checked_record, record_events, upsert_records

GOOD = {"event_id": "e1", "user_id": "u", "item_id": "i", "type": "view", "timestamp": 1.7e9}


async def test_one_bad_record_does_not_stop_the_others(empty_stores):
    records = empty_stores.records
    raw = [
        GOOD,
        {"user_id": "u"},
        "text",
        {**GOOD, "event_id": "e2"},
        {**GOOD, "value": float("nan"), "event_id": "e3"},
    ]
    results = await record_events(records, raw, Metrics())
    assert [r.status for r in results] == ["stored", "rejected", "rejected", "stored", "rejected"]
    assert [r.index for r in results] == [0, 1, 2, 3, 4]
    assert "item_id" in results[1].message
    assert await records.count("event") == 2


async def test_the_same_event_id_is_stored_once_also_within_a_batch(empty_stores):
    records = empty_stores.records
    first = await record_events(records, [GOOD, GOOD], Metrics())
    second = await record_events(records, [GOOD], Metrics())
    assert [r.status for r in first + second] == ["stored", "duplicate", "duplicate"]
    assert await records.count("event") == 1


async def test_refused_records_are_kept_with_the_reason(empty_stores):
    records = empty_stores.records
    bad = {"user_id": "", "item_id": "i"}
    await record_events(records, [bad], Metrics())
    (letter,) = await records.dead_letters()
    assert orjson.loads(letter.raw) == bad
    assert (letter.kind, letter.code) == ("event", "invalid_record")
    assert "user_id" in letter.message


@pytest.mark.parametrize(
    "fields",
    [
        {"timestamp": "0001-01-01T00:00:00+23:59"},
        {"timestamp": 1e300},
        {"timestamp": "yesterday"},
        {"timestamp": [1]},
        {"user_id": "\ud800"},
        {"user_id": "a\x00b"},
        {"item_id": "x" * 1_000_000},
        {"item_id": {"a": 1}},
        {"type": ["view"]},
        {"value": 10**400},
        {"value": "five"},
        {"position": 10**30},
        {"context": [1]},
        {"context": {"a": 10**30}},
        {"context": {"a": "\ud800"}},
        {"context": {"long": "x" * 20_000}},
        {"session_id": ""},
        {"recommendation_id": 1.5},
    ],
)
async def test_wild_values_are_refused_not_stored_and_raise_nothing(empty_stores, fields):
    results = await record_events(empty_stores.records, [{**GOOD, **fields}], Metrics())
    assert results[0].status == "rejected"
    assert results[0].message
    assert await empty_stores.records.count("event") == 0
    assert await empty_stores.records.count("dead_letter") == 1


async def test_when_the_store_is_full_nothing_is_said_to_be_stored(empty_stores, monkeypatch):
    async def full(events):
        raise StorageFullError("no room")

    metrics = Metrics()
    monkeypatch.setattr(empty_stores.records, "append_events", full)
    with pytest.raises(StorageFullError):
        await record_events(empty_stores.records, [GOOD], metrics)
    assert 'foretaste_records_total{kind="event",result="failed"} 1.0' in metrics.text().decode()


async def test_a_lost_dead_letter_does_not_lose_the_good_events(empty_stores, monkeypatch):
    async def full(letters):
        raise StorageFullError("no room")

    monkeypatch.setattr(empty_stores.records, "add_dead_letters", full)
    results = await record_events(empty_stores.records, [GOOD, {}], Metrics())
    assert [r.status for r in results] == ["stored", "rejected"]
    assert await empty_stores.records.count("event") == 1


def test_an_item_may_be_flat_or_have_attributes_or_both():
    record = checked_record(
        "item", {"product_id": 7, "name": "Lamp", "attributes": {"price": 3}, "available": False}, 5.0
    )
    assert record.record_id == "7"
    assert record.attributes == {"name": "Lamp", "price": 3}
    assert record.is_available is False


@pytest.mark.parametrize(
    "fields",
    [
        None,
        [],
        {},
        {"item_id": ""},
        {"item_id": "i", "attributes": [1]},
        {"item_id": "i", "is_available": "yes"},
        {"item_id": "i", "a": 10**40},
        {"item_id": "i", "a": "\ud800"},
        {"item_id": "i", "text": "x" * 300_000},
        {"item_id": "i", "_deleted": True},
    ],
)
def test_a_wrong_item_is_refused(fields):
    with pytest.raises(InvalidRecordError):
        checked_record("item", fields, 0.0)


async def test_a_batch_of_items_stores_the_good_ones(empty_stores):
    results = await upsert_records(empty_stores.records, "item", [{"item_id": "a"}, {}, {"item_id": "b"}], Metrics())
    assert [r.status for r in results] == ["stored", "rejected", "stored"]
    assert await empty_stores.records.count("item") == 2
