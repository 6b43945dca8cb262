"""Credentials become principals; what was found out is kept for as long as it is true."""

import asyncio
from hmac import compare_digest

import pytest

from foretaste.errors import StorageUnavailableError
from foretaste.serving.access import ANYONE, SCOPES, Access, Tokens
from foretaste.serving.access import access as module
from foretaste.storage.records import open_records

NOW = 1_800_000_000.0


async def made(records, *, name="shop", scopes=("read",), **rest):
    return (await Access(records).keys.create(name, scopes, now=NOW, **rest))[1]


async def checked(access, header, now=NOW):
    await access.refresh()
    return access.check(header, now=now)


async def test_a_key_is_recognised_with_and_without_bearer(records):
    key = await made(records, scopes=("write",))
    access = Access(records)
    for header in (key, "Bearer " + key, "bearer  " + key, "BEARER " + key + " "):
        principal = await checked(access, header)
        assert principal is not None
        assert principal.grants == {"events", "read", "write"}
        assert principal.actor == f"key:shop ({principal.key_id})"
    await access.close()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: key[:-1] + ("A" if key[-1] != "A" else "B"),
        lambda key: key[:16] + key[16:].swapcase(),
        lambda key: "ft_000000000000" + key[15:],
        lambda key: key + " ",
        lambda key: key + key,
        lambda key: "Basic " + key,
        lambda key: "Bearer" + key,
        lambda key: "Bearer Bearer " + key,
        lambda _: "",
        lambda _: "Bearer ",
        lambda _: "x" * 1_000_000,
        lambda _: "eyJ" + "x" * 1_000_000,
        lambda _: "ключ",
        lambda _: bytes(range(256)).decode("latin-1"),
    ],
)
async def test_anything_but_the_key_is_nobody(records, spoil):
    key = await made(records)
    access = Access(records, tokens=Tokens("s" * 40))
    assert await checked(access, spoil(key)) is None


async def test_what_is_known_needs_one_look_up_and_ends_with_the_keys(records):
    key = await made(records)
    moment = 0.0
    access = Access(records, clock=lambda: moment)
    assert not access.is_fresh
    assert access.known(key, NOW) is None
    principal = await checked(access, key)
    assert access.is_fresh
    assert access.known(key, NOW) is principal
    await records.put_value("rules", [])
    moment = module.LOOK_S
    assert not access.is_fresh
    await access.refresh()
    assert access.known(key, NOW) is principal  # the keys are the same: nothing to look at anew
    await access.keys.revoke("shop", now=NOW)
    assert not access.is_fresh
    await access.refresh()
    assert access.known(key, NOW) is None
    await access.close()


async def test_between_two_looks_the_store_is_not_asked(records, monkeypatch):
    moment = 0.0
    access = Access(records, clock=lambda: moment)
    await access.refresh()

    looks, stamp = [], records.stamp

    async def counted(user_id):
        looks.append(user_id)
        return await stamp(user_id)

    monkeypatch.setattr(records, "stamp", counted)
    moment = module.LOOK_S * 0.99
    await access.refresh()
    assert looks == []
    moment = module.LOOK_S
    await access.refresh()
    assert looks == [""]


async def test_a_revoked_key_is_refused_here_at_once_and_in_other_workers_at_their_next_look(tmp_path):
    url = f"sqlite:///{tmp_path / 'records.db'}"
    moment = 0.0
    async with open_records(url) as here, open_records(url) as there:
        key = await made(here)
        workers = [Access(records, clock=lambda: moment) for records in (here, there)]
        for worker in workers:
            assert await checked(worker, key) is not None
            await worker.close()
        await workers[0].keys.revoke("shop", now=NOW)
        assert await checked(workers[0], key) is None
        moment = module.LOOK_S
        assert await checked(workers[1], key) is None
        assert await checked(workers[1], key, NOW + 1) is None  # and not again


async def test_a_key_and_a_token_end_in_time_although_they_are_known(records):
    tokens = Tokens("s" * 40)
    key = await made(records, ttl_s=60)
    access = Access(records, tokens=tokens)
    for credential in (key, tokens.make("a", ["read"], ttl_s=60, now=NOW)):
        assert await checked(access, credential, NOW + 59) is not None
        assert access.known(credential, NOW + 60) is None
        assert await checked(access, credential, NOW + 60) is None
    await access.close()


async def test_a_service_is_open_until_it_has_a_secret_or_a_key_and_never_again_after(records):
    access = Access(records)
    await access.refresh()
    assert not access.is_on
    await access.keys.create("shop", ["read"], now=NOW)
    await access.refresh()
    assert access.is_on
    await access.keys.revoke("shop", now=NOW)
    await access.refresh()
    assert access.is_on
    with_secret = Access(records, tokens=Tokens("s" * 40))
    await with_secret.refresh()
    assert with_secret.is_on


async def test_where_others_can_ask_a_credential_is_needed_even_if_no_key_is_left(records):
    access = Access(records, always=True)
    assert access.is_on
    await access.refresh()
    assert access.is_on


async def test_hashes_are_compared_in_constant_time(records, monkeypatch):
    compared = []

    def spy(left, right):
        compared.append((left, right))
        return compare_digest(left, right)

    monkeypatch.setattr(module, "compare_digest", spy)
    key = await made(records)
    access = Access(records)
    assert await checked(access, key) is not None
    assert await checked(access, key[:16] + "x" * 43) is None
    assert await checked(access, "ft_000000000000" + key[15:]) is None  # of an unknown key as well
    assert [len(left) == len(right) == 64 for left, right in compared] == [True] * 3
    await access.close()


async def test_the_hour_of_use_is_written_once_an_hour(records):
    key = await made(records)
    access = Access(records)
    principal = await checked(access, key, NOW + 10)
    await access.close()
    hour = NOW - NOW % 3600
    assert await access.keys.last_used() == {principal.key_id: hour}
    assert access.known(key, hour + 3600) is None
    await checked(access, key, hour + 3700)
    await access.close()
    assert await access.keys.last_used() == {principal.key_id: hour + 3600}


async def test_requests_do_not_wait_for_the_hour_of_use(records, monkeypatch):
    key = await made(records)
    access = Access(records)
    gate = asyncio.Event()

    async def slow(_used):
        await gate.wait()

    monkeypatch.setattr(access.keys, "note_used", slow)
    assert await checked(access, key) is not None
    gate.set()
    await access.close()


async def test_those_who_were_let_in_stay_in_for_a_while_when_the_store_fails(records, monkeypatch):
    key = await made(records)
    moment = 0.0
    access = Access(records, clock=lambda: moment)
    principal = await checked(access, key)

    async def failing(_user_id):
        raise StorageUnavailableError("locked")

    monkeypatch.setattr(records, "stamp", failing)
    moment = module.STALE_S
    await access.refresh()
    assert access.is_fresh  # for a moment: not every request waits for a store that does not answer
    assert access.known(key, NOW) is principal
    moment += module.LOOK_S
    with pytest.raises(StorageUnavailableError):
        await access.refresh()
    with pytest.raises(StorageUnavailableError):  # a worker that never saw the keys lets nobody in
        await Access(records).refresh()
    await access.close()


async def test_only_right_credentials_take_memory_and_not_without_end(records, monkeypatch):
    monkeypatch.setattr(module, "MAX_KNOWN", 3)
    key = await made(records)
    access = Access(records)
    for n in range(10):
        assert await checked(access, f"wrong {n}") is None
        assert await checked(access, "Bearer" + " " * (n + 1) + key) is not None
    assert len(access._known) <= 3
    await access.close()


def test_everybody_may_do_everything_while_the_service_is_open():
    assert set(SCOPES) == ANYONE.grants
