"""Single events: kept whole and once, read back per user, any id only data."""

import pytest

from foretaste.errors import InvalidRecordError
from foretaste.events import Event
from foretaste.storage.records import Record, Records, Stamp
from foretaste.testing.records.setup import WEIRD_IDS, StoreSetup, event


class EventsContract(StoreSetup):
    """What every record store must do with the events that arrive."""

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

    async def test_times_and_values_come_back_to_the_last_digit(self, store: Records) -> None:
        numbers = [1767225600.1234567, 0.1 + 0.2, 0.0, 1e-9, 253402300799.999]
        await store.append_events([event(f"e{n}", value=x, timestamp=x) for n, x in enumerate(numbers)])
        kept = (await store.user_state("u")).events
        assert [e.timestamp for e in kept] == sorted(numbers)
        assert [e.value for e in kept] == sorted(numbers)

    async def test_events_of_the_same_time_keep_their_order_of_arrival(self, store: Records) -> None:
        await store.append_events([event(f"e{n}") for n in (3, 1, 2)])
        assert [e.event_id for e in (await store.user_state("u")).events] == ["e3", "e1", "e2"]

    async def test_a_large_batch_is_stored_at_once(self, store: Records) -> None:
        batch = [event(f"e{n}", user_id=f"u{n % 10}") for n in range(5_000)]
        assert await store.append_events(batch) == [True] * 5_000
        assert await store.append_events(batch) == [False] * 5_000
        assert len((await store.user_state("u3", limit=10_000)).events) == 500

    @pytest.mark.parametrize(
        "bad",
        [
            event("bad", timestamp=float("nan")),
            event("bad", item_id="\ud800"),
            event("bad", position=2**70),
            event("bad", context={"what": object()}),
        ],
        ids=["no time", "lone surrogate", "huge position", "not JSON"],
    )
    async def test_a_batch_with_an_event_that_cannot_be_kept_is_refused_whole(self, store: Records, bad: Event) -> None:
        with pytest.raises(InvalidRecordError):
            await store.append_events([event("before"), bad, event("after")])
        assert await store.count("event") == 0
        assert await store.append_events([event("before")]) == [True]

    async def test_an_id_with_a_zero_byte_is_kept_or_refused_but_never_cut(self, store: Records) -> None:
        try:
            await store.append_events([event("a\x00b", user_id="u\x00v")])
        except InvalidRecordError:
            assert await store.count("event") == 0
        else:
            assert (await store.user_state("u\x00v")).events[0].event_id == "a\x00b"
        assert (await store.user_state("u")).events == ()

    async def test_asking_for_an_id_that_no_text_can_be_finds_nothing(self, store: Records) -> None:
        assert await store.stamp("\ud800") == Stamp()
        assert (await store.user_state("\ud800")).events == ()
        assert await store.get("item", "\ud800") is None
