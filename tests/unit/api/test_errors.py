"""Every wrong request gets an answer in one form, and none gets a 500."""

import json

import httpx
import pytest

from foretaste.api.app import create_app
from foretaste.errors import StorageFullError, StorageUnavailableError

LIST = "/api/v1/recommendations/user/u-000"
POST = "/api/v1/interactions"


def check_form(answer, status, code):
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"error", "request_id"}
    assert set(body["error"]) == {"code", "message", "hint", "details"}
    assert body["error"]["code"] == code
    assert body["error"]["message"]
    assert body["request_id"] == answer.headers["x-request-id"]
    return body["error"]


async def test_an_unknown_route_and_a_wrong_method(client):
    check_form(await client.get("/nowhere"), 404, "no_such_route")
    answer = await client.post("/health")
    check_form(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize(
    ("query", "field"),
    [("limit=0", "limit"), ("limit=1001", "limit"), ("limit=ten", "limit"), ("explain=perhaps", "explain")],
)
async def test_a_wrong_parameter_is_named_with_its_value(client, query, field):
    error = check_form(await client.get(f"{LIST}?{query}"), 422, "invalid_request")
    assert error["details"]["errors"][0]["field"] == field
    assert query.split("=")[1] in error["message"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[NaN]", b'{"user_id": Infinity}', b'"\\ud800"', b"\xff", b"1e999", b"[" * 2000, b"{'a': 1}"],
)
@pytest.mark.parametrize("path", [POST, "/api/v1/recommendations", "/api/v1/items"])
async def test_what_is_no_json_is_refused(client, path, content):
    check_form(await client.post(path, content=content), 400, "malformed_json")


@pytest.mark.parametrize("content", [b"[]", b'{"interactions": []}', b'{"interactions": 5}'])
async def test_a_batch_without_records_is_refused(client, content):
    check_form(await client.post(POST, content=content), 422, "invalid_request")


@pytest.mark.parametrize(
    "content", [b"null", b"5", b'"text"', b"true", b"{}", b"[[]]", b"[null]", b"123456789012345678901"]
)
async def test_json_that_is_no_event_is_refused(client, content):
    check_form(await client.post(POST, content=content), 422, "invalid_record")


async def test_too_many_records_are_refused(client, engine):
    before = await engine.records.count("event")
    check_form(await client.post(POST, content=b"[" + b"1," * 10_000 + b"1]"), 422, "invalid_request")
    assert await engine.records.count("event") == before


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"history": "p-000"},
        {"history": ["p-000"], "limit": 0},
        {"history": ["p-000"], "limit": 1e300},
        {"history": [""]},
        {"history": ["x" * 300]},
        {"history": ["p-000"], "unknown": 1},
        {"history": [{"type": "view"}]},
        {"history": [5]},
    ],
)
async def test_a_wrong_question_is_refused(client, body):
    check_form(await client.post("/api/v1/recommendations", json=body), 422, "invalid_request")


@pytest.mark.parametrize(
    "history", [["a\x00"], [{"item_id": "i", "value": 1e20}], [{"item_id": "i", "timestamp": "noon"}]]
)
async def test_a_wrong_entry_of_a_history_is_named(client, history):
    error = check_form(await client.post("/api/v1/recommendations", json={"history": history}), 422, "invalid_record")
    assert "history[0]" in error["message"]


@pytest.mark.parametrize("user_id", ["%00", "%20", "x" * 257, "x" * 60_000, "%1B%5B31m", "a%7F"])
async def test_an_id_that_is_none_is_refused_in_every_route(client, user_id):
    for path in (f"/api/v1/recommendations/user/{user_id}", f"/api/v1/users/{user_id}", f"/api/v1/items/{user_id}"):
        check_form(await client.get(path), 422, "invalid_record")
    check_form(await client.put(f"/api/v1/items/{user_id}", json={}), 422, "invalid_record")
    check_form(await client.get(f"/api/v1/items/{user_id}/similar"), 422, "invalid_record")


async def test_an_unknown_user_or_item_is_a_404(client):
    check_form(await client.get("/api/v1/users/nobody"), 404, "unknown_user")
    check_form(await client.get("/api/v1/items/nothing"), 404, "unknown_item")
    check_form(await client.delete("/api/v1/items/nothing"), 404, "unknown_item")
    check_form(await client.get("/api/v1/items/nothing/similar"), 404, "unknown_item")


async def test_a_body_that_is_too_large_is_refused_with_and_without_its_length(client):
    check_form(await client.post(POST, content=b" " * 200_001), 413, "body_too_large")

    async def parts():
        for _ in range(30):
            yield b" " * 10_000

    check_form(await client.post(POST, content=parts()), 413, "body_too_large")


@pytest.mark.parametrize(
    ("error", "status"), [(StorageUnavailableError("locked"), 503), (StorageFullError("no room"), 507)]
)
async def test_events_that_are_not_durable_are_not_acknowledged(client, engine, monkeypatch, error, status):
    async def failing(*_):
        raise error

    monkeypatch.setattr(engine.records, "append_events", failing)
    answer = await client.post(POST, json={"user_id": "u", "item_id": "i"})
    check_form(answer, status, error.code)
    assert answer.headers.get("retry-after") == ("1" if status == 503 else None)


async def test_what_nobody_foresaw_is_a_500_in_the_same_form_and_hides_its_inside(client, engine, monkeypatch):
    async def failing(*_, **__):
        raise RuntimeError("secret inside")

    monkeypatch.setattr(engine, "recommend", failing)
    error = check_form(await client.get(LIST), 500, "error")
    assert "secret" not in json.dumps(error)
    assert 'status="500"' in engine.metrics.text().decode()


async def test_a_request_id_of_the_caller_is_kept_when_it_is_a_sensible_one(client):
    assert (await client.get("/health", headers={"X-Request-ID": "abc-1"})).headers["x-request-id"] == "abc-1"
    made = (await client.get("/health", headers={"X-Request-ID": "bad id\twith spaces"})).headers["x-request-id"]
    assert made != "bad id\twith spaces"
    assert len(made) == 16


async def test_an_application_of_settings_opens_and_closes_its_own_engine(home):
    from foretaste.settings import load_settings

    app = create_app(load_settings(foretaste_home=home))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")
    async with app.router.lifespan_context(app), client:
        assert (await client.get("/ready")).status_code == 200


@pytest.mark.parametrize("context", ["{bad", "", "[1]", "7", "null", '{"a": NaN}', "\ud83d"])
async def test_a_context_that_is_no_object_is_refused_with_what_was_sent(client, context):
    sent = context.encode("utf-8", "surrogatepass")
    error = check_form(await client.get(LIST, params={"context": sent}), 422, "invalid_request")
    assert error["message"].startswith("context = ")
    assert "device" in error["hint"]


async def test_a_field_that_is_missing_is_called_so(client):
    assert check_form(await client.get("/api/v1/onboarding"), 422, "invalid_request")["message"] == "user_id is missing"


async def test_a_field_of_several_types_is_named_by_itself(client):
    error = check_form(
        await client.post("/api/v1/onboarding", json={"user_id": "", "answers": []}), 422, "invalid_request"
    )
    assert error["message"].startswith("user_id = '': ")
