"""API keys: made once, kept as a hash, revoked, forgotten when there are too many."""

import json

import pytest

from foretaste.errors import ConfigurationError, ConflictError, NotFoundError
from foretaste.serving.access import keys as module
from foretaste.serving.access.keys import KEYS, Keys, parse_key

NOW = 1_800_000_000.0


async def test_a_key_has_256_random_bits_and_only_its_hash_is_kept(records):
    key, whole = await Keys(records).create("shop", ["read"], now=NOW)
    key_id, secret = parse_key(whole)
    assert key_id == key.key_id
    assert len(secret) == 43  # 32 bytes in base64
    stored = json.dumps((await records.get_value(KEYS))[0])
    assert secret not in stored
    assert key.hash in stored
    assert (await Keys(records).create("other", ["read"], now=NOW))[1] != whole


async def test_keys_are_read_back_as_they_were_made(records):
    made, _ = await Keys(records).create("shop", ["admin", "read", "read"], now=NOW, ttl_s=60)
    assert made.scopes == ("read", "admin")
    assert made.expires_at == NOW + 60
    assert (await Keys(records).load())[0] == {made.key_id: made}


@pytest.mark.parametrize("name", ["", " shop", "a\nb", "x" * 101, "\ud800", "\x9b31m"])
async def test_a_name_that_is_none_is_refused(records, name):
    with pytest.raises(ConfigurationError, match="no name"):
        await Keys(records).create(name, ["read"], now=NOW)


@pytest.mark.parametrize("scopes", [[], ["root"], ["read", "READ"]])
async def test_a_scope_that_is_none_is_refused_with_the_valid_ones(records, scopes):
    with pytest.raises(ConfigurationError) as caught:
        await Keys(records).create("shop", scopes, now=NOW)
    assert "events, read, write, admin" in caught.value.hint


@pytest.mark.parametrize("ttl_s", [0, -5, 1e10, float("nan")])
async def test_a_time_that_is_none_is_refused(records, ttl_s):
    with pytest.raises(ConfigurationError, match="cannot expire"):
        await Keys(records).create("shop", ["read"], now=NOW, ttl_s=ttl_s)


async def test_a_name_is_free_again_when_its_key_has_ended(records):
    keys = Keys(records)
    first, _ = await keys.create("shop", ["read"], now=NOW)
    with pytest.raises(ConflictError, match="shop"):
        await keys.create("shop", ["read"], now=NOW)
    assert (await keys.revoke("shop", now=NOW + 1)).key_id == first.key_id
    second, _ = await keys.create("shop", ["read"], now=NOW + 2, ttl_s=10)
    await keys.create("shop", ["read"], now=NOW + 12)
    assert (await keys.revoke(second.key_id, now=NOW + 20)).revoked_at == NOW + 20


async def test_an_ended_key_stays_ended_and_an_unknown_one_is_said(records):
    keys = Keys(records)
    key, _ = await keys.create("shop", ["read"], now=NOW)
    await keys.revoke(key.key_id, now=NOW + 1)
    assert (await keys.revoke(key.key_id, now=NOW + 5)).revoked_at == NOW + 1
    for unknown in ("nothing", "shop"):
        with pytest.raises(NotFoundError):
            await keys.revoke(unknown, now=NOW)


async def test_two_who_change_the_keys_at_once_lose_nothing(records, monkeypatch):
    keys, other = Keys(records), Keys(records)
    original = keys.load
    was_late = False

    async def late():
        nonlocal was_late
        loaded = await original()
        if not was_late:
            was_late = True
            await other.create("faster", ["read"], now=NOW)
        return loaded

    monkeypatch.setattr(keys, "load", late)
    await keys.create("slower", ["read"], now=NOW)
    assert {key.name for key in (await other.load())[0].values()} == {"faster", "slower"}


async def test_the_longest_ended_key_makes_room_and_valid_ones_never(records, monkeypatch):
    monkeypatch.setattr(module, "MAX_KEYS", 3)
    keys = Keys(records)
    for name in ("a", "b", "c"):
        await keys.create(name, ["read"], now=NOW)
    with pytest.raises(ConfigurationError, match="3 valid keys"):
        await keys.create("d", ["read"], now=NOW)
    await keys.revoke("b", now=NOW + 1)
    await keys.revoke("a", now=NOW + 2)
    await keys.create("d", ["read"], now=NOW + 3)
    assert {key.name for key in (await keys.load())[0].values()} == {"a", "c", "d"}


async def test_use_is_remembered_by_the_hour_and_changes_no_list(records):
    keys = Keys(records)
    before = (await records.stamp("")).shared
    await keys.note_used({"k": NOW})
    await keys.note_used({"k": NOW - 7200, "other": NOW})
    assert await keys.last_used() == {"k": NOW, "other": NOW}
    assert (await records.stamp("")).shared == before
    await keys.create("shop", ["read"], now=NOW)
    assert (await records.stamp("")).shared > before


@pytest.mark.parametrize(
    "text", ["", "ft_", "ft_abc_def", "ft_a1b2c3d4e5f6_" + "x" * 42, "ft_a1b2c3d4e5f6_" + "x" * 44, "\xff" * 60]
)
def test_what_has_another_form_is_no_key(text):
    assert parse_key(text) is None
