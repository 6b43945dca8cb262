"""Following what arrives, and events that change hands."""

from typing import Any

import pytest

from foretaste.errors import InvalidRecordError
from foretaste.events import Event
from foretaste.storage.records import Exposure, Record, Records, Stamp
from foretaste.testing.records.setup import StoreSetup, event


async def follow(store: Records, after: int = 0, limit: int = 3) -> tuple[list[Event], int]:
    """All events above ``after`` in steps of ``limit``, and where that ended."""
    met: list[Event] = []
    while page := await store.new_events(after, limit):
        assert len(page) <= limit
        assert [number for number, _ in page] == sorted({number for number, _ in page})
        assert page[0][0] > after
        met += [event for _, event in page]
        after = page[-1][0]
    return met, after


class FollowingContract(StoreSetup):
    """What every record store must do for those who follow its events."""

    async def test_following_meets_whole_events_once_in_order_of_arrival(self, store: Records) -> None:
        whole = event("e0", context={"device": "tv"}, recommendation_id="r", position=2, session_id="s", value=1.5)
        sent = [whole, *(event(f"e{n}", f"u{n % 2}", timestamp=9.0 - n) for n in range(1, 8))]
        await store.append_events(sent[:5])
        first, after = await follow(store)
        await store.append_events([sent[4], *sent[5:]])
        second, end = await follow(store, after)
        assert first + second == sent
        assert end == await store.last_sequence()
        assert await store.new_events(end) == []

    async def test_an_empty_store_has_no_last_event(self, store: Records) -> None:
        assert await store.last_sequence() == 0
        assert await store.new_events(0) == []
        await store.append_events([event("e")])
        assert await store.new_events(0, 0) == []

    async def test_following_from_the_end_meets_what_comes_then(self, store: Records) -> None:
        await store.append_events([event("before")])
        end = await store.last_sequence()
        await store.append_events([event("after")])
        assert [e.event_id for e in (await follow(store, end))[0]] == ["after"]

    async def test_whose_stamp_changed_is_told(self, store: Records) -> None:
        await store.append_events([event("before", "old")])
        start = await store.touched()
        assert start.user_ids == frozenset()
        assert (await store.touched(start.position)).user_ids == frozenset()
        await store.append_events([event("a", "visitor"), event("b", "reader")])
        await store.upsert("user", [Record("profile")])
        await store.upsert("item", [Record("i")])
        first = await store.touched(start.position)
        assert first.user_ids == frozenset({"visitor", "reader", "profile"})
        await store.move_events("visitor", "known")
        await store.delete("user", "reader")
        second = await store.touched(first.position)
        assert second.user_ids == frozenset({"visitor", "known", "reader"})
        assert (await store.touched(second.position)).user_ids == frozenset()

    async def test_everybody_is_touched_by_a_shared_value_or_by_too_many_changes(self, store: Records) -> None:
        start = await store.touched()
        await store.put_value("progress", 1, changes_lists=False)
        assert (await store.touched(start.position)).user_ids == frozenset()
        await store.put_value("rules", 1)
        then = await store.touched(start.position)
        assert then.user_ids is None
        await store.append_events([event(f"e{n}", f"u{n}") for n in range(5)])
        assert (await store.touched(then.position, limit=4)).user_ids is None
        assert (await store.touched(then.position, limit=5)).user_ids == frozenset({f"u{n}" for n in range(5)})

    async def test_users_deleted_with_the_newest_events_do_not_hide_later_ones(self, store: Records) -> None:
        await store.append_events([event("a"), event("b")])
        start = await store.touched()
        await store.delete("user", "u")
        then = await store.touched(start.position)
        assert then.user_ids == frozenset({"u"})
        await store.append_events([event("c", "v")])
        assert (await store.touched(then.position)).user_ids == frozenset({"v"})

    async def test_a_change_token_is_another_after_every_write_of_anybody(self, store: Records, tmp_path: Any) -> None:
        async with await self.make(tmp_path) as other:
            seen = [store.change_token()]
            if seen[0] is None:  # allowed: then every look costs a read
                return
            for number, writer in enumerate((store, other, store)):
                await writer.append_events([event(f"e{number}")])
                seen.append(store.change_token())
                assert other.change_token() == seen[-1]
            assert len(set(seen)) == 4

    async def test_moved_events_belong_to_the_other_user_and_both_stamps_change(self, store: Records) -> None:
        await store.append_events([event("a", "visitor", timestamp=2.0), event("b", "known", timestamp=1.0)])
        before = [await store.stamp(user) for user in ("visitor", "known")]
        assert await store.move_events("visitor", "known") == 1
        after = [await store.stamp(user) for user in ("visitor", "known")]
        assert not any(old.serves(new) for old, new in zip(before, after, strict=True))
        assert (await store.user_state("visitor")).events == ()
        state = await store.user_state("known")
        assert [(e.event_id, e.user_id) for e in state.events] == [("b", "known"), ("a", "known")]

    async def test_moving_again_moves_nothing_and_changes_no_stamp(self, store: Records) -> None:
        await store.append_events([event("a", "visitor")])
        await store.move_events("visitor", "known")
        before = [await store.stamp(user) for user in ("visitor", "known")]
        assert await store.move_events("visitor", "known") == 0
        assert [await store.stamp(user) for user in ("visitor", "known")] == before
        assert await store.append_events([event("a", "visitor")]) == [False]

    async def test_a_visitor_that_comes_back_and_is_moved_again_never_has_an_old_stamp(self, store: Records) -> None:
        seen = [await store.stamp("visitor")]
        for n in range(3):
            await store.append_events([event(f"e{n}", "visitor")])
            seen.append(await store.stamp("visitor"))
            await store.move_events("visitor", "known")
            seen.append(await store.stamp("visitor"))
        assert len({stamp.user for stamp in seen}) == 7
        assert len((await store.user_state("known")).events) == 3

    async def test_moved_events_are_met_once_however_far_the_follower_is(self, store: Records) -> None:
        await store.append_events([event(f"e{n}", "visitor") for n in range(6)])
        (first, *_), after = [e for _, e in await store.new_events(0, 2)], (await store.new_events(0, 2))[-1][0]
        await store.move_events("visitor", "known")
        rest, _ = await follow(store, after)
        assert first.event_id == "e0"
        assert [(e.event_id, e.user_id) for e in rest] == [(f"e{n}", "known") for n in range(2, 6)]

    async def test_a_move_leaves_records_alone_and_makes_none(self, store: Records) -> None:
        await store.upsert("user", [Record("known", {"age": 3})])
        await store.append_events([event("a", "visitor")])
        await store.move_events("visitor", "known")
        found = await store.get("user", "known")
        assert found is not None
        assert found.attributes == {"age": 3}
        assert await store.get("user", "visitor") is None
        assert await store.count("user") == 1
        assert [record.record_id for record in (await store.page("user")).records] == ["known"]

    async def test_what_a_visitor_was_shown_moves_too(self, store: Records) -> None:
        await store.log_exposures([Exposure("r", ("i",), "visitor")])
        assert await store.move_events("visitor", "known") == 0
        found = await store.exposure("r")
        assert found is not None
        assert found.user_id == "known"

    async def test_a_move_to_oneself_is_refused(self, store: Records) -> None:
        await store.append_events([event("a")])
        with pytest.raises(InvalidRecordError, match="same user"):
            await store.move_events("u", "u")
        assert (await store.stamp("u")) != Stamp()
