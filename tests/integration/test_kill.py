"""A server that is killed loses nothing that it acknowledged, and keeps no half of anything."""

import asyncio
import threading
import time

import httpx
import pytest

from foretaste.api.server import background_server
from foretaste.serving.bootstrap import open_stores

pytestmark = pytest.mark.integration
CONNECTIONS = 6
BATCH = 7


def post_until_it_dies(url, name, acknowledged, sent, stop):
    """Post batches of events with ids of their own; note each one that was acknowledged as stored."""
    with httpx.Client(base_url=url, timeout=5) as client:
        number = 0
        while not stop.is_set():
            events = [
                {"event_id": f"{name}-{number}-{n}", "user_id": f"user-{name}", "item_id": f"i{n}", "type": "view"}
                for n in range(BATCH)
            ]
            sent.append(tuple(event["event_id"] for event in events))
            try:
                answer = client.post("/api/v1/interactions", json=events)
            except httpx.HTTPError:
                return
            if answer.status_code == 200:
                acknowledged.extend(row["id"] for row in answer.json()["results"] if row["status"] == "stored")
            number += 1


async def stored_ids(settings):
    async with open_stores(settings) as stores:
        found = []
        async for frame in stores.records.scan_events():
            found += frame["event_id"].to_list()
        return found


@pytest.mark.parametrize("workers", [1, 2])
def test_every_acknowledged_event_is_there_once_after_a_kill(settings, workers):
    settings = settings.model_copy(update={"workers": workers})
    before = asyncio.run(stored_ids(settings))
    acknowledged, sent = [], []
    stop = threading.Event()
    with background_server(settings) as server:
        threads = [
            threading.Thread(target=post_until_it_dies, args=(server.url, f"c{n}", acknowledged, sent, stop))
            for n in range(CONNECTIONS)
        ]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 20
        while len(acknowledged) < 600 and time.monotonic() < deadline:
            time.sleep(0.01)
        server.kill()
        stop.set()
        for thread in threads:
            thread.join(10)
    assert len(acknowledged) >= 600

    with background_server(settings.model_copy(update={"api_port": 0})) as server:  # it starts again on what is left
        again = [{"event_id": acknowledged[-1], "user_id": "user-c0", "item_id": "i0"}]
        assert httpx.post(f"{server.url}/api/v1/interactions", json=again).json()["duplicates"] == 1
        assert httpx.get(f"{server.url}/api/v1/recommendations/user/u-000").json()["items"]

    after = asyncio.run(stored_ids(settings))
    assert len(after) == len(set(after))
    new = set(after) - set(before)
    assert set(acknowledged) <= new
    assert set(before) <= set(after)
    for batch in sent:  # a batch is there whole or not at all
        assert len(new & set(batch)) in {0, BATCH}
    assert new <= {event_id for batch in sent for event_id in batch}
