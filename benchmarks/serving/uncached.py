"""Lists made from scratch: 4 sources, ranking, MMR and rules over 100 k items, and no list that any cache could have.

Every request asks for a user who was not asked for before, so the process cache misses by itself (``hit_rate`` says
so), and the user's history is read from the store. Two rows: requests at 300 a second whether or not earlier ones are
answered, with latencies from the moment at which each was due; and as many as one core can do, which is what the ratio
to the peer means (its lists are made by the same models and steps in NumPy). ``stages_ms`` are means of the stages.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rows import Row
from benchmarks.serving import serving_row
from benchmarks.serving._load import Load, drive, http
from benchmarks.serving._pipeline_peer import EACH, NAME, POOL, TRADE_OFF, pipeline_peer
from benchmarks.serving._scrape import figures_of, hit_rate, stages_ms
from benchmarks.serving._servers import Clock, address_of, core_plan, pinned_server
from benchmarks.serving._shop import home_of, user_ids
from benchmarks.serving.cached import is_a_list

K = 10
RATE = 300.0
PIPELINE: dict[str, Any] = {
    "name": "uncached",
    "models": {
        "collaborative": {"kind": "ials", "n_factors": 64},
        "similar": {"kind": "item_knn", "n_neighbours": 50},
        "content": {"kind": "tfidf", "columns": ["title", "category"], "max_df": 0.2},  # no word of all made-up titles
        "popular": {"kind": "popular"},
    },
    "sources": [{"model": name, "k": EACH} for name in ("collaborative", "similar", "content", "popular")],
    "pool": POOL,
    "ranking": {"model": "collaborative"},
    "rerank": [{"kind": "mmr", "trade_off": TRADE_OFF}],
    "rules": [
        {"kind": "filter", "name": "prices", "allow": "item.price >= 5 and item.price < 400"},
        {"kind": "filter", "name": "sellers", "deny": "item.seller in ['s13', 's14']"},
        {"kind": "boost", "name": "cheap", "where": "item.price < 40", "factor": 1.2},
        {"kind": "boost", "name": "dear", "factor": "1 + log1p(item.price) / 20"},
        {"kind": "bought", "name": "had", "hide": "always"},
        {"kind": "cap", "name": "two of a seller", "attribute": "seller", "most": 2},
        {"kind": "cap", "name": "four of a category", "attribute": "category", "most": 4},
    ],
    "fallback": {"chain": ["popular"]},
}


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """A row for 300 requests a second and one for as many as can be; needs no data."""
    n_users, n_items, seconds = (4_000, 5_000, 2.0) if quick else (24_000, 100_000, 15.0)
    settings = home_of(n_users, n_items, pipeline=PIPELINE)
    users = np.random.default_rng(7).permutation(user_ids(n_users)).tolist()
    plan = core_plan(1)
    with (
        tempfile.TemporaryDirectory(prefix="foretaste-bench-") as folder,
        pipeline_peer(settings, Path(folder), plan) as (url, clock),
    ):
        peers = [load for load, _ in _measured(url, "", users, clock, seconds)]
    with pinned_server(settings, plan) as server:
        ours = _measured(server.url, "/api/v1", users, Clock(server.pid), seconds)
    case = f"4 sources, ranking, MMR, 7 rules, {n_items:,} items, k = {K}, one worker, {plan.note}"
    for how, (own, extra), peer in zip((f"{RATE:.0f} requests/s", "as many as can be"), ours, peers, strict=True):
        yield serving_row("uncached", f"{how}, {case}", own, peer=peer, peer_name=NAME, packages=["scipy"], **extra)


def _measured(
    url: str, prefix: str, users: Sequence[str], clock: Clock, seconds: float
) -> list[tuple[Load, dict[str, object]]]:
    """A load at the rate and one without, each user asked for once; and what our own server says of itself."""
    requests = iter([http("GET", f"{prefix}/recommendations/user/{user}?limit={K}") for user in users])
    address, check = address_of(url), is_a_list if prefix else None
    drive(address, requests, seconds=seconds / 8, connections=1)  # warm-up
    found = []
    for rate, length in ((RATE, seconds), (None, seconds / 3)):
        before = figures_of(url) if prefix else {}
        load = drive(
            address, requests, seconds=length, connections=64 if rate else 4, rate=rate, check=check, cpu=clock
        )
        extra: dict[str, object] = {"per_server_cpu_s": load.requests / load.server_cpu_s}
        if prefix:
            after = figures_of(url)
            stages = ", ".join(f"{name} {ms:.2f}" for name, ms in stages_ms(before, after).items())
            extra |= {"hit_rate": hit_rate(before, after), "stages_ms": stages}
        found.append((load, extra))
    return found
