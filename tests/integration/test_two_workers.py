"""Two servers in processes of their own over one store: what one is told, the other knows."""

import asyncio
import time
from contextlib import contextmanager

import httpx
import pytest

from foretaste.api.server import background_server
from foretaste.serving.bootstrap import open_stores
from foretaste.serving.config import parse_pipeline
from foretaste.serving.training import train

pytestmark = pytest.mark.integration
LIST = "/api/v1/recommendations/user"
EVENTS = "/api/v1/interactions"
LIVE = {
    "models": {"ease": {"kind": "ease", "regularization": 5.0}, "popular": {"kind": "popular"}},
    "sources": [{"model": "ease", "k": 20}],
    "fallback": {"chain": ["live_popular", "popular"]},
    "updates": {"every_s": 0.2},
}


@contextmanager
def two_servers(settings):
    with background_server(settings) as here, background_server(settings) as there:
        assert here.pid != there.pid
        with httpx.Client(base_url=here.url) as one, httpx.Client(base_url=there.url) as other:
            yield one, other


def eventually(wanted, ask):
    """Ask a fixed number of times until the answer is the wanted one."""
    for n in range(200):
        found = ask(n)
        if found == wanted:
            return
        time.sleep(0.05)
    raise AssertionError(f"{found}, not {wanted}")


def ids(client, user_id):
    return [item["item_id"] for item in client.get(f"{LIST}/{user_id}").json()["items"]]


def test_an_event_told_to_one_worker_is_in_the_next_list_of_the_other(settings):
    with two_servers(settings) as (one, other):
        for n in range(20):  # each list is in the cache of the other worker when the event comes
            first = ids(other, f"u-{n:03d}")[0]
            assert one.post(EVENTS, json={"user_id": f"u-{n:03d}", "item_id": first}).json()["stored"] == 1
            assert first not in ids(other, f"u-{n:03d}")


def test_what_one_worker_is_told_counts_and_is_learnt_in_the_other(settings):
    async def prepare():
        async with open_stores(settings) as stores:
            return (await train(stores.records, stores.artifacts, parse_pipeline(LIVE), evaluate=False)).version

    version = asyncio.run(prepare())
    with two_servers(settings) as (one, other):
        events = [{"user_id": f"buyer-{n}", "item_id": "p-022", "type": "purchase"} for n in range(400)]
        assert one.post(EVENTS, json=events).json()["stored"] == 400
        eventually("p-022", lambda n: ids(other, f"onlooker-{n}")[0])
        for client in (one, other):
            eventually(f"{version}+400", lambda _, client=client: client.get("/health").json()["model_version"])
