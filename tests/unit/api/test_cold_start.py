"""New items and people with nothing but attributes, over HTTP."""

import httpx
import pytest

from foretaste.api.app import create_app
from foretaste.serving.bootstrap import open_engine
from foretaste.settings import load_settings

PIPELINE = """
name = "cold"

[models]
ease = { kind = "ease", regularization = 5.0 }
popular = { kind = "popular" }

[[sources]]
model = "ease"
k = 20

[[sources]]
kind = "arrivals"
weight = 0.9

[[sources]]
kind = "interests"

[[sources]]
kind = "friends_popular"

[merge]
damping = 10

[fallback]
chain = ["popular"]

[scenarios.known]
sources = [{ model = "ease" }]
"""


@pytest.fixture
def settings(home, tmp_path):
    path = tmp_path / "cold.toml"
    path.write_text(PIPELINE)
    return load_settings(foretaste_home=home, pipeline_file=str(path))


@pytest.fixture
async def client(settings):
    async with open_engine(settings) as engine:
        transport = httpx.ASGITransport(create_app(engine))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield client


async def put(client, path, **values):
    answer = await client.put(f"/api/v1/{path}", json=values)
    assert answer.status_code == 200, answer.text


async def likes(client, user_id, *item_ids):
    events = [{"user_id": user_id, "item_id": item_id, "type": "like"} for item_id in item_ids]
    assert (await client.post("/api/v1/interactions", json=events)).status_code == 200


async def shown(client, user_id, **params):
    answer = await client.get(f"/api/v1/recommendations/user/{user_id}", params={"limit": 5, **params})
    assert answer.status_code == 200, answer.text
    return {item["item_id"]: item for item in answer.json()["items"]}


async def test_an_item_is_in_the_next_list_of_those_whose_history_it_resembles(client):
    await likes(client, "ann", "p-000", "p-002")
    await likes(client, "ben", "p-013", "p-014")
    assert "mug" not in await shown(client, "ann")
    await shown(client, "ben")
    await put(client, "items/mug", title="Enamel mug", category="coffee", tags=["coffee"])
    found = await shown(client, "ann", explain=True)
    assert found["mug"]["source"] == "arrivals"
    assert found["mug"]["reason"].startswith("Like “")
    assert "coffee" in found["mug"]["reason"]
    assert "mug" in await shown(client, "ann")
    assert "mug" not in await shown(client, "ben")
    assert "mug" not in await shown(client, "ann", scenario="known")


async def test_another_worker_shows_it_in_its_next_list_too(client, settings):
    await likes(client, "ann", "p-000", "p-002")
    async with open_engine(settings) as other:
        transport = httpx.ASGITransport(create_app(other))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as there:
            assert "mug" not in await shown(there, "ann")
            await put(client, "items/mug", title="Enamel mug", category="coffee", tags=["coffee"])
            assert "mug" in await shown(there, "ann")


async def test_an_arrival_that_is_taken_back_or_excluded_is_not_shown(client):
    await likes(client, "ann", "p-000", "p-002")
    await put(client, "items/mug", title="Enamel mug", category="coffee", tags=["coffee"])
    assert "mug" not in await shown(client, "ann", exclude="mug")
    assert "mug" in await shown(client, "ann")
    await put(client, "items/mug", title="Enamel mug", category="coffee", tags=["coffee"], is_available=False)
    assert "mug" not in await shown(client, "ann")


async def test_somebody_who_only_declared_interests_gets_what_they_named(client):
    before = await client.get("/api/v1/recommendations/user/eve", params={"limit": 4})
    assert before.json()["fallback"] == "cold_user"
    await put(client, "users/eve", interests=["Garden"], country="DE")
    answer = await client.get("/api/v1/recommendations/user/eve", params={"limit": 4, "explain": True})
    found = answer.json()
    assert found["fallback"] == "none"
    assert {item["source"] for item in found["items"]} == {"interests"}
    assert {item["reason"] for item in found["items"]} == {"Because you are interested in garden"}


async def test_what_friends_did_is_in_the_next_list_and_says_so(client):
    await put(client, "users/eve", friends=["ann", "ben"])
    await likes(client, "ann", "p-003")
    await likes(client, "ben", "p-003", "p-008")
    found = await shown(client, "eve", limit=2, explain=True)
    assert list(found) == ["p-003", "p-008"]
    assert {item["source"] for item in found.values()} == {"friends_popular"}
    assert {item["reason"] for item in found.values()} == {"Friends of yours chose this"}
    await put(client, "users/ben", shares_activity=False)
    await put(client, "users/eve", friends=["ann", "ben"], age=30)
    assert (await shown(client, "eve", limit=2))["p-003"]["source"] == "friends_popular"
    assert "friends_popular" not in {i["source"] for n, i in (await shown(client, "eve")).items() if n != "p-003"}


async def test_interests_of_the_questionnaire_count_in_its_first_list(client):
    told = {"user_id": "eve", "interests": ["garden"], "recommendations": 3}
    found = (await client.post("/api/v1/onboarding", json=told)).json()["recommendations"]
    assert [item["source"] for item in found["items"]] == ["interests"] * 3
