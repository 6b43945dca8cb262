"""Visits of people who are not signed in, over HTTP."""

from urllib.parse import quote

import pytest


def ids(answer):
    assert answer.status_code == 200, answer.text
    return [item["item_id"] for item in answer.json()["items"]]


async def visit(client, session_id, *item_ids, **more):
    for item_id in item_ids:
        event = {"session_id": session_id, "item_id": item_id, "type": "view", **more}
        answer = await client.post("/api/v1/interactions", json=event)
        assert answer.status_code == 200, answer.text


async def test_the_list_of_a_session_follows_its_events_at_once(client):
    path = "/api/v1/recommendations/session/v-1"
    before = (await client.get(path)).json()
    assert (before["fallback"], before["user_id"], before["session_id"]) == ("cold_user", None, "v-1")
    await visit(client, "v-1", "p-000")
    first = await client.get(path, params={"limit": 5})
    assert first.json()["fallback"] == "none"
    assert "p-000" not in ids(first)
    await visit(client, "v-1", "p-012")
    assert ids(await client.get(path, params={"limit": 5})) != ids(first)


async def test_what_was_seen_last_in_a_session_counts_most(client):
    await visit(client, "a", "p-000", "p-006")
    await visit(client, "b", "p-006", "p-000")
    lists = [ids(await client.get(f"/api/v1/recommendations/session/{session}")) for session in "ab"]
    assert lists[0] != lists[1]


async def test_sessions_do_not_see_each_other_nor_a_user_of_that_name(client):
    await visit(client, "v-2", "p-000")
    assert (await client.get("/api/v1/recommendations/session/v-3")).json()["fallback"] == "cold_user"
    assert (await client.get("/api/v1/recommendations/user/v-2")).json()["fallback"] == "cold_user"


async def test_an_event_with_a_user_is_the_users_even_when_it_names_a_session(client):
    await visit(client, "v-4", "p-000", user_id="somebody")
    assert (await client.get("/api/v1/recommendations/session/v-4")).json()["fallback"] == "cold_user"
    assert (await client.get("/api/v1/recommendations/user/somebody")).json()["fallback"] == "none"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/v1/interactions", {"user_id": "session:v-1", "item_id": "p-000"}),
        ("PUT", "/api/v1/users/session:v-1", {"age": 3}),
        ("POST", "/api/v1/users", {"user_id": "session:v-1"}),
        ("GET", "/api/v1/recommendations/user/session:v-1", None),
        ("POST", "/api/v1/recommendations/users", {"user_ids": ["session:v-1"]}),
    ],
)
async def test_nobody_can_take_the_user_id_of_a_session(client, method, path, body):
    answer = await client.request(method, path, json=body)
    assert answer.status_code == 422
    assert "kept for anonymous sessions" in answer.json()["error"]["message"]


async def test_session_ids_with_other_letters_can_be_addressed(client):
    for session_id in ("a/b", "ü ☕", "x?y#z"):
        await visit(client, session_id, "p-000")
        answer = await client.get("/api/v1/recommendations/session/" + quote(session_id, safe=""))
        assert (answer.json()["session_id"], answer.json()["fallback"]) == (session_id, "none")


async def test_a_visitor_who_signs_in_keeps_what_was_done(client, engine):
    await visit(client, "v-9", "p-000", "p-001")
    answer = await client.post("/api/v1/users/ann/merge", json={"session_id": "v-9"})
    assert (answer.status_code, answer.json()) == (200, {"user_id": "ann", "session_id": "v-9", "moved": 2})
    theirs = (await client.get("/api/v1/recommendations/user/ann")).json()
    assert theirs["fallback"] == "none"
    assert not {"p-000", "p-001"} & {item["item_id"] for item in theirs["items"]}
    assert (await client.get("/api/v1/recommendations/session/v-9")).json()["fallback"] == "cold_user"
    events = (await engine.records.user_state("ann")).events
    assert [(event.item_id, event.session_id) for event in events] == [("p-000", "v-9"), ("p-001", "v-9")]


async def test_merging_again_moves_only_what_came_later(client):
    await visit(client, "v-9", "p-000")
    merge = "/api/v1/users/ann/merge"
    assert (await client.post(merge, json={"session_id": "v-9"})).json()["moved"] == 1
    assert (await client.post(merge, json={"session_id": "v-9"})).json()["moved"] == 0
    await visit(client, "v-9", "p-002")
    assert (await client.post(merge, json={"session_id": "v-9"})).json()["moved"] == 1


async def test_another_worker_sees_a_merge_in_its_next_answer(client, home):
    from foretaste.serving.bootstrap import open_engine
    from foretaste.settings import load_settings

    async with open_engine(load_settings(foretaste_home=home)) as other:
        await visit(client, "v-9", "p-000", "p-001")
        assert (await other.recommend("ann")).fallback == "cold_user"
        assert (await other.recommend_session("v-9")).fallback == "none"
        await client.post("/api/v1/users/ann/merge", json={"session_id": "v-9"})
        assert (await other.recommend("ann")).fallback == "none"
        assert (await other.recommend_session("v-9")).fallback == "cold_user"


@pytest.mark.parametrize(
    ("user_id", "body", "status"),
    [
        ("ann", {}, 422),
        ("ann", {"session_id": ""}, 422),
        ("ann", {"session_id": "s" * 249}, 422),
        ("ann", {"session_id": "v-9", "more": 1}, 422),
        ("session:v-9", {"session_id": "v-9"}, 422),
        ("ann", ["v-9"], 422),
    ],
)
async def test_a_merge_that_makes_no_sense_is_refused(client, user_id, body, status):
    answer = await client.post(f"/api/v1/users/{user_id}/merge", json=body)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]
