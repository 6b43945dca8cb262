"""What a shop does over HTTP."""

from urllib.parse import quote

import pytest

from foretaste.serving.config import parse_pipeline
from foretaste.serving.training import train

USER = "u-000"
POPULAR = {"models": {"popular": {"kind": "popular"}}, "fallback": {"chain": ["popular"]}}
LIST = f"/api/v1/recommendations/user/{USER}"


def ids(answer):
    assert answer.status_code == 200, answer.text
    return [item["item_id"] for item in answer.json()["items"]]


async def test_a_posted_event_changes_the_next_list(client):
    before = await client.get(LIST, params={"explain": True})
    first = before.json()["items"][0]
    assert first["title"]
    assert first["reason"]
    event = {
        "event_id": "e1",
        "user_id": USER,
        "item_id": first["item_id"],
        "type": "purchase",
        "recommendation_id": before.json()["recommendation_id"],
        "position": 0,
    }
    posted = await client.post("/api/v1/interactions", json=event)
    assert posted.status_code == 200
    assert posted.json() == {
        "stored": 1,
        "duplicates": 0,
        "rejected": 0,
        "results": [{"index": 0, "status": "stored", "id": "e1", "error": None}],
    }
    after = await client.get(LIST)
    assert first["item_id"] not in ids(after)
    assert ids(after) != ids(before)
    again = await client.post("/api/v1/interactions", json=event)
    assert (again.status_code, again.json()["duplicates"]) == (200, 1)


async def test_a_batch_with_one_bad_record_stores_the_others_and_says_which(client, engine):
    before = await engine.records.count("event")
    batch = {"interactions": [{"user_id": "n", "item_id": "p-000"}, {"user_id": "n"}, {"user_id": 7, "product_id": 8}]}
    answer = await client.post("/api/v1/interactions", json=batch)
    assert answer.status_code == 207
    body = answer.json()
    assert (body["stored"], body["rejected"]) == (2, 1)
    assert [row["status"] for row in body["results"]] == ["stored", "rejected", "stored"]
    assert "item_id" in body["results"][1]["error"]["message"]
    assert await engine.records.count("event") == before + 2


async def test_an_array_of_only_bad_records_is_refused_with_each_reason(client):
    answer = await client.post("/api/v1/interactions", json=[{"user_id": "n"}, 5])
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["code"] == "invalid_record"
    assert [row["status"] for row in error["details"]["results"]] == ["rejected", "rejected"]


async def test_an_unknown_user_gets_a_list_that_says_why(client):
    body = (await client.get("/api/v1/recommendations/user/nobody", params={"limit": 3})).json()
    assert (body["fallback"], body["degraded"], len(body["items"])) == ("cold_user", False, 3)


async def test_a_visit_is_served_from_its_history(client):
    asked = {"history": ["p-000", {"item_id": "p-001", "type": "purchase"}], "limit": 4, "exclude": ["p-003"]}
    answer = await client.post("/api/v1/recommendations", json=asked)
    assert len(ids(answer)) == 4
    assert not {"p-000", "p-001", "p-003"} & set(ids(answer))
    assert answer.json()["fallback"] == "none"


async def test_many_users_are_answered_in_order(client):
    answer = await client.post("/api/v1/recommendations/users", json={"user_ids": [USER, "nobody"], "limit": 2})
    lists = answer.json()["lists"]
    assert [one["user_id"] for one in lists] == [USER, "nobody"]
    assert [len(one["items"]) for one in lists] == [2, 2]


async def test_similar_items_and_lists_for_everybody(client):
    assert "p-000" not in ids(await client.get("/api/v1/items/p-000/similar", params={"limit": 5}))
    for kind in ("popular", "trending", "new"):
        assert ids(await client.get(f"/api/v1/recommendations/{kind}", params={"limit": 3}))
    only = await client.get("/api/v1/recommendations/popular", params={"category": "no such"})
    assert (ids(only), only.json()["short_by"]) == ([], 10)


async def test_excluded_items_may_be_repeated_in_the_address(client):
    first, second = ids(await client.get(LIST))[:2]
    rest = ids(await client.get(LIST, params={"exclude": [first, second]}))
    assert not {first, second} & set(rest)


async def test_an_item_is_put_read_listed_shown_hidden_and_deleted(client):
    put = await client.put("/api/v1/items/z-new", json={"title": "New lamp", "category": "light", "price": 5})
    assert put.status_code == 200
    assert put.json()["attributes"] == {"title": "New lamp", "category": "light", "price": 5}
    assert (await client.get("/api/v1/items/z-new")).json() == put.json()
    assert ids(await client.get("/api/v1/recommendations/new", params={"limit": 1})) == ["z-new"]
    await client.put("/api/v1/items/z-new", json={"title": "New lamp", "is_available": False})
    assert "z-new" not in ids(await client.get("/api/v1/recommendations/new", params={"limit": 100}))
    assert (await client.delete("/api/v1/items/z-new")).status_code == 204
    assert (await client.get("/api/v1/items/z-new")).status_code == 404


async def test_users_are_listed_page_by_page_to_the_end(client):
    seen, cursor = [], None
    while True:
        page = (await client.get("/api/v1/users", params={"limit": 10} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [record["id"] for record in page["records"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == 36
    assert seen == sorted(set(seen))


async def test_many_items_are_posted_with_a_result_each(client):
    answer = await client.post("/api/v1/items", json={"items": [{"item_id": "a"}, {"item_id": ""}, {"product_id": 5}]})
    assert answer.status_code == 207
    assert [row["id"] for row in answer.json()["results"]] == ["a", None, "5"]


async def test_ids_with_slashes_and_other_letters_can_be_addressed(client):
    for item_id in ("a/b", "naïve ☕", "x?y#z%41", "../../etc/passwd", "'; DROP TABLE items; --"):
        path = "/api/v1/items/" + quote(item_id, safe="")
        assert (await client.put(path, json={"title": "T"})).json()["id"] == item_id
        assert (await client.get(path)).json()["id"] == item_id
    assert (await client.get("/api/v1/items?limit=1000")).json()["records"]


async def test_models_are_listed_and_promoted(client, engine):
    listed = (await client.get("/api/v1/models")).json()
    (version,) = listed["versions"]
    assert version["is_live"]
    assert version["version"] == listed["live"] == await engine.artifacts.live()
    promoted = await client.post(f"/api/v1/models/{listed['live']}/promote")
    assert (promoted.status_code, promoted.json()["live"]) == (200, listed["live"])
    assert (await client.post("/api/v1/models/none/promote")).status_code == 404


async def test_a_damaged_version_cannot_be_promoted(client, engine, home):
    live = await engine.artifacts.live()
    arrays = home / "models" / "versions" / live / "models" / "ease" / "arrays.safetensors"
    arrays.write_bytes(arrays.read_bytes()[:-1] + b"\x00\x01")
    answer = await client.post(f"/api/v1/models/{live}/promote")
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "corrupt_state"
    assert ids(await client.get(LIST))


async def test_health_and_readiness_say_what_runs(client, engine, monkeypatch):
    for path in ("/health", "/api/v1/health", "/ready"):
        body = (await client.get(path)).json()
        assert (body["status"], body["ready"], body["store"]) == ("ok", True, "ok")
        assert body["model_version"] == await engine.artifacts.live()

    from foretaste.errors import StorageUnavailableError

    async def unavailable():
        raise StorageUnavailableError("read-only")

    monkeypatch.setattr(engine.records, "ping", unavailable)
    for path in ("/health", "/ready"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["store"]) == (503, "read-only")


async def test_figures_count_requests_lists_and_events_by_route_not_by_id(client, engine):
    await client.get(LIST)
    await client.get("/api/v1/recommendations/user/nobody")
    await client.post("/api/v1/interactions", json={"user_id": USER, "item_id": "p-000"})
    await client.get("/no/such/route")
    text = (await client.get("/metrics")).text
    route = 'route="/api/v1/recommendations/user/{user_id}"'
    assert f'foretaste_http_requests_total{{method="GET",{route},status="200"}} 2.0' in text
    assert 'foretaste_http_requests_total{method="GET",route="unmatched",status="404"} 1.0' in text
    assert 'foretaste_lists_answered_total{fallback="cold_user",scenario="default"} 1.0' in text
    assert 'foretaste_records_total{kind="event",result="stored"} 1.0' in text
    assert f'foretaste_model_info{{version="{await engine.artifacts.live()}"}} 1.0' in text
    assert USER not in text


async def test_the_page_needs_nothing_from_elsewhere(client):
    answer = await client.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    assert "Foretaste" in answer.text
    assert "http://" not in answer.text
    assert "https://" not in answer.text


async def test_a_version_is_rolled_out_and_back_through_the_api(client, engine):
    live = await engine.artifacts.live()
    pipeline = parse_pipeline(POPULAR)
    new = (await train(engine.records, engine.artifacts, pipeline, promote=False, evaluate=False)).version
    begun = await client.post(f"/api/v1/models/{new}/promote", json={"canary": 0.5, "for_s": 600, "shadow": False})
    assert (begun.status_code, begun.json()) == (200, {"live": live, "candidate": new, "stage": "canary"})
    found = (await client.get("/api/v1/models/status")).json()
    assert (found["stage"], found["share"], found["seconds"], found["next_stages"]) == ("canary", 0.5, 600, ["watch"])
    assert found["history"][0]["actor"] == "anyone"
    experiments = set()
    for n in range(20):
        answer = (await client.get(f"/api/v1/recommendations/user/u-{n:03d}")).json()
        assert (answer["experiment"] == f"canary:{new}") == (answer["model_version"] == new)
        experiments.add(answer["experiment"])
    assert experiments == {None, f"canary:{new}"}
    back = await client.post("/api/v1/models/rollback")
    assert (back.status_code, back.json()) == (200, {"live": live, "candidate": None, "stage": "idle"})
    again = await client.post("/api/v1/models/rollback", json={})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
    swapped = await client.post(f"/api/v1/models/{new}/promote", content=b"")
    assert swapped.json() == {"live": new, "candidate": None, "stage": "watch"}
    named = await client.post("/api/v1/models/rollback", json={"to": live})
    assert named.json()["live"] == live


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"canary": 2}, 422),
        ({"canary": 0.1, "guards": {"no_such": 1}}, 422),
        ({"canary": 0.1, "guards": {"min_samples": -1}}, 422),
        ({"nonsense": 1}, 422),
        ([1], 422),
    ],
)
async def test_a_wrong_wish_for_a_rollout_is_refused_and_changes_nothing(client, engine, body, status):
    live = await engine.artifacts.live()
    new = (
        await train(engine.records, engine.artifacts, parse_pipeline(POPULAR), promote=False, evaluate=False)
    ).version
    answer = await client.post(f"/api/v1/models/{new}/promote", json=body)
    assert answer.status_code == status, answer.text
    assert (await client.get("/api/v1/models/status")).json()["candidate"] is None
    assert await engine.artifacts.live() == live


async def test_a_trace_says_how_each_item_came_about_and_how_long_the_stages_took(client):
    first = ids(await client.get(LIST, params={"limit": 3}))
    body = (await client.get(LIST, params={"limit": 3, "trace": "1"})).json()
    assert [item["item_id"] for item in body["items"]] == first
    assert {"state", "candidates", "fill"} <= set(body["timings_ms"])
    assert [item["item_id"] for item in body["trace"]][:3] == first
    assert body["trace"][0]["found_by"][0]["name"] == "ease"
    asked = {"limit": 3, "trace": "true", "trace_items": [first[2], "no-such-item"]}
    two = {item["item_id"]: item for item in (await client.get(LIST, params=asked)).json()["trace"]}
    assert two[first[2]]["rank"] == 3
    assert two["no-such-item"]["left_out"] == ["unknown item"]


async def test_an_answer_without_a_trace_does_not_carry_one(client):
    body = (await client.get(LIST)).json()
    assert "trace" not in body
    assert "timings_ms" not in body
