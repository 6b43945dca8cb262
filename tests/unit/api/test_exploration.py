"""Exploration over HTTP: set while serving, marked in the answer, logged with all that is needed to learn from it."""

import asyncio

import httpx
import pytest

from foretaste.api.app import create_app
from foretaste.serving.bootstrap import open_engine
from foretaste.settings import load_settings

USER = "/api/v1/recommendations/user/u-001"
EXPLORES = {
    "exploration": {"policy": "epsilon_greedy", "share": 1, "pool": "rare", "pool_size": 5},
    "deadlines": {"explore_ms": 10_000, "total_ms": 20_000},  # on a busy machine, too
}


@pytest.fixture
async def exploring(client):
    """The client, with a scenario in which every list explores."""
    answer = await client.put("/api/v1/scenarios/explore", json=EXPLORES)
    assert answer.status_code == 200, answer.text
    return client


async def test_an_explored_item_is_marked_and_the_others_are_not(exploring):
    body = (await exploring.get(USER, params={"limit": 5, "scenario": "explore"})).json()
    plain = (await exploring.get(USER, params={"limit": 5})).json()
    *others, last = body["items"]
    assert (last["explored"], last["propensity"]) == (True, pytest.approx(0.2))
    assert last["source"] in {"rare", "ease"}  # a rare item may be a candidate too
    assert all("explored" not in item and "propensity" not in item for item in [*others, *plain["items"]])
    assert [item["item_id"] for item in others] == [item["item_id"] for item in plain["items"][:4]]


async def test_the_log_has_what_was_offered_and_how_it_was_taken(exploring, engine):
    body = (await exploring.get(USER, params={"limit": 5, "scenario": "explore"})).json()
    plain = (await exploring.get(USER, params={"limit": 5})).json()
    await engine.exposures.flush()
    logged = await engine.records.exposure(body["recommendation_id"])
    taken = body["items"][-1]["item_id"]
    assert logged.explored == (False,) * 4 + (True,)
    assert logged.propensities == pytest.approx((1.0,) * 4 + (0.2,))
    assert logged.arms["items"] == [taken]
    assert taken in logged.arms["offered"]
    assert len(logged.arms["offered"]) == 5
    assert logged.arms["policy"].startswith("explore:")
    other = await engine.records.exposure(plain["recommendation_id"])
    assert (other.explored, other.propensities, other.arms) == ((), (), {})


async def test_a_known_user_sees_the_same_explored_list_until_something_happens(exploring, client_of, engine):
    async def listed(client, **params):
        answer = await client.get(USER, params={"limit": 5, "scenario": "explore", **params})
        return [item["item_id"] for item in answer.json()["items"]]

    first = await listed(exploring)
    assert await listed(exploring) == first
    assert await listed(exploring, explain=True) == first  # made anew: another question, the same draws
    async with client_of(engine) as other:
        assert await listed(other) == first


async def test_a_wrong_table_is_refused_with_what_is_wrong(client):
    answer = await client.put("/api/v1/scenarios/x", json={"exploration": {"policy": "tomson"}})
    assert answer.status_code == 422
    assert "there is no bandit 'tomson'" in answer.json()["error"]["message"]


async def test_every_list_of_a_batch_is_logged_with_its_own_exploration(exploring, engine):
    asked = {"user_ids": ["u-001", "u-002", "nobody"], "limit": 4, "scenario": "explore"}
    lists = (await exploring.post("/api/v1/recommendations/users", json=asked)).json()["lists"]
    await engine.exposures.flush()
    for one in lists:
        logged = await engine.records.exposure(one["recommendation_id"])
        assert logged.arms["items"] == [one["items"][-1]["item_id"]]


async def test_a_click_that_one_worker_takes_in_teaches_all(client, home):
    table = EXPLORES["exploration"] | {"pool_size": 2}
    await client.put("/api/v1/scenarios/explore", json=EXPLORES | {"exploration": table})

    async def explored(by):
        asked = {"history": [], "limit": 5, "scenario": "explore"}
        body = (await by.post("/api/v1/recommendations", json=asked)).json()
        return body["items"][-1]["item_id"], body["items"][-1]["propensity"], body["recommendation_id"]

    async def learns(by):
        for _ in range(200):
            item, chance, _ = await explored(by)
            if item == liked and chance > 0.5:
                return chance
            await asyncio.sleep(0.05)
        return None

    liked, chance, name = await explored(client)
    assert chance == pytest.approx(0.5)
    click = {"user_id": "u", "item_id": liked, "type": "click", "recommendation_id": name}
    assert (await client.post("/api/v1/interactions", json=click)).status_code == 200
    async with open_engine(load_settings(foretaste_home=home)) as engine:
        transport = httpx.ASGITransport(create_app(engine))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as other:
            assert await learns(client) == pytest.approx(0.95)
            assert await learns(other) == pytest.approx(0.95)
