"""What was shown and who did what."""

from dataclasses import replace

import pytest

from foretaste.errors import InvalidRecordError
from foretaste.storage.records import AuditEntry, Exposure, Records
from foretaste.testing.records.setup import WEIRD_IDS, StoreSetup, event

WHOLE = Exposure(
    "r",
    ("a", "b"),
    user_id="u",
    scenario="home",
    model_version="v1",
    experiment="treatment",
    propensities=(0.9, 0.1),
    explored=(False, True),
    arms={"policy": "linucb", "features": [0.5, 1.0]},
    shown=2,
    first_at=10.0,
    last_at=11.0,
)


class JournalContract(StoreSetup):
    """What every record store must do with exposures and audit entries."""

    async def test_a_shown_list_comes_back_whole(self, store: Records) -> None:
        await store.log_exposures([WHOLE])
        found = await store.exposure("r")
        assert found is not None
        assert found.number > 0
        assert replace(found, number=0) == WHOLE
        assert await store.exposure("other") is None

    async def test_a_list_with_little_to_say_comes_back_so(self, store: Records) -> None:
        await store.log_exposures([Exposure("r", ())])
        found = await store.exposure("r")
        assert found is not None
        assert replace(found, number=0) == Exposure("r", ())

    async def test_servings_of_a_known_list_are_added_up(self, store: Records) -> None:
        await store.log_exposures([WHOLE])
        await store.log_exposures([replace(WHOLE, shown=3, first_at=50.0, last_at=60.0), Exposure("s", ("c",))])
        await store.log_exposures([], again={"r": (5, 40.0), "unknown": (1, 99.0)})
        found = await store.exposure("r")
        assert found is not None
        assert (found.shown, found.first_at, found.last_at) == (10, 10.0, 60.0)
        assert await store.exposure("unknown") is None
        assert await store.count("exposure") == 2

    async def test_shown_lists_are_read_on_by_number(self, store: Records) -> None:
        await store.log_exposures([Exposure(f"r{n}", ("a",)) for n in range(5)])
        first = await store.exposures(limit=3)
        rest = await store.exposures(first[-1].number)
        assert [e.recommendation_id for e in (*first, *rest)] == [f"r{n}" for n in range(5)]
        assert await store.exposures(rest[-1].number) == []

    async def test_a_list_that_cannot_be_kept_is_refused_with_its_batch(self, store: Records) -> None:
        with pytest.raises(InvalidRecordError):
            await store.log_exposures([Exposure("good", ()), Exposure("bad", (), arms={"what": object()})])
        assert await store.count("exposure") == 0
        await store.log_exposures([])
        assert await store.exposure("\ud800") is None

    @pytest.mark.parametrize("weird", WEIRD_IDS[:4])
    async def test_ids_of_lists_and_users_are_only_data(self, store: Records, weird: str) -> None:
        await store.log_exposures([Exposure(weird, (weird,), weird)], again={weird: (1, 1.0)})
        found = await store.exposure(weird)
        assert found is not None
        assert (found.item_ids, found.user_id, found.shown) == ((weird,), weird, 2)

    async def test_deleting_a_user_takes_what_the_user_was_shown(self, store: Records) -> None:
        await store.append_events([event("e")])
        await store.log_exposures([WHOLE, replace(WHOLE, recommendation_id="s", user_id="v")])
        await store.delete("user", "u")
        assert await store.exposure("r") is None
        assert [e.recommendation_id for e in await store.exposures()] == ["s"]
        await store.log_exposures([], again={"r": (1, 1.0)})
        assert await store.count("exposure") == 1

    async def test_old_lists_are_dropped_oldest_first(self, store: Records) -> None:
        await store.log_exposures([Exposure(f"r{n}", (), first_at=float(n)) for n in range(6)])
        assert await store.drop_exposures(4.0, limit=3) == 3
        assert await store.drop_exposures(4.0) == 1
        assert await store.drop_exposures(4.0) == 0
        assert [e.recommendation_id for e in await store.exposures()] == ["r4", "r5"]
        await store.log_exposures([], again={"r0": (1, 1.0)})
        assert await store.exposure("r0") is None

    async def test_audit_entries_are_kept_in_order(self, store: Records) -> None:
        sent = [
            AuditEntry(float(n), "ops", "rules.put", "home", "ok", {"n": [n]} if n else {}, f"q{n}" if n else None)
            for n in range(5)
        ]
        await store.add_audit(sent[:3])
        await store.add_audit(sent[3:])
        await store.add_audit([])
        first = await store.audit(limit=2)
        rest = await store.audit(first[-1].entry_id)
        assert [replace(entry, entry_id=0) for entry in (*first, *rest)] == sent
        assert await store.count("audit") == 5

    async def test_details_that_are_not_json_are_refused(self, store: Records) -> None:
        with pytest.raises(InvalidRecordError, match="details"):
            await store.add_audit([AuditEntry(1.0, "ops", "x", "y", "ok", {"what": object()})])
        assert await store.count("audit") == 0
