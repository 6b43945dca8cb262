"""Dead letters and the values that all workers share."""

import asyncio

import pytest

from foretaste.errors import ConflictError, InvalidRecordError
from foretaste.storage.records import DeadLetter, Records
from foretaste.testing.records.setup import StoreSetup


class SharedContract(StoreSetup):
    """What every record store must do with dead letters and shared values."""

    async def test_dead_letters_are_kept_in_order(self, store: Records) -> None:
        letters = [DeadLetter("event", f"raw {n} \ud800", "invalid_record", "because", float(n + 1)) for n in range(5)]
        await store.add_dead_letters(letters)
        found = await store.dead_letters(limit=3)
        assert [letter.received_at for letter in found] == [1.0, 2.0, 3.0]
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

    async def test_a_dead_letter_is_cut_and_dated_and_keeps_its_reason(self, store: Records) -> None:
        await store.add_dead_letters([])
        await store.add_dead_letters([DeadLetter("item", "é" * 100_000, "data", "too long: \ud800", 0.0)])
        (letter,) = await store.dead_letters()
        assert 30_000 <= len(letter.raw) <= 64_000
        assert set(letter.raw) == {"é"}
        assert letter.received_at > 1e9
        assert letter.message.startswith("too long")

    async def test_a_value_of_nothing_is_a_value(self, store: Records) -> None:
        version = await store.put_value("k", None)
        assert version > 0
        assert await store.get_value("k") == (None, version)

    async def test_values_are_apart(self, store: Records) -> None:
        await store.put_value("a", 1)
        await store.put_value("a'", 2)
        assert (await store.get_value("a"))[0] == 1
        assert (await store.get_value("a'"))[0] == 2

    async def test_a_value_that_is_not_json_is_refused(self, store: Records) -> None:
        with pytest.raises(InvalidRecordError, match="'k'"):
            await store.put_value("k", {"a": object()})
        assert await store.get_value("k") == (None, 0)

    async def test_counting_together_by_expected_versions_loses_no_step(self, store: Records) -> None:
        async def count_up() -> None:
            for _ in range(5):
                while True:
                    value, version = await store.get_value("n")
                    try:
                        await store.put_value("n", (value or 0) + 1, expected_version=version)
                        break
                    except ConflictError:
                        continue

        await asyncio.gather(*(count_up() for _ in range(6)))
        assert (await store.get_value("n"))[0] == 30
