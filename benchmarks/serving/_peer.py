"""The peer: lists in Redis behind FastAPI, as a user would write it in an afternoon.

The lists are computed beforehand and stored as JSON; the route reads one, and the model of its answer checks and
documents it. It runs in the same server program as ours (granian) with as many workers, its Redis on the server's
cores.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.serving._servers import Clock, CorePlan, on_cores
from foretaste.api.server import free_port
from foretaste.testing.servers import RedisServer, redis_server

_REDIS_URL = "PEER_REDIS_URL"
NAME = "FastAPI + redis-py"
PACKAGES = ("redis", "hiredis")


class Item(BaseModel):
    item_id: str
    score: float
    rank: int
    title: str | None = None
    source: str = ""


class Recommendations(BaseModel):
    user_id: str
    items: list[Item]
    model_version: str


class Interaction(BaseModel):
    user_id: str
    item_id: str
    type: str = "view"
    timestamp: float | None = None


def create_app() -> FastAPI:
    """The peer's application."""
    from redis.asyncio import Redis

    app = FastAPI()
    cache = Redis.from_url(os.environ[_REDIS_URL], decode_responses=True)

    @app.get("/recommendations/user/{user_id}", response_model=Recommendations)
    async def recommend(user_id: str, limit: int = 10) -> Recommendations:
        found = await cache.get(f"recs:{user_id}") or await cache.get("recs:popular")
        items = json.loads(found)[:limit]
        return Recommendations(user_id=user_id, items=items, model_version="1")

    @app.post("/interactions")
    async def interactions(batch: list[Interaction]) -> dict[str, int]:
        pipe = cache.pipeline()
        for event in batch:
            pipe.xadd("interactions", event.model_dump(exclude_none=True))
        await pipe.execute()
        return {"stored": len(batch)}

    return app


async def fill(url: str, user_ids: Sequence[str], k: int) -> None:
    """Store a list of ``k`` for each user."""
    from redis.asyncio import Redis

    async with Redis.from_url(url) as cache:
        for start in range(0, len(user_ids), 5_000):
            pipe = cache.pipeline(transaction=False)
            for n, user_id in enumerate(user_ids[start : start + 5_000], start):
                items = [
                    {
                        "item_id": f"p-{(n + rank) % 20_000:06}",
                        "score": 1.0 / rank,
                        "rank": rank,
                        "title": f"A thing of kind {rank}, number {n + rank}",
                        "source": "similar",
                    }
                    for rank in range(1, k + 1)
                ]
                pipe.set(f"recs:{user_id}", json.dumps(items))
            await pipe.execute()


class Peer:
    """A running peer."""

    def __init__(self, url: str, clock: Clock, redis: RedisServer) -> None:
        self.url, self.clock, self.redis = url, clock, redis


@contextmanager
def peer_server(plan: CorePlan, user_ids: Sequence[str], *, k: int = 10, workers: int = 1) -> Iterator[Peer]:
    """The peer on the server's cores, filled; the block runs on the load's."""
    port = free_port()
    with on_cores(plan.server):
        context = redis_server(max_memory_mb=1_000)
        redis = context.__enter__()
    process = None
    try:
        asyncio.run(fill(redis.url, user_ids, k))
        with on_cores(plan.server):
            process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.serving._peer", str(port), str(workers)],
                env={**os.environ, _REDIS_URL: redis.url},
                stdin=subprocess.DEVNULL,
            )
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/recommendations/user/{user_ids[0]}", process)
        assert redis.process is not None
        with on_cores(plan.load):
            yield Peer(url, Clock(process.pid, redis.process.pid), redis)
    finally:
        if process is not None:
            process.terminate()
            process.wait(20)
        context.__exit__(None, None, None)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.05)
    raise RuntimeError("the peer did not start")


def _main() -> None:
    from granian import Granian
    from granian.constants import Interfaces

    Granian(
        "benchmarks.serving._peer:create_app",
        address="127.0.0.1",
        port=int(sys.argv[1]),
        workers=int(sys.argv[2]),
        interface=Interfaces.ASGI,
        factory=True,
        log_enabled=False,
    ).serve()


if __name__ == "__main__":
    _main()
