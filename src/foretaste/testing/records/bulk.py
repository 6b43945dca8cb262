"""Many events: loaded from frames and scanned as frames."""

import polars as pl
import pytest

from foretaste.errors import DataFormatError
from foretaste.storage.records import Records
from foretaste.testing.records.setup import StoreSetup, event, frame_of


async def scanned(store: Records, *, after: int = 0, batch_size: int = 100_000) -> pl.DataFrame:
    """The whole scan in one frame."""
    return pl.concat([frame async for frame in store.scan_events(after=after, batch_size=batch_size)])


class BulkContract(StoreSetup):
    """What every record store must do with frames of events."""

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

    async def test_a_loaded_frame_is_scanned_as_it_was(self, store: Records) -> None:
        sent = frame_of(1_234).with_columns(
            value=pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.lit(0.1)).otherwise(None),
            session_id=pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.lit("s'\u00e9")).otherwise(None),
        )
        assert await store.load_events(sent) == len(sent)
        found = await scanned(store, batch_size=500)
        assert found.drop("sequence").equals(sent.select(found.columns[1:]))
        assert found.schema["sequence"] == pl.Int64
        assert found["sequence"].is_sorted()
        assert found["sequence"].n_unique() == len(sent)

    async def test_an_id_that_a_frame_holds_twice_is_loaded_once_the_first_wins(self, store: Records) -> None:
        frame = frame_of(3).with_columns(event_id=pl.Series(["a", "b", "a"]))
        assert await store.load_events(frame) == 2
        assert (await scanned(store))["user_id"].to_list() == ["u0", "u1"]
        more = frame_of(4).with_columns(event_id=pl.Series(["c", "b", "c", "d"]))
        assert await store.load_events(more) == 2
        assert (await scanned(store))["event_id"].to_list() == ["a", "b", "c", "d"]

    async def test_loading_goes_on_where_events_are_already(self, store: Records) -> None:
        await store.append_events([event("e5", user_id="early")])
        assert await store.load_events(frame_of(10)) == 9
        assert await store.load_events(frame_of(10, first=5)) == 5
        assert await store.count("event") == 15
        assert (await store.user_state("early")).events[0].event_id == "e5"

    async def test_columns_that_may_be_absent_get_defaults_and_others_are_left_out(self, store: Records) -> None:
        frame = frame_of(2).drop("type").with_columns(value=pl.Series([float("nan"), 2.0]), note=pl.lit("x"))
        await store.load_events(frame)
        found = await scanned(store)
        assert found["type"].to_list() == ["view", "view"]
        assert found["value"].to_list() == [None, 2.0]
        assert "note" not in found.columns

    async def test_numbers_as_ids_and_dates_as_times_are_understood(self, store: Records) -> None:
        frame = frame_of(2).with_columns(
            user_id=pl.Series([1, 2]), timestamp=pl.from_epoch(pl.Series([0, 60]), time_unit="s")
        )
        await store.load_events(frame)
        assert (await store.user_state("2")).events[0].timestamp == 60.0

    async def test_an_empty_frame_is_nothing(self, store: Records) -> None:
        assert await store.load_events(frame_of(0)) == 0
        assert [frame async for frame in store.scan_events()] == []

    @pytest.mark.parametrize(
        ("frame", "named"),
        [
            (frame_of(3).drop("item_id"), "item_id"),
            (frame_of(3).with_columns(user_id=pl.Series(["a", None, "b"])), "1 of 3 events have no usable user_id"),
            (frame_of(3).with_columns(timestamp=pl.Series([1.0, float("nan"), None])), "2 of 3 .* timestamp"),
            (frame_of(3).with_columns(timestamp=pl.Series(["soon", "1", "2"])), "wrong type"),
        ],
        ids=["missing column", "empty ids", "empty times", "text for a time"],
    )
    async def test_a_frame_that_cannot_be_used_is_refused_whole(
        self, store: Records, frame: pl.DataFrame, named: str
    ) -> None:
        with pytest.raises(DataFormatError, match=named):
            await store.load_events(frame)
        assert await store.count("event") == 0

    async def test_a_scan_sees_the_store_as_it_was_when_it_began(self, store: Records) -> None:
        await store.load_events(frame_of(30, n_users=3))
        frames = store.scan_events(batch_size=10)
        seen = [await anext(aiter(frames))]
        await store.delete("user", "u1")
        await store.append_events([event("late")])
        seen += [frame async for frame in frames]
        assert pl.concat(seen)["event_id"].to_list() == [f"e{n}" for n in range(30)]
        assert "e1" not in (await scanned(store))["event_id"]

    async def test_a_scan_that_is_given_up_holds_nothing(self, store: Records) -> None:
        await store.load_events(frame_of(100))
        async for frame in store.scan_events(batch_size=10):
            assert len(frame) == 10
            break
        assert await store.append_events([event("next")]) == [True]
        assert len(await scanned(store)) == 101
