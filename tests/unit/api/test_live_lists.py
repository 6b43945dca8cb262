"""Events in, live lists out: what some people do changes what others see, without training."""

import asyncio
import json

import httpx
import pytest

from foretaste.api.app import create_app
from foretaste.serving.bootstrap import open_engine, open_stores
from foretaste.serving.config import parse_pipeline
from foretaste.serving.training import train
from foretaste.settings import load_settings

PIPELINE = {
    "models": {"popular": {"kind": "popular"}},
    "sources": [{"kind": "live_popular"}],
    "fallback": {"chain": ["popular"]},
    "scenarios": {"here": {"sources": [{"kind": "context_popular", "keys": ["device"]}]}},
}


@pytest.fixture
async def live_client(home):
    settings = load_settings(foretaste_home=home)
    async with open_stores(settings) as stores:
        await train(stores.records, stores.artifacts, parse_pipeline(PIPELINE), evaluate=False)
    async with open_engine(settings) as engine:
        transport = httpx.ASGITransport(create_app(engine))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield client


async def test_what_many_buy_leads_the_next_list_of_somebody_else(live_client):
    address = "/api/v1/recommendations/user"
    before = (await live_client.get(f"{address}/onlooker-0?k=5")).json()
    assert "p-023" not in [item["item_id"] for item in before["items"]]
    events = [{"user_id": f"buyer-{n}", "item_id": "p-023", "type": "purchase"} for n in range(300)]
    assert (await live_client.post("/api/v1/interactions", json=events)).json()["stored"] == 300
    for n in range(1, 200):  # each time another user, of whom nothing is known
        first = (await live_client.get(f"{address}/onlooker-{n}?k=5")).json()["items"][0]
        if first["item_id"] == "p-023":
            break
        await asyncio.sleep(0.01)
    assert (first["item_id"], first["source"]) == ("p-023", "live_popular")
    figures = (await live_client.get("/metrics")).text
    assert "foretaste_followed_events_total 300.0" in figures
    assert "foretaste_follower_lag_seconds" in figures


async def test_the_context_of_a_request_decides_whose_actions_count(live_client):
    for device, item_id in (("tv", "p-021"), ("phone", "p-022")):
        context = {"device": device}
        events = [
            {"user_id": f"{device}-{n}", "item_id": item_id, "type": "purchase", "context": context} for n in range(200)
        ]
        assert (await live_client.post("/api/v1/interactions", json=events)).json()["stored"] == 200
        for n in range(200):
            asked = {"limit": 5, "scenario": "here", "context": json.dumps(context)}
            answer = await live_client.get(f"/api/v1/recommendations/user/{device}-onlooker-{n}", params=asked)
            first = answer.json()["items"][0]
            if first["item_id"] == item_id:
                break
            await asyncio.sleep(0.01)
        assert (first["item_id"], first["source"]) == (item_id, "context_popular")
