"""Who may do what over HTTP, and what nobody may."""

import asyncio
import re
import time

import httpx
import pytest

from foretaste.api.app import create_app
from foretaste.api.policy import Policy
from foretaste.api.scopes import scope_of
from foretaste.errors import ConfigurationError, StorageUnavailableError
from foretaste.serving.bootstrap import check_exposure, open_stores
from foretaste.settings import Rate, load_settings

LIST = "/api/v1/recommendations/user/u-000"
POPULAR = "/api/v1/recommendations/popular"
EVENTS = "/api/v1/interactions"
EVENT = {"user_id": "u-000", "item_id": "p-000"}


async def test_the_first_key_closes_an_open_service_and_revoking_it_does_not_open_it(
    client, engine, key_of, bearer, refused
):
    assert (await client.get(LIST)).status_code == 200
    error = refused(await client.post("/api/v1/keys", json={"name": "boss", "scopes": ["admin"]}), 403, "forbidden")
    assert "foretaste keys create" in error["hint"]
    boss = bearer(await key_of(engine, "admin", name="boss"))
    refused(await client.get(LIST), 401, "unauthorized")
    assert (await client.get(LIST, headers=boss)).status_code == 200
    made = await client.post("/api/v1/keys", json={"name": "shop", "scopes": ["read"]}, headers=boss)
    assert made.status_code == 201
    for name in ("shop", "boss"):
        assert (await client.delete(f"/api/v1/keys/{name}", headers=boss)).status_code == 204
    for headers in (boss, bearer(made.json()["key"]), {}):
        refused(await client.get(LIST, headers=headers), 401, "unauthorized")


async def test_a_key_is_shown_once_and_listed_without_itself(client, engine, key_of, bearer, refused):
    boss = bearer(await key_of(engine, "admin"))
    made = (
        await client.post("/api/v1/keys", json={"name": "shop", "scopes": ["read"], "ttl_s": 60}, headers=boss)
    ).json()
    listed = await client.get("/api/v1/keys", headers=boss)
    assert [key["name"] for key in listed.json()["keys"]] == ["admin", "shop"]
    assert listed.json()["keys"][1]["expires_at"] == pytest.approx(time.time() + 60, abs=30)
    assert made["key"][16:] not in listed.text
    refused(await client.post("/api/v1/keys", json={"name": "shop", "scopes": ["read"]}, headers=boss), 409, "conflict")


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        (["events"], {"events"}),
        (["read"], {"read"}),
        (["write"], {"events", "read", "write"}),
        (["admin"], {"events", "read", "write", "admin"}),
    ],
)
async def test_a_scope_opens_its_routes_and_no_others(client, engine, scopes, allowed, key_of, bearer, refused):
    headers = bearer(await key_of(engine, *scopes))
    requests = {
        "events": [("POST", EVENTS, EVENT)],
        "read": [
            ("GET", LIST, None),
            ("POST", "/api/v1/recommendations", {"history": ["p-000"]}),
            ("GET", "/api/v1/users", None),
            ("GET", "/api/v1/items/p-000/similar", None),
            ("GET", "/recommend/u-000", None),
            ("GET", "/api/v1/users/u-000/similar", None),
            ("GET", "/api/v1/recommendations/session/v-1", None),
            ("GET", "/metrics", None),
        ],
        "write": [
            ("PUT", "/api/v1/items/p-000", {}),
            ("POST", "/api/v1/users", {"user_id": "a"}),
            ("POST", "/api/v1/users/a/merge", {"session_id": "v-1"}),
        ],
        "admin": [
            ("GET", "/api/v1/models", None),
            ("GET", "/api/v1/keys", None),
            ("GET", "/api/v1/audit", None),
            ("DELETE", "/api/v1/keys/x", None),
        ],
    }
    for scope, asked in requests.items():
        for method, path, json in asked:
            answer = await client.request(method, path, json=json, headers=headers)
            if scope in allowed:
                assert answer.status_code not in {401, 403}, (method, path)
            else:
                error = refused(answer, 403, "forbidden")
                assert error["details"] == {"scope": scope}
                assert repr(scope) in error["message"]


async def test_only_administrators_see_how_a_list_came_about(client, engine, key_of, bearer, refused):
    reader, boss = bearer(await key_of(engine, "read")), bearer(await key_of(engine, "admin"))
    assert refused(await client.get(f"{LIST}?trace=true", headers=reader), 403, "forbidden")["details"] == {
        "scope": "admin"
    }
    assert (await client.get(f"{LIST}?trace=false", headers=reader)).status_code == 200
    assert (await client.get(f"{LIST}?trace=true", headers=boss)).json()["trace"]


async def test_every_documented_route_says_what_scope_it_needs_and_refuses_without(client, engine, key_of, refused):
    document = (await client.get("/openapi.json")).json()
    assert set(document["components"]["securitySchemes"]) == {"bearer", "api_key"}
    await key_of(engine, "read")
    scopes = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            answer = await client.request(method, re.sub("{[^}]*}", "x", path))
            if not operation["security"]:
                scopes[operation["operationId"]] = None
                assert answer.status_code < 400
                continue
            ((scope,), (same,)) = (next(iter(way.values())) for way in operation["security"])
            scopes[operation["operationId"]] = scope
            assert scope == same
            assert f"`{scope}`" in operation["description"]
            assert {"401", "403", "429"} <= set(operation["responses"])
            refused(answer, 401, "unauthorized")
    assert {name for name, scope in scopes.items() if scope is None} == {"health", "health_v1", "ready"}
    assert {name for name, scope in scopes.items() if scope == "events"} == {"record_interactions"}
    admin = {"list_models", "rollout_status", "roll_back_model", "promote_model"}
    admin |= {"list_rules", "put_rules", "check_rules", "list_scenarios", "put_scenario", "delete_scenario"}
    admin |= {"list_settings", "put_setting", "command", "command_status"}
    assert {name for name, scope in scopes.items() if scope == "admin"} == admin | {
        "create_key",
        "list_keys",
        "revoke_key",
        "audit",
    }


def test_what_no_table_names_needs_admin():
    for method, path in [
        ("GET", "/nowhere"),
        ("GET", "//api/v1/items"),
        ("GET", "/api/v1/"),
        ("GET", "/api/v1/secret"),
        ("PATCH", "/api/v1/items/p"),
        ("POST", "/health"),
        ("GET", "/health/"),
        ("GET", "/API/V1/items"),
        ("POST", "/api/v1/models/x/promote"),
        ("GET", "/api/v1/keys"),
        ("GET", "/api/v1/models"),
        ("GET", "/recommend"),
        ("POST", "/recommend/u"),
        ("DELETE", "/api/v1/interactions"),
        ("WEIRD", "/api/v1/items"),
    ]:
        assert scope_of(method, path) == "admin", (method, path)
    assert scope_of("HEAD", LIST) == "read"
    assert scope_of("GET", "/metrics") == "read"
    assert scope_of("GET", "/metrics", metrics_open=True) is None


async def test_open_routes_need_no_key_and_tell_strangers_little(client, engine, key_of, bearer):
    before = (await client.get("/health")).json()
    assert before["details"]
    key = await key_of(engine, "read")
    for path in ("/", "/docs", "/openapi.json", "/ready", "/api/v1/health"):
        assert (await client.get(path)).status_code == 200
    stranger = (await client.get("/health")).json()
    assert (stranger["details"], stranger["models"], stranger["model_version"]) == ({}, [], None)
    assert (stranger["status"], stranger["store"]) == ("ok", "ok")
    assert (await client.get("/health", headers=bearer(key))).json()["details"]
    assert not (await client.get("/health", headers=bearer(key + "x"))).json()["details"]


async def test_figures_can_be_opened(engine, key_of, client_of, refused):
    await key_of(engine, "read")
    async with client_of(engine, Policy(metrics_open=True)) as client:
        assert (await client.get("/metrics")).status_code == 200
    async with client_of(engine) as client:
        refused(await client.get("/metrics"), 401, "unauthorized")


async def test_a_refusal_never_says_which_part_was_wrong(client, engine, key_of, refused):
    key = await key_of(engine, "read")
    ended = await key_of(engine, "read", name="ended")
    await engine.access.keys.revoke("ended", now=time.time())
    wrong = [key[:-2] + "zz", "ft_000000000000_" + key[16:], ended, "nonsense", "a.b.c", "", "Zürich"]
    bodies = set()
    for credential in wrong:
        answer = await client.get(LIST, headers=[(b"Authorization", f"Bearer {credential}".encode())])
        error = refused(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        bodies.add((error["message"], error["hint"]))
    assert len(bodies) == 1


async def test_rubbish_credentials_are_refused_and_break_nothing(client, engine, key_of, refused):
    key = await key_of(engine, "read")
    good = f"Bearer {key}".encode()
    for headers in (
        [(b"authorization", good), (b"authorization", good)],
        [(b"authorization", good), (b"x-api-key", key.encode())],
        [(b"authorization", b"\xff\xfe\x00")],
        [(b"authorization", b"")],
        [(b"x-api-key", b" ")],
        [(b"authorization", "Bearer 🔑".encode())],
        [(b"authorization", b"Bearer " + b"a" * 8000)],
        [(b"authorization", b"Bearer " + b"." * 8000)],
        [(b"authorization", b"Digest username=x")],
    ):
        refused(await client.get(LIST, headers=headers), 401, "unauthorized")
    huge = [(b"authorization", b"Bearer " + b"a" * 1_000_000)]
    refused(await client.get(LIST, headers=huge), 431, "headers_too_large")
    for headers in ([(b"X-API-Key", key.encode())], [(b"AUTHORIZATION", b"bearer " + key.encode())]):
        assert (await client.get(LIST, headers=headers)).status_code == 200


async def test_guessing_is_slowed_for_its_address_only(engine, key_of, bearer, client_of, refused):
    key = await key_of(engine, "read")
    async with client_of(engine, address="10.9.9.9") as guesser, client_of(engine, address="10.8.8.8") as other:
        assert (await guesser.get(LIST, headers=bearer(key))).status_code == 200
        statuses = [(await guesser.get(LIST, headers=bearer(f"guess-{n}"))).status_code for n in range(25)]
        assert statuses == [401] * 20 + [429] * 5
        blocked = await guesser.get(LIST, headers=bearer("guess"))
        refused(blocked, 429, "too_many_requests")
        assert 1 <= int(blocked.headers["retry-after"]) <= 60
        assert (await guesser.get(LIST, headers=bearer(key))).status_code == 200  # known before: not locked out
        refused(await other.get(LIST, headers=bearer("guess")), 401, "unauthorized")
    figures = engine.metrics.text().decode()
    assert 'foretaste_requests_refused_total{reason="credential"} 21.0' in figures
    assert 'foretaste_requests_refused_total{reason="guessing"} 6.0' in figures


async def test_a_token_lets_in_where_there_is_a_secret(home, bearer, refused):
    settings = load_settings(foretaste_home=home, secret_key="s" * 40)
    app = create_app(settings)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")
    async with app.router.lifespan_context(app), client:
        refused(await client.get(LIST), 401, "unauthorized")
        tokens = app.state.engine.access.tokens
        token = tokens.make("ana", ["read"], ttl_s=60, now=time.time())
        assert (await client.get(LIST, headers=bearer(token))).status_code == 200
        refused(await client.put("/api/v1/items/x", json={}, headers=bearer(token)), 403, "forbidden")


async def test_when_the_store_fails_health_answers_and_strangers_get_503(
    client, engine, monkeypatch, key_of, bearer, refused
):
    key = await key_of(engine, "read")
    assert (await client.get(LIST, headers=bearer(key))).status_code == 200

    async def failing(_user_id):
        raise StorageUnavailableError("locked")

    monkeypatch.setattr(engine.records, "stamp", failing)
    monkeypatch.setattr("foretaste.serving.access.access.LOOK_S", 0.0)
    engine.access._look()
    assert (await client.get("/health")).status_code == 200
    assert (await client.get("/api/v1/recommendations/popular", headers=bearer(key))).status_code == 200
    monkeypatch.setattr("foretaste.serving.access.access.STALE_S", -1.0)
    assert (await client.get("/health")).status_code == 200
    answer = await client.get("/api/v1/recommendations/popular", headers=bearer(key))
    refused(answer, 503, "storage_unavailable")
    assert answer.headers["retry-after"] == "1"


# --- rates -----------------------------------------------------------------------------------------------------------


async def test_a_key_that_asks_too_often_waits_and_others_do_not(engine, key_of, bearer, client_of, refused):
    one, two = await key_of(engine, "write", name="one"), await key_of(engine, "write", name="two")
    policy = Policy(rates={"read": Rate(1, 60.0, 3), "write": Rate(1, 60.0, 1)})
    async with client_of(engine, policy) as client:
        answers = [await client.get(LIST, headers=bearer(one)) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["ratelimit"].split(";")[1] for answer in answers] == ["r=2", "r=1", "r=0", "r=0"]
        assert answers[0].headers["ratelimit-policy"] == '"read";q=3;w=180'
        assert 50 <= int(answers[3].headers["retry-after"]) <= 60
        error = refused(answers[3], 429, "too_many_requests")
        assert 50 < error["details"]["retry_after_s"] <= 60
        assert (await client.get(LIST, headers=bearer(two))).status_code == 200
        assert (await client.post(EVENTS, json=EVENT, headers=bearer(one))).status_code == 200  # writes: a bucket apart
        refused(await client.post(EVENTS, json=EVENT, headers=bearer(one)), 429, "too_many_requests")
        refused(await client.put("/api/v1/items/x", json={}, headers=bearer(one)), 429, "too_many_requests")


async def test_without_keys_and_for_keys_in_pages_addresses_are_counted(engine, key_of, bearer, client_of):
    policy = Policy(rates={"write": Rate(1, 60.0, 1)})
    for key in (None, "events"):
        headers = {} if key is None else bearer(await key_of(engine, key))
        for address in ("10.0.0.1", "10.0.0.2"):
            async with client_of(engine, policy, address) as client:
                statuses = [(await client.post(EVENTS, json=EVENT, headers=headers)).status_code for _ in range(2)]
                assert statuses == [200, 429]


# --- at start --------------------------------------------------------------------------------------------------------


def test_an_open_service_is_not_shown_to_others(tmp_path):
    def check(**values):
        asyncio.run(check_exposure(load_settings(foretaste_home=tmp_path, **values)))

    with pytest.raises(ConfigurationError, match="can be reached by others") as caught:
        check(api_host="0.0.0.0")
    for way in ("foretaste keys create", "SECRET_KEY", "127.0.0.1"):
        assert way in caught.value.hint
    check(api_host="127.0.0.1")
    check(api_host="0.0.0.0", secret_key="s" * 40)

    async def make_key():
        async with open_stores(load_settings(foretaste_home=tmp_path)) as stores:
            from foretaste.serving.access import Keys

            await Keys(stores.records).create("shop", ["read"], now=0.0)

    asyncio.run(make_key())
    check(api_host="0.0.0.0")
