"""Stamps: they change with everything that may change a user's list, and never come back."""

import random
from typing import Any

import pytest

from foretaste.storage.records import Record, Records, Stamp
from foretaste.testing.records.setup import StoreSetup, event

USERS = ("u", "v", "w")


async def walk(store: Records, operation: str, step: int, one: str, other: str) -> None:
    """One change of the store; ``step`` makes its ids new."""
    if operation == "append":
        await store.append_events([event(f"e{step}", one)])
    elif operation == "append again":
        await store.append_events([event(f"e{step - 1}", one)])
    elif operation == "upsert":
        await store.upsert("user", [Record(one, {"step": step})])
    elif operation == "delete":
        await store.delete("user", one)
    elif operation == "move" and one != other:
        await store.move_events(one, other)
    elif operation == "put":
        await store.put_value("rules", step)
    elif operation == "item":
        await store.upsert("item", [Record("i", {"step": step})])
    elif operation == "load":
        await store.load_events(pl_events(step, one))


OPERATIONS = ("append", "append again", "upsert", "delete", "move", "put", "item", "load")


def pl_events(step: int, user_id: str) -> Any:
    """A frame of one event."""
    import polars as pl

    return pl.DataFrame({"event_id": [f"l{step}"], "user_id": [user_id], "item_id": ["i"], "timestamp": [1.0]})


class StampWatch:
    """Looks at all users after each change and remembers every stamp that is over."""

    def __init__(self, store: Records) -> None:
        self._store = store
        self._now: dict[str, tuple[Stamp, object]] = {}
        self._over: dict[str, list[Stamp]] = {user: [] for user in USERS}

    async def look(self) -> None:
        """Fails when a stamp that was over is current, or the content changed and the stamp did not."""
        rules = await self._store.get_value("rules")
        for user in USERS:
            state = await self._store.user_state(user)
            stamp = await self._store.stamp(user)
            assert state.stamp == stamp
            content = (state.events, dict(state.attributes), rules)
            assert not any(old.serves(stamp) for old in self._over[user]), f"{stamp} of {user!r} is back"
            before = self._now.get(user)
            if before is not None and not before[0].serves(stamp):
                self._over[user].append(before[0])
            elif before is not None:
                assert before[1] == content, f"{stamp} of {user!r} stands for two states"
            self._now[user] = (stamp, content)


class StampsContract(StoreSetup):
    """What every record store must do with stamps."""

    async def test_a_users_stamp_changes_with_every_event_and_only_then(self, store: Records) -> None:
        seen = [await store.stamp("u")]
        for n in range(3):
            await store.append_events([event(f"e{n}")])
            seen.append(await store.stamp("u"))
        await store.append_events([event("e0"), event("x", user_id="v")])
        assert len({stamp.user for stamp in seen}) == 4
        assert await store.stamp("u") == seen[-1] == (await store.user_state("u")).stamp
        assert await store.stamp("nobody") == Stamp()

    async def test_a_users_stamp_changes_with_the_users_record(self, store: Records) -> None:
        await store.append_events([event("e")])
        seen = [await store.stamp("u")]
        for n in range(2):
            await store.upsert("user", [Record("u", {"age": n}), Record("v")])
            seen.append(await store.stamp("u"))
        await store.upsert("user", [Record("v")])
        assert len({stamp.user for stamp in seen}) == 3
        assert await store.stamp("u") == seen[-1]

    async def test_a_shared_value_makes_every_list_stale_unless_it_says_no(self, store: Records) -> None:
        first = await store.stamp("u")
        await store.put_value("progress", 1, changes_lists=False)
        assert first.serves(await store.stamp("u"))
        await store.put_value("rules", [])
        second = await store.stamp("u")
        assert not first.serves(second)
        await store.put_value("scenarios", [])
        assert not second.serves(await store.stamp("u"))

    async def test_an_item_is_told_by_the_stamp_and_makes_no_list_stale(self, store: Records) -> None:
        seen = [await store.stamp("u")]
        await store.upsert("item", [Record("i"), Record("j")])
        seen.append(await store.stamp("u"))
        await store.delete("item", "i")
        seen.append(await store.stamp("u"))
        await store.upsert("user", [Record("v")])
        seen.append(await store.stamp("u"))
        assert [stamp.items for stamp in seen] == sorted(stamp.items for stamp in seen)
        assert len({stamp.items for stamp in seen}) == 3
        assert all(seen[0].serves(stamp) for stamp in seen)

    async def test_a_deleted_users_stamp_is_never_seen_again(self, store: Records) -> None:
        seen = [await store.stamp("u")]
        await store.append_events([event("e")])
        seen.append(await store.stamp("u"))
        assert await store.delete("user", "u")
        seen.append(await store.stamp("u"))
        await store.append_events([event("f")])
        seen.append(await store.stamp("u"))
        assert len({stamp.user for stamp in seen}) == 4

    async def test_a_state_holds_the_users_attributes(self, store: Records) -> None:
        await store.append_events([event("e")])
        assert (await store.user_state("u")).attributes == {}
        await store.upsert("user", [Record("u", {"age": 7, "tags": ["a"]})])
        assert (await store.user_state("u")).attributes == {"age": 7, "tags": ["a"]}
        await store.delete("user", "u")
        assert (await store.user_state("u")).attributes == {}

    async def test_a_state_of_no_events_still_has_its_stamp(self, store: Records) -> None:
        await store.append_events([event("e")])
        state = await store.user_state("u", limit=0)
        assert state.events == ()
        assert state.stamp == await store.stamp("u") != Stamp()

    async def test_a_stamp_of_another_process_is_the_same(self, store: Records, tmp_path: Any) -> None:
        async with await self.make(tmp_path) as other:
            await store.append_events([event("e")])
            assert await other.stamp("u") == await store.stamp("u")
            await other.put_value("rules", 1)
            assert await other.stamp("u") == await store.stamp("u")

    @pytest.mark.parametrize("seed", [0, 1])
    async def test_no_order_of_changes_brings_an_old_stamp_back(self, store: Records, seed: int) -> None:
        draw = random.Random(seed)
        watch = StampWatch(store)
        for step in range(60):
            await walk(store, draw.choice(OPERATIONS), step, draw.choice(USERS), draw.choice(USERS))
            await watch.look()
