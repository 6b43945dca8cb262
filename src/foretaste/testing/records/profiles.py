"""Users and items: upserted, listed, followed, deleted."""

import time

import pytest

from foretaste.errors import InvalidRecordError
from foretaste.storage.records import Record, Records
from foretaste.testing.records.setup import WEIRD_IDS, StoreSetup, event


class ProfilesContract(StoreSetup):
    """What every record store must do with users and items."""

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

    async def test_attributes_of_every_json_kind_come_back(self, store: Records) -> None:
        attributes = {"text": "é'\"\\", "n": 1, "x": 0.1, "yes": True, "none": None, "list": [1, ["a"]], "in": {"": {}}}
        await store.upsert("item", [Record("i", attributes)])
        found = await store.get("item", "i")
        assert found is not None
        assert found.attributes == attributes

    async def test_a_time_of_making_that_is_given_is_kept(self, store: Records) -> None:
        await store.upsert("item", [Record("i", created_at=123.5)])
        await store.upsert("item", [Record("i", created_at=999.0)])
        found = await store.get("item", "i")
        assert found is not None
        assert found.created_at == 123.5

    async def test_no_two_changes_have_the_same_version(self, store: Records) -> None:
        for n in range(3):
            await store.upsert("item", [Record(f"i{n}"), Record(f"j{n}")])
            await store.upsert("user", [Record(f"u{n}")])
        versions = [r.version for kind in ("item", "user") for r in await store.changed(kind, since=0)]
        assert len(set(versions)) == 9
        assert min(versions) > 0

    async def test_following_changes_step_by_step_meets_each_once(self, store: Records) -> None:
        await store.upsert("item", [Record(f"i{n:02}") for n in range(25)])
        met: list[str] = []
        since = 0
        while part := await store.changed("item", since=since, limit=10):
            met += [record.record_id for record in part]
            since = part[-1].version
        assert met == [f"i{n:02}" for n in range(25)]

    async def test_a_user_known_by_events_alone_can_be_deleted_and_that_is_told(self, store: Records) -> None:
        await store.append_events([event("e", user_id="silent")])
        assert await store.delete("user", "silent")
        assert not await store.delete("user", "silent")
        assert [(r.record_id, dict(r.attributes)) for r in await store.changed("user", since=0)] == [
            ("silent", {"_deleted": True})
        ]
        assert await store.get("user", "silent") is None
        assert await store.count("user") == 0

    async def test_deleting_what_is_not_there_changes_nothing(self, store: Records) -> None:
        assert not await store.delete("user", "nobody")
        assert not await store.delete("item", "nothing")
        assert list(await store.changed("user", since=0)) == []

    async def test_records_that_cannot_be_kept_are_refused_whole(self, store: Records) -> None:
        for bad in (Record("bad", {"a": object()}), Record("bad\ud800")):
            with pytest.raises(InvalidRecordError):
                await store.upsert("item", [Record("good"), bad])
        assert await store.count("item") == 0

    async def test_an_empty_upsert_is_nothing(self, store: Records) -> None:
        await store.upsert("item", [])
        assert (await store.page("item")).records == ()
