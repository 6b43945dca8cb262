"""The whole life of a store: many callers, several stores on the same data, closing and reopening."""

import asyncio
from typing import Any

import pytest

from foretaste.errors import ConflictError, InvalidRecordError, StorageUnavailableError
from foretaste.storage.records import Record, Records
from foretaste.testing.records.setup import StoreSetup, event


class LifeContract(StoreSetup):
    """What every record store must do when many use it."""

    async def test_many_writers_at_once_lose_nothing(self, store: Records) -> None:
        async def write(writer: int) -> None:
            for n in range(20):
                assert all(await store.append_events([event(f"{writer}-{n}-{m}", f"u{writer}") for m in range(3)]))

        await asyncio.gather(*(write(writer) for writer in range(10)))
        assert await store.count("event") == 600

    async def test_two_open_stores_see_each_others_writes_at_once(self, store: Records, tmp_path: Any) -> None:
        other = await self.make(tmp_path)
        await other.open()
        try:
            await store.append_events([event("a")])
            assert await other.append_events([event("a"), event("b")]) == [False, True]
            assert len((await store.user_state("u")).events) == 2
        finally:
            await other.close()

    async def test_what_is_stored_is_there_after_reopening(self, store: Records, tmp_path: Any) -> None:
        await store.append_events([event("e")])
        await store.upsert("item", [Record("i", {"title": "Tea"})])
        again = await self.make(tmp_path)
        await again.open()
        try:
            assert await again.stamp("u") == await store.stamp("u")
            found = await again.get("item", "i")
            assert found is not None
            assert found.attributes == {"title": "Tea"}
        finally:
            await again.close()

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
            await store.stamp("u")

    async def test_a_batch_that_is_refused_harms_none_that_is_written_with_it(self, store: Records) -> None:
        good = [store.append_events([event(f"g{n}"), event(f"h{n}")]) for n in range(20)]
        bad = [store.append_events([event(f"b{n}"), event("x", timestamp=float("nan"))]) for n in range(20)]
        mixed = [one for pair in zip(good, bad, strict=True) for one in pair]
        results = await asyncio.gather(*mixed, return_exceptions=True)
        assert results[0::2] == [[True, True]] * 20
        assert all(isinstance(result, InvalidRecordError) for result in results[1::2])
        assert len({id(result) for result in results[1::2]}) == 20
        assert await store.count("event") == 40

    async def test_the_same_events_sent_by_many_are_stored_once(self, store: Records, tmp_path: Any) -> None:
        async with await self.make(tmp_path) as other:
            batch = [event(f"e{n}") for n in range(50)]
            results = await asyncio.gather(*(s.append_events(batch) for s in (store, other) for _ in range(5)))
        assert sum(sum(result) for result in results) == 50
        assert await store.count("event") == 50

    async def test_two_stores_that_write_at_once_both_get_on(self, store: Records, tmp_path: Any) -> None:
        async def write(target: Records, name: str) -> None:
            for n in range(50):
                assert await target.append_events([event(f"{name}{n}", user_id=name)]) == [True]

        async with await self.make(tmp_path) as other:
            await asyncio.gather(write(store, "a"), write(other, "b"))
            assert len((await other.user_state("a")).events) == len((await store.user_state("b")).events) == 50

    async def test_a_caller_that_goes_away_leaves_the_store_working(self, store: Records) -> None:
        task = asyncio.create_task(store.append_events([event("e")]))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await store.append_events([event("f")]) == [True]
        assert await store.count("event") in {1, 2}

    async def test_a_store_can_be_opened_by_several_at_once(self, tmp_path: Any) -> None:
        stores = [await self.make(tmp_path) for _ in range(4)]
        await asyncio.gather(*(store.open() for store in stores))
        try:
            for n, store in enumerate(stores):
                assert await store.append_events([event(f"e{n}")]) == [True]
            assert await stores[0].count("event") == 4
        finally:
            await asyncio.gather(*(store.close() for store in stores))

    async def test_closing_finishes_what_waits(self, tmp_path: Any) -> None:
        store = await self.make(tmp_path)
        await store.open()
        writes = [asyncio.create_task(store.append_events([event(f"e{n}")])) for n in range(50)]
        await asyncio.sleep(0)
        await store.close()
        assert await asyncio.gather(*writes) == [[True]] * 50
        await store.close()  # a second time is nothing
