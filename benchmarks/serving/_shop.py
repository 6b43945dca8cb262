"""Made-up shops of any size, trained once a run: users with tastes, items with titles, categories and prices."""

import asyncio
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from foretaste.serving.bootstrap import open_stores
from foretaste.serving.config import parse_pipeline
from foretaste.serving.ingest import ingest
from foretaste.serving.training import train
from foretaste.settings import Settings, load_settings

PIPELINE: dict[str, Any] = {
    "name": "bench",
    "models": {
        "similar": {"kind": "item_knn", "n_neighbours": 50},
        "popular": {"kind": "popular"},
        "newest": {"kind": "newest"},
    },
    "sources": [{"model": "similar", "k": 100}],
    "fallback": {"chain": ["popular", "newest"]},
}
N_TASTES = 50
_START = 1_760_000_000.0
_folders: list[tempfile.TemporaryDirectory[str]] = []


def user_ids(n: int) -> list[str]:
    """Ids of ``n`` users."""
    return [f"u-{row:06}" for row in range(n)]


def events_of(n_users: int, n_items: int, per_user: int, *, seed: int = 0) -> pl.DataFrame:
    """Events of users who mostly stay with one of fifty tastes; popular items are more common."""
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(n_users), per_user)
    taste = np.repeat(rng.integers(N_TASTES, size=n_users), per_user)
    strays = rng.random(len(users)) < 0.3
    taste = np.where(strays, rng.integers(N_TASTES, size=len(users)), taste)
    within = n_items // N_TASTES
    place = (within * rng.random(len(users)) ** 2.5).astype(np.int64)  # few items are common, most are rare
    items = place * N_TASTES + taste
    kinds = np.array(["view", "add_to_cart", "purchase"])[rng.choice(3, p=[0.8, 0.12, 0.08], size=len(users))]
    times = _START + rng.random(len(users)) * 30 * 86_400.0
    return pl.DataFrame(
        {
            "user_id": [f"u-{row:06}" for row in users],
            "item_id": [f"p-{row:06}" for row in items],
            "type": kinds,
            "timestamp": times,
        }
    ).sort("timestamp")


def items_of(n_items: int, *, seed: int = 0) -> pl.DataFrame:
    """Items with a title, a category, a price and a seller."""
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "item_id": [f"p-{row:06}" for row in range(n_items)],
            "title": [f"A thing of kind {row % N_TASTES}, number {row}" for row in range(n_items)],
            "category": [f"c{row % N_TASTES}" for row in range(n_items)],
            "price": np.round(rng.gamma(2.0, 30.0, size=n_items), 2),
            "seller": [f"s{row % 997}" for row in range(n_items)],
        }
    )


@cache
def _trained(n_users: int, n_items: int, per_user: int, pipeline: str) -> Path:
    import json

    folder = tempfile.TemporaryDirectory(prefix="foretaste-bench-")
    _folders.append(folder)  # removed when the run ends
    home = Path(folder.name)

    async def prepare() -> None:
        async with open_stores(load_settings(foretaste_home=home)) as stores:
            await ingest(stores.records, events=events_of(n_users, n_items, per_user), items=items_of(n_items))
            await train(stores.records, stores.artifacts, parse_pipeline(json.loads(pipeline)), evaluate=False)

    asyncio.run(prepare())
    return home


def home_of(
    n_users: int, n_items: int, *, per_user: int = 20, pipeline: Mapping[str, Any] | None = None, **settings: object
) -> Settings:
    """Settings of a server on a free port, over a home with such a shop (made once; what runs write stays in it)."""
    import json

    home = _trained(n_users, n_items, per_user, json.dumps(pipeline or PIPELINE, sort_keys=True))
    return load_settings(foretaste_home=home, api_port=0, log_level="warning", **settings)
