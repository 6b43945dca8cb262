"""The contract of a record store as tests: subclass :class:`RecordsContract` and say how a store is made."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import polars as pl
import pytest

from foretaste.errors import ConflictError, StorageUnavailableError
from foretaste.events import Event
from foretaste.storage.records import DeadLetter, Record, Records

WEIRD_IDS = (
    "'; DROP TABLE events; --",
    'quote"s',
    "../../etc/passwd",
    "100%_of_it",
    "naïve-ключ-鍵-🗝",
    "a b",
    "x" * 256,
)


def event(event_id: str, user_id: str = "u", item_id: str = "i", timestamp: float = 1.0, **more: Any) -> Event:
    """An event with little to say."""
    return Event(event_id=event_id, user_id=user_id, item_id=item_id, timestamp=timestamp, **more)


class RecordsContract:
    """What every record store must do."""

    async def make(self, place: Any) -> Records:
        """A store that is not opened yet, on the data at ``place`` (a temporary folder)."""
        raise AssertionError("a subclass says how a store is made")

    @pytest.fixture
    async def store(self, tmp_path: Any) -> AsyncIterator[Records]:
        store = await self.make(tmp_path)
        await store.open()
        yield store
        await store.close()

    # --- events --------------------------------------------------------------------------------------------------

    async def test_an_event_comes_back_whole(self, store: Records) -> None:
        sent = event(
            "e1",
            type="purchase",
            value=2.5,
            session_id="s",
            context={"page": "home", "n": [1, None]},
            recommendation_id="r",
            position=3,
        )
        assert await store.append_events([sent]) == [True]
        assert (await store.user_state("u")).events == (sent,)

    async def test_an_event_id_counts_once_across_and_within_batches(self, store: Records) -> None:
        assert await store.append_events([event("a"), event("b"), event("a")]) == [True, True, False]
        assert await store.append_events([event("b"), event("c")]) == [False, True]
        assert await store.count("event") == 3

    async def test_an_empty_batch_is_nothing(self, store: Records) -> None:
        assert await store.append_events([]) == []
        assert await store.count("event") == 0

    async def test_the_newest_events_of_a_user_come_oldest_first(self, store: Records) -> None:
        await store.append_events([event(f"e{n}", timestamp=float(n)) for n in range(10)])
        await store.append_events([event("other", user_id="v")])
        state = await store.user_state("u", limit=3)
        assert [e.event_id for e in state.events] == ["e7", "e8", "e9"]

    async def test_a_late_event_stands_where_its_time_says(self, store: Records) -> None:
        await store.append_events([event("second", timestamp=2.0)])
        await store.append_events([event("first", timestamp=1.0)])
        assert [e.event_id for e in (await store.user_state("u")).events] == ["first", "second"]

    async def test_a_users_version_changes_with_every_event_and_only_then(self, store: Records) -> None:
        seen = [await store.user_version("u")]
        for n in range(3):
            await store.append_events([event(f"e{n}")])
            seen.append(await store.user_version("u"))
        await store.append_events([event("e0"), event("x", user_id="v")])
        assert len(set(seen)) == 4
        assert await store.user_version("u") == seen[-1] == (await store.user_state("u")).version
        assert await store.user_version("nobody") == 0

    async def test_a_deleted_users_version_is_never_seen_again(self, store: Records) -> None:
        await store.append_events([event("e")])
        before = await store.user_version("u")
        assert await store.delete("user", "u")
        between = await store.user_version("u")
        await store.append_events([event("f")])
        assert len({before, between, await store.user_version("u")}) == 3

    async def test_a_scan_gives_all_events_in_order_of_arrival(self, store: Records) -> None:
        await store.append_events([event(f"e{n}", user_id=f"u{n % 3}", value=float(n)) for n in range(25)])
        frames = [frame async for frame in store.scan_events(batch_size=10)]
        assert [len(frame) for frame in frames] == [10, 10, 5]
        whole = pl.concat(frames)
        assert whole["event_id"].to_list() == [f"e{n}" for n in range(25)]
        assert whole["sequence"].is_sorted()
        after = int(whole["sequence"][19])
        rest = pl.concat([frame async for frame in store.scan_events(after=after)])
        assert rest["event_id"].to_list() == [f"e{n}" for n in range(20, 25)]

    async def test_loading_a_frame_twice_adds_nothing(self, store: Records) -> None:
        frame = pl.DataFrame(
            {
                "event_id": [f"e{n}" for n in range(500)],
                "user_id": [f"u{n % 7}" for n in range(500)],
                "item_id": ["i"] * 500,
                "type": ["view"] * 500,
                "timestamp": [float(n) for n in range(500)],
            }
        )
        assert await store.load_events(frame) == 500
        assert await store.load_events(frame) == 0
        assert await store.append_events([event("e3")]) == [False]
        assert len((await store.user_state("u3")).events) == len([n for n in range(500) if n % 7 == 3])

    async def test_many_writers_at_once_lose_nothing(self, store: Records) -> None:
        async def write(writer: int) -> None:
            for n in range(20):
                assert all(await store.append_events([event(f"{writer}-{n}-{m}", f"u{writer}") for m in range(3)]))

        await asyncio.gather(*(write(writer) for writer in range(10)))
        assert await store.count("event") == 600

    async def test_what_is_stored_is_there_after_reopening(self, store: Records, tmp_path: Any) -> None:
        await store.append_events([event("e")])
        await store.upsert("item", [Record("i", {"title": "Tea"})])
        again = await self.make(tmp_path)
        await again.open()
        try:
            assert await again.user_version("u") == await store.user_version("u")
            found = await again.get("item", "i")
            assert found is not None
            assert found.attributes == {"title": "Tea"}
        finally:
            await again.close()

    async def test_two_open_stores_see_each_others_writes_at_once(self, store: Records, tmp_path: Any) -> None:
        other = await self.make(tmp_path)
        await other.open()
        try:
            await store.append_events([event("a")])
            assert await other.append_events([event("a"), event("b")]) == [False, True]
            assert len((await store.user_state("u")).events) == 2
        finally:
            await other.close()

    @pytest.mark.parametrize("weird", WEIRD_IDS)
    async def test_any_id_is_only_data(self, store: Records, weird: str) -> None:
        assert await store.append_events([event(weird, user_id=weird, item_id=weird)]) == [True]
        state = await store.user_state(weird)
        assert state.events[0].item_id == weird
        await store.upsert("user", [Record(weird, {"name": weird})])
        found = await store.get("user", weird)
        assert found is not None
        assert found.attributes["name"] == weird
        assert await store.get("user", "x") is None
        assert await store.delete("user", weird)
        assert await store.count("event") == 0

    # --- users and items -----------------------------------------------------------------------------------------

    async def test_an_upsert_replaces_and_keeps_when_it_was_made(self, store: Records) -> None:
        await store.upsert("item", [Record("i", {"price": 1}, is_available=False)])
        first = await store.get("item", "i")
        await store.upsert("item", [Record("i", {"price": 2}), Record("i", {"price": 3})])
        second = await store.get("item", "i")
        assert first is not None
        assert second is not None
        assert (second.attributes, second.is_available) == ({"price": 3}, True)
        assert second.created_at == first.created_at
        assert second.version > first.version
        assert abs(second.updated_at - time.time()) < 60

    async def test_users_and_items_with_one_id_are_two_things(self, store: Records) -> None:
        await store.upsert("user", [Record("x", {"is": "user"})])
        await store.upsert("item", [Record("x", {"is": "item"})])
        assert await store.delete("item", "x")
        found = await store.get("user", "x")
        assert found is not None
        assert found.attributes == {"is": "user"}

    async def test_pages_list_everything_once_in_order(self, store: Records) -> None:
        ids = sorted([*WEIRD_IDS, *(f"i{n:03}" for n in range(20))])
        await store.upsert("item", [Record(record_id) for record_id in reversed(ids)])
        listed: list[str] = []
        cursor: str | None = None
        while True:
            page = await store.page("item", cursor=cursor, limit=7)
            listed += [record.record_id for record in page.records]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert listed == ids

    async def test_changes_since_a_version_are_told_with_deletions(self, store: Records) -> None:
        await store.upsert("item", [Record("a"), Record("b"), Record("c")])
        known = max(record.version for record in await store.changed("item", since=0))
        await store.upsert("item", [Record("b", {"new": True})])
        await store.delete("item", "c")
        changes = await store.changed("item", since=known)
        assert [record.record_id for record in changes] == ["b", "c"]
        assert changes[1].attributes == {"_deleted": True}
        assert [r.record_id for r in await store.changed("item", since=0, limit=1)] == ["a"]

    async def test_a_deleted_record_is_gone_and_can_come_back(self, store: Records) -> None:
        await store.upsert("item", [Record("i", {"a": 1})])
        assert await store.delete("item", "i")
        assert not await store.delete("item", "i")
        assert await store.get("item", "i") is None
        assert await store.count("item") == 0
        assert (await store.page("item")).records == ()
        await store.upsert("item", [Record("i", {"a": 2})])
        assert await store.count("item") == 1

    async def test_deleting_a_user_takes_its_events_and_an_item_leaves_them(self, store: Records) -> None:
        await store.upsert("user", [Record("u")])
        await store.append_events([event("e"), event("f", user_id="v")])
        await store.delete("user", "u")
        assert (await store.user_state("u")).events == ()
        await store.delete("item", "i")
        assert await store.count("event") == 1

    # --- dead letters and shared values --------------------------------------------------------------------------

    async def test_dead_letters_are_kept_in_order(self, store: Records) -> None:
        letters = [DeadLetter("event", f"raw {n} \ud800", "invalid_record", "because", float(n)) for n in range(5)]
        await store.add_dead_letters(letters)
        found = await store.dead_letters(limit=3)
        assert [letter.received_at for letter in found] == [0.0, 1.0, 2.0]
        rest = await store.dead_letters(after=found[-1].letter_id)
        assert [letter.code for letter in rest] == ["invalid_record"] * 2
        assert await store.count("dead_letter") == 5

    async def test_a_shared_value_is_set_only_by_who_knows_its_version(self, store: Records) -> None:
        assert await store.get_value("k") == (None, 0)
        version = await store.put_value("k", {"a": [1]}, expected_version=0)
        assert await store.get_value("k") == ({"a": [1]}, version)
        with pytest.raises(ConflictError):
            await store.put_value("k", "mine", expected_version=0)
        assert await store.put_value("k", "mine", expected_version=version) > version
        assert (await store.get_value("k"))[0] == "mine"

    async def test_a_failed_write_harms_no_other(self, store: Records) -> None:
        await store.put_value("k", 1)
        good = [store.append_events([event(f"e{n}")]) for n in range(5)]
        bad = store.put_value("k", 2, expected_version=99)
        results = await asyncio.gather(*good, bad, return_exceptions=True)
        assert results[:5] == [[True]] * 5
        assert isinstance(results[5], ConflictError)
        assert await store.count("event") == 5

    async def test_ping_answers_while_open(self, store: Records) -> None:
        await store.ping()

    async def test_a_closed_store_says_so(self, tmp_path: Any) -> None:
        store = await self.make(tmp_path)
        await store.open()
        await store.close()
        with pytest.raises(StorageUnavailableError):
            await store.append_events([event("e")])
        with pytest.raises(StorageUnavailableError):
            await store.user_version("u")
