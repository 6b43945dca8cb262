"""What protects people behind the service: browsers, sizes, the audit log, and logs without secrets."""

import time

from foretaste.api.policy import Policy
from foretaste.errors import StorageUnavailableError
from foretaste.logs import configure_logs
from foretaste.serving.access import Tokens
from foretaste.serving.bootstrap import open_engine, start_logs
from foretaste.settings import Rate, load_settings

LIST = "/api/v1/recommendations/user/u-000"
POPULAR = "/api/v1/recommendations/popular"
EVENTS = "/api/v1/interactions"
EVENT = {"user_id": "u-000", "item_id": "p-000"}


# --- browsers --------------------------------------------------------------------------------------------------------


async def test_a_page_of_a_listed_site_may_ask_and_others_may_not(engine, client_of):
    async with client_of(engine, Policy(cors_origins=frozenset({"https://shop.example"}))) as client:
        question = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}
        for origin, is_listed in [
            ("https://shop.example", True),
            ("https://shop.example.evil", False),
            ("http://shop.example", False),
            ("https://SHOP.example", False),
            ("null", False),
        ]:
            before = await client.options("/api/v1/items/x", headers={"Origin": origin, **question})
            assert before.status_code == 204
            answer = await client.get(LIST, headers={"Origin": origin})
            for each in (before, answer):
                assert each.headers.get("access-control-allow-origin") == (origin if is_listed else None)
                assert each.headers["vary"] == "Origin"
                assert "access-control-allow-credentials" not in each.headers
            assert ("authorization" in before.headers.get("access-control-allow-headers", "")) is is_listed
        assert (await client.get(LIST)).headers["vary"] == "Origin"


async def test_a_question_beforehand_needs_no_key_and_a_plain_options_is_no_such_question(
    engine, key_of, client_of, refused
):
    await key_of(engine, "read")
    async with client_of(engine) as client:
        answer = await client.options(
            LIST, headers={"Origin": "https://x.example", "Access-Control-Request-Method": "GET"}
        )
        assert answer.status_code == 204
        assert "access-control-allow-origin" not in answer.headers
        refused(await client.options(LIST), 401, "unauthorized")


async def test_pages_of_other_sites_cannot_change_an_open_service(client, engine, client_of, refused):
    for origin in ("https://evil.example", "null", "http://test.evil"):
        refused(await client.post(EVENTS, json=EVENT, headers={"Origin": origin}), 403, "forbidden")
        assert (await client.get(LIST, headers={"Origin": origin})).status_code == 200
    assert (await client.post(EVENTS, json=EVENT, headers={"Origin": "http://test"})).status_code == 200
    async with client_of(engine, Policy(cors_origins=frozenset({"https://shop.example"}))) as listed:
        answer = await listed.post(EVENTS, json=EVENT, headers={"Origin": "https://shop.example"})
        assert answer.status_code == 200


async def test_every_answer_protects_its_reader(client, engine, key_of, client_of):
    answers = [
        await client.get(LIST),
        await client.get("/nowhere"),
        await client.get("/docs"),
        await client.get("/"),
        await client.post(EVENTS, content=b"{"),
        await client.get("/metrics"),
    ]
    await key_of(engine, "read")
    answers.append(await client.get(LIST))
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "strict-transport-security" not in answer.headers
    assert ["referrer-policy" in answer.headers for answer in answers[:4]] == [False, False, True, True]  # pages
    assert "script-src" not in answers[0].headers["content-security-policy"]
    assert "connect-src 'self'" in answers[3].headers["content-security-policy"]
    async with client_of(engine, Policy(hsts_seconds=60)) as client:
        assert (await client.get("/health")).headers["strict-transport-security"] == "max-age=60; includeSubDomains"


async def test_sizes_are_limited(engine, client_of, refused):
    async with client_of(engine, Policy(max_header_bytes=2000, max_query_bytes=300, max_body_bytes=2000)) as client:
        just_right = [
            await client.get(POPULAR, headers={"X-Long": "x" * 1000}),
            await client.get(f"{POPULAR}?category={'x' * 200}"),
        ]
        assert [answer.status_code for answer in just_right] == [200, 200]
        assert refused(await client.get(POPULAR, headers={"X-Long": "x" * 2000}), 431, "headers_too_large")
        assert refused(await client.get(POPULAR, headers=[("X-Many", "y")] * 500), 431, "headers_too_large")
        assert refused(await client.get(f"{POPULAR}?category={'x' * 300}"), 414, "query_too_long")
        assert refused(await client.post(EVENTS, content=b" " * 2001), 413, "body_too_large")


# --- the audit log ---------------------------------------------------------------------------------------------------


ACTIONS = {"create_key", "promote_model", "delete_user", "delete_item", "revoke_key"}
"""What routes note; the rollout notes for itself what comes of a promotion."""


async def test_what_changes_others_stands_in_the_audit_log_without_secrets(client, engine, key_of, bearer):
    boss = await key_of(engine, "admin", name="boss")
    headers = {**bearer(boss), "X-Request-ID": "r-1"}
    made = (await client.post("/api/v1/keys", json={"name": "shop", "scopes": ["read"]}, headers=headers)).json()
    live = await engine.artifacts.live()
    await client.post(f"/api/v1/models/{live}/promote", headers=headers)
    await client.post("/api/v1/models/none/promote", headers=headers)
    await client.delete("/api/v1/users/u-001", headers=headers)
    await client.delete("/api/v1/items/p-001", headers=headers)
    await client.delete(f"/api/v1/keys/{made['id']}", headers=headers)
    await client.get(LIST, headers=headers)
    await client.post(EVENTS, json=EVENT, headers=headers)
    answer = await client.get("/api/v1/audit", headers=headers)
    rows = [row for row in answer.json()["entries"] if row["action"] in ACTIONS]
    seen = [(row["action"], row["subject"], row["outcome"]) for row in rows]
    assert seen[:3] == [("create_key", "", "ok"), ("promote_model", live, "ok"), ("promote_model", "none", "not_found")]
    assert seen[4:] == [("delete_item", "p-001", "ok"), ("revoke_key", made["id"], "ok")]
    assert seen[3][0] == "delete_user"
    assert "u-001" not in answer.text
    assert rows[0]["details"] == {"key_id": made["id"], "name": "shop", "scopes": ["read"]}
    assert {row["request_id"] for row in rows} == {"r-1"}
    assert all(row["actor"].startswith("key:boss (") for row in rows)
    for secret in (boss, made["key"]):
        assert secret[16:] not in answer.text
    first = (await client.get("/api/v1/audit?limit=2", headers=headers)).json()
    rest = (await client.get(f"/api/v1/audit?after={first['next_after']}", headers=headers)).json()
    assert first["entries"] + rest["entries"] == answer.json()["entries"]
    assert rest["next_after"] is None


async def test_refused_attempts_stand_in_the_audit_log_but_cannot_fill_it(
    engine, monkeypatch, key_of, bearer, client_of
):
    monkeypatch.setattr("foretaste.api.auth.NOTED_FAILURES", Rate(1, 3600.0, 2))
    key = await key_of(engine, "read")
    async with client_of(engine) as client:
        await client.get(LIST, headers=bearer("ft_000000000000_" + "x" * 43))
        for _ in range(5):
            await client.delete("/api/v1/users/u-000", headers=bearer(key))
    entries = [entry for entry in await engine.audit.entries() if entry.action == "access"]
    assert [(entry.actor.split(" ")[0], entry.subject, entry.outcome) for entry in entries] == [
        ("anyone", "GET /api/v1/recommendations", "unauthorized"),
        ("key:read", "DELETE /api/v1/users", "forbidden"),
    ]
    assert [entry.details for entry in entries] == [
        {"address": "10.1.2.3"},
        {"address": "10.1.2.3", "needs": "write"},
    ]


async def test_an_audit_log_that_cannot_be_written_stops_nothing(client, engine, monkeypatch, capsys):
    async def failing(_entries):
        raise StorageUnavailableError("locked")

    monkeypatch.setattr(engine.records, "add_audit", failing)
    assert (await client.delete("/api/v1/items/p-001")).status_code == 204
    assert "audit_not_stored" in capsys.readouterr().err


# --- logs ------------------------------------------------------------------------------------------------------------


async def test_no_credential_and_no_secret_gets_into_the_log_whatever_happens(
    home, monkeypatch, capsys, key_of, bearer, client_of
):
    secret = "a-secret-of-this-test-that-is-long-enough"
    settings = load_settings(foretaste_home=home, secret_key=secret, log_level="debug")
    try:
        start_logs(settings)
        async with open_engine(settings) as engine, client_of(engine, Policy.of(settings)) as client:
            key, boss = await key_of(engine, "read"), await key_of(engine, "admin")
            token = engine.access.tokens.make("ana", ["read"], ttl_s=60, now=time.time())
            forged = Tokens("t" * 40).make("ana", ["admin"], ttl_s=60, now=time.time())
            sent = [key, boss, token, forged, key[:-1] + "x", "nonsense-that-is-no-key"]
            monkeypatch.setattr(engine, "ranked", failing_with(f"password {secret} of {key} and {token}"))
            for credential in sent:
                for headers in (bearer(credential), {"X-API-Key": credential}):
                    await client.get(LIST, headers=headers)
                    await client.get(POPULAR, headers=headers)
                    await client.delete("/api/v1/items/p-001", headers=headers)
                    await client.post("/api/v1/keys", json={"name": "new", "scopes": ["read"]}, headers=headers)
    finally:
        configure_logs(level="warning")
    logged = capsys.readouterr()
    assert "unexpected_error" in logged.err
    for text in (secret, *(credential[-20:] for credential in sent)):
        assert text not in logged.err + logged.out


def failing_with(text):
    async def fail(*_args, **_rest):
        raise RuntimeError(text)

    return fail
