"""The peer of the whole pipeline: FastAPI, NumPy and SciPy in one route, as a user would write it from the same models.

It does what the pipeline of :mod:`benchmarks.serving.uncached` does, in the same order, with the same fitted arrays:
four lists, merged by reciprocal rank, ordered by the factors, boosted, made diverse by MMR, cut by two caps. It is
spared much: histories, filters and boosts are arrays made at the start (so it sees neither new events nor changed
items), it has no deadlines, logs nothing, and keeps no record of what it showed. Same server program, one worker.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI
from scipy import sparse

from benchmarks.serving._peer import Recommendations, wait_for
from benchmarks.serving._servers import Clock, CorePlan, on_cores
from foretaste.api.server import free_port
from foretaste.serving.bootstrap import open_stores
from foretaste.serving.live.bundle import load
from foretaste.settings import Settings

NAME = "FastAPI + NumPy"
POOL, EACH, DAMPING, TRADE_OFF = 200, 100, 60.0, 0.7
_FOLDER = "PEER_FOLDER"


class Shop:
    """Arrays of fitted models and items, and one list from them."""

    def __init__(self, folder: Path) -> None:
        a = np.load(folder / "arrays.npz", allow_pickle=False)
        self.known = json.loads((folder / "names.json").read_text())
        self.user_rows = {user_id: row for row, user_id in enumerate(self.known["users"])}
        self.users, self.items = a["user_factors"], a["item_factors"]
        lengths = np.linalg.norm(self.items, axis=1, keepdims=True)
        self.unit = self.items / np.where(lengths > 0, lengths, 1.0)
        n = len(self.items)
        self.near = sparse.csr_matrix((a["near_data"], a["near_indices"], a["near_indptr"]), shape=(n, n))
        shape = (n, int(a["content_width"]))
        self.content = sparse.csr_matrix((a["content_data"], a["content_indices"], a["content_indptr"]), shape=shape)
        self.by_token = self.content.T.tocsr()
        self.history, self.starts = a["history"], a["starts"]
        self.price, self.seller, self.category = a["price"], a["seller"], a["category"]
        self.hidden = (self.price < 5) | (self.price >= 400) | np.isin(self.seller, [13, 14])
        self.factor = np.where(self.price < 40, 1.2, 1.0) * (1 + np.log1p(self.price) / 20)
        self.popular = np.argsort(-a["counts"], kind="stable")
        self.popular = self.popular[~self.hidden[self.popular]]

    def recommend(self, user_id: str, k: int) -> list[dict[str, Any]]:
        row = self.user_rows[user_id]
        seen = self.history[self.starts[row] : self.starts[row + 1]]
        own = np.unique(seen)
        hidden = self.hidden.copy()
        hidden[own] = True
        factors = self.items @ self.users[row]
        profile = self.content[seen].sum(axis=0).A1
        tokens = np.flatnonzero(profile)
        popular = self.popular[: EACH + len(own)]
        lists = {
            "collaborative": self._best(factors, hidden),
            "similar": self._best(self.near[own].sum(axis=0).A1, hidden),
            "content": self._best(self.by_token[tokens].T @ profile[tokens], hidden),
            "popular": popular[~np.isin(popular, own)][:EACH],
        }
        gains: dict[int, float] = {}
        source: dict[int, str] = {}
        for name, found in lists.items():
            for rank, item in enumerate(found.tolist(), start=1):
                gains[item] = gains.get(item, 0.0) + 1 / (DAMPING + rank)
                source.setdefault(item, name)
        merged = np.array(sorted(gains, key=lambda item: -gains[item])[:POOL])
        scores = factors[merged] * self.factor[merged]
        order = np.argsort(-scores)
        places = self._diverse(merged[order], scores[order], k)
        return [
            {
                "item_id": self.known["items"][item],
                "score": float(score),
                "rank": rank,
                "title": self.known["titles"][item],
                "source": source[item],
            }
            for rank, (item, score) in enumerate(places, start=1)
        ]

    def _best(self, scores: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        scores = np.where(hidden, -np.inf, scores)
        some = np.argpartition(-scores, EACH)[:EACH]
        return some[np.argsort(-scores[some])]

    def _diverse(self, items: np.ndarray, scores: np.ndarray, k: int) -> list[tuple[int, float]]:
        """MMR; what breaks a cap is passed over."""
        relevance = (scores - scores.min()) / max(float(scores.max() - scores.min()), 1e-12)
        vectors = self.unit[items]
        closest = np.zeros(len(items))
        left = np.ones(len(items), dtype=bool)
        sellers: Counter[int] = Counter()
        categories: Counter[int] = Counter()
        chosen: list[tuple[int, float]] = []
        while len(chosen) < k and left.any():
            value = TRADE_OFF * relevance - (1 - TRADE_OFF) * closest
            best = int(np.argmax(np.where(left, value, -np.inf)))
            left[best] = False
            item = int(items[best])
            if sellers[self.seller[item]] >= 2 or categories[self.category[item]] >= 4:
                continue
            sellers[self.seller[item]] += 1
            categories[self.category[item]] += 1
            similarity = vectors @ vectors[best]
            closest = similarity if not chosen else np.maximum(closest, similarity)
            chosen.append((item, float(scores[best])))
        return chosen


def create_app() -> FastAPI:
    """The peer's application."""
    app = FastAPI()
    shop = Shop(Path(os.environ[_FOLDER]))

    @app.get("/recommendations/user/{user_id}", response_model=Recommendations)
    async def recommend(user_id: str, limit: int = 10) -> Recommendations:
        return Recommendations(user_id=user_id, items=shop.recommend(user_id, limit), model_version="1")

    return app


def export(settings: Settings, folder: Path) -> None:
    """Write the arrays of the live models and the items of a home, as the peer reads them."""

    async def fetch() -> Any:
        async with open_stores(settings) as stores:
            version = await stores.artifacts.live()
            assert version is not None
            described = await stores.artifacts.get(version)
            bundle = load(await stores.artifacts.fetch(version), described)
            items, cursor = [], None
            while True:
                page = await stores.records.page("item", cursor=cursor, limit=10_000)
                items += page.records
                cursor = page.next_cursor
                if cursor is None:
                    return bundle, {record.record_id: record.attributes for record in items}

    bundle, attributes = asyncio.run(fetch())
    models, population = bundle.models, bundle.population
    ids = population.items.ids.to_list()
    own = [attributes[item_id] for item_id in ids]
    near, content = models["similar"].neighbours, models["content"].vectors
    np.savez(
        folder / "arrays.npz",
        user_factors=models["collaborative"].user_factors,
        item_factors=models["collaborative"].item_factors,
        near_data=near.data, near_indices=near.indices, near_indptr=near.indptr,
        content_data=content.data, content_indices=content.indices, content_indptr=content.indptr,
        content_width=content.shape[1],
        history=population.histories.item_rows, starts=population.histories.indptr,
        counts=models["popular"].counts,
        price=np.array([item["price"] for item in own]),
        seller=np.array([int(item["seller"][1:]) for item in own]),
        category=np.array([int(item["category"][1:]) for item in own]),
    )  # fmt: skip
    names = {"users": population.users.ids.to_list(), "items": ids, "titles": [item["title"] for item in own]}
    (folder / "names.json").write_text(json.dumps(names))


@contextmanager
def pipeline_peer(settings: Settings, folder: Path, plan: CorePlan) -> Iterator[tuple[str, Clock]]:
    """The peer's URL and the clock of its processor time; it runs on the server's cores, the block on the load's."""
    export(settings, folder)
    port = free_port()
    with on_cores(plan.server):
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.serving._pipeline_peer", str(port)],
            env={**os.environ, _FOLDER: str(folder)},
            stdin=subprocess.DEVNULL,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/docs", process)
        with on_cores(plan.load):
            yield url, Clock(process.pid)
    finally:
        process.terminate()
        process.wait(20)


def _main() -> None:
    from granian import Granian
    from granian.constants import Interfaces

    Granian(
        "benchmarks.serving._pipeline_peer:create_app",
        address="127.0.0.1",
        port=int(sys.argv[1]),
        interface=Interfaces.ASGI,
        factory=True,
        log_enabled=False,
    ).serve()


if __name__ == "__main__":
    _main()
