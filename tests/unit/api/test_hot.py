"""The hot routes give what FastAPI gives, and what is kept is never old."""

import httpx
import pytest

from foretaste.api.app import create_app
from foretaste.api.hot import PASSED
from foretaste.api.policy import Policy

USER = "/api/v1/recommendations/user/"
ITEM = "/api/v1/items/"
INTERACTIONS = "/api/v1/interactions"


@pytest.fixture
async def both(engine):
    """The same application with the hot routes and without them."""
    app = create_app(engine, policy=Policy(max_body_bytes=20_000))

    async def without(scope, receive, send):
        await app({**scope, PASSED: True}, receive, send)

    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as hot,
        httpx.AsyncClient(transport=httpx.ASGITransport(without), base_url="http://test") as plain,
    ):
        yield hot, plain


def without_ids(value):
    """An answer's body without what is new in each."""
    if isinstance(value, dict):
        return {key: without_ids(part) for key, part in value.items() if key not in {"recommendation_id", "request_id"}}
    return [without_ids(part) for part in value] if isinstance(value, list) else value


def headers_of(answer):
    """An answer's headers without what is new in each."""
    new = {"x-request-id", "content-length"}
    return sorted((name, value) for name, value in answer.headers.multi_items() if name not in new)


ASKED = [
    USER + "u-000",
    USER + "u-000?limit=3",
    USER + "u-000?limit=3&explain=true",
    USER + "u-000?limit=1000",
    USER + "u-000?limit=1001",
    USER + "u-000?limit=0",
    USER + "u-000?limit=-1",
    USER + "u-000?limit=+3",
    USER + "u-000?limit=03",
    USER + "u-000?limit=%203",
    USER + "u-000?limit=",
    USER + "u-000?limit=3&limit=4",
    USER + "u-000?limit=٣",
    USER + "u-000?explain=yes",
    USER + "u-000?explain=TRUE",
    USER + "u-000?explain=maybe",
    USER + "u-000?explain",
    USER + "u-000?scenario=home&category=coffee",
    USER + "u-000?category=Hiking%20",
    USER + "u-000?category=no+such",
    USER + "u-000?scenario=" + "x" * 101,
    USER + "u-000?exclude=p-1&exclude=p-2&limit=5",
    USER + "u-000?exclude=%ff",
    USER + "u-000?what=else&limit=2",
    USER + "u-000?limit=2;explain=1",
    USER + "u-000?&&limit=2&",
    USER + "nobody",
    USER + "a/b%2Fc",
    USER + "%20",
    USER + "%00",
    USER + "%ff",
    USER + "x" * 257,
    USER,
    USER[:-1],
    ITEM + "dark-roast-beans/similar",
    ITEM + "dark-roast-beans/similar?limit=2&explain=1",
    ITEM + "dark-roast-beans/similar?scenario=home",
    ITEM + "nothing/similar",
    ITEM + "/similar",
    ITEM + "similar",
]


@pytest.mark.parametrize("address", ASKED)
async def test_both_paths_give_the_same_answer(both, address):
    hot, plain = both
    expected = await plain.get(address)
    for _ in range(2):  # made, then kept
        found = await hot.get(address)
        assert (found.status_code, without_ids(found.json())) == (expected.status_code, without_ids(expected.json()))
        assert headers_of(found) == headers_of(expected)
        assert found.headers["x-request-id"] == found.json()["request_id"]


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "BREW"])
async def test_other_methods_are_left_to_fastapi(both, method):
    hot, plain = both
    for address in (USER + "u-000", INTERACTIONS):
        found, expected = await hot.request(method, address), await plain.request(method, address)
        assert found.status_code == expected.status_code
        assert found.headers.get("allow") == expected.headers.get("allow")


@pytest.mark.parametrize(
    "body",
    [
        b'{"event_id": "e1", "user_id": "u-000", "item_id": "capo", "timestamp": 1700000000}',
        b'[{"event_id": "e1", "user_id": "u-000", "item_id": "capo", "timestamp": 1700000000}, {"user_id": 1}]',
        b'{"interactions": [{"user_id": "u-000"}]}',
        b'{"interactions": {}}',
        b"[]",
        b"",
        b"{",
        b'{"user_id": NaN}',
        b"\xff",
        b"[" + b'{"user_id": "u", "item_id": "i"},' * 1000 + b"1]",
    ],
)
async def test_both_paths_take_in_the_same(both, body):
    hot, plain = both
    expected = await plain.post(INTERACTIONS, content=body)
    found = await hot.post(INTERACTIONS, content=body)
    left, right = without_ids(found.json()), without_ids(expected.json())
    if found.status_code in {200, 207}:  # the second time the event is there already
        assert left["stored"] + left["duplicates"] == right["stored"] + right["duplicates"]
        left, right = left["rejected"], right["rejected"]
    assert (found.status_code, left) == (expected.status_code, right)


async def test_a_kept_list_has_a_new_request_id_and_the_same_recommendation_id(both):
    hot, _ = both
    first, second = [(await hot.get(USER + "u-001?limit=4")).json() for _ in range(2)]
    assert first["request_id"] != second["request_id"]
    assert first["recommendation_id"] == second["recommendation_id"]
    own = await hot.get(USER + "u-001?limit=4", headers={"X-Request-ID": "mine-1"})
    assert (own.json()["request_id"], own.headers["x-request-id"]) == ("mine-1", "mine-1")


async def test_the_next_list_after_an_event_knows_it(both):
    hot, _ = both
    for _ in range(5):
        listed = [item["item_id"] for item in (await hot.get(USER + "u-002?limit=5")).json()["items"]]
        posted = await hot.post(INTERACTIONS, json={"user_id": "u-002", "item_id": listed[0], "type": "purchase"})
        assert posted.status_code == 200
        after = [item["item_id"] for item in (await hot.get(USER + "u-002?limit=5")).json()["items"]]
        assert listed[0] not in after


async def test_an_item_that_is_sold_out_leaves_kept_lists(both):
    hot, _ = both
    listed = [item["item_id"] for item in (await hot.get(USER + "u-003?limit=5")).json()["items"]]
    await hot.put(ITEM + listed[1], json={"is_available": False})
    after = [item["item_id"] for item in (await hot.get(USER + "u-003?limit=5")).json()["items"]]
    assert listed[1] not in after


async def test_requests_and_look_ups_are_counted(both):
    hot, _ = both
    for _ in range(3):
        await hot.get(USER + "u-004")
    await hot.get(ITEM + "nothing/similar")
    text = (await hot.get("/metrics")).text
    route = 'method="GET",route="/api/v1/recommendations/user/{user_id}"'
    assert f'foretaste_http_requests_total{{{route},status="200"}} 3.0' in text
    assert f"foretaste_http_request_seconds_count{{{route}}} 3.0" in text
    assert 'route="/api/v1/items/{item_id}/similar",status="404"} 1.0' in text
    assert 'foretaste_cache_requests_total{result="hits",tier="process"} 2.0' in text
    assert "foretaste_cache_entries 1.0" in text


async def test_the_document_is_the_same_with_and_without_hot_routes(both):
    hot, plain = both
    assert (await hot.get("/openapi.json")).json() == (await plain.get("/openapi.json")).json()
