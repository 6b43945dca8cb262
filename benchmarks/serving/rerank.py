"""Rerankers and exploration for one user a call: 500 candidates, a list of 20, beside what a user would write.

The peers run in the same process and on the same core, with NumPy where one would use it, and must choose the same
items: for MMR a loop over the places; for DPP the greedy search that its authors published; for calibration a loop over
places and candidates with dictionaries. The exploring peer draws from the Beta distribution of each arm and counts how
often each wins, as ours does, so that it has propensities to log.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.rows import Row
from benchmarks.serving import serving_row
from benchmarks.timing import one_core
from foretaste.rerank import ItemView, Labels, Reranker, Slate, create_reranker
from foretaste.serving.exploration import ExplorationConfig, Explorer, Policy

N, K, DIMENSIONS = 500, 20, 64
TRADE_OFF, SMOOTHING = 0.7, 0.01
CATEGORIES = 24
PEER_CALLS = 60
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Shop:
    """Items with vectors and categories, and lists of candidates with the histories of their users."""

    view: ItemView
    categories: list[list[str]]
    rows: npt.NDArray[np.int32]
    scores: Floats
    histories: list[npt.NDArray[np.int32]]

    def slate(self, b: int) -> Slate:
        """The list of one user."""
        one = slice(b, b + 1)
        return Slate(self.rows[one], self.scores[one], np.array([K]), self.view, self.histories[one])


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """A row for each reranker and for two exploration policies; needs no data."""
    n_items, n_lists = (5_000, 20) if quick else (100_000, 400)
    shop = shop_of(n_items, n_lists)
    with one_core():
        for kind, peer, name in (
            ("mmr", mmr_by_loop, "a NumPy loop over the places"),
            ("dpp", dpp_by_loop, "the greedy search of Chen et al. in NumPy"),
            ("calibration", calibration_by_loop, "a Python loop with dictionaries"),
        ):
            ours = _calls(partial(_reranked, create_reranker(kind, trade_off=TRADE_OFF), shop), n_lists)
            theirs = _calls(partial(peer, shop), min(n_lists, PEER_CALLS))
            same = [one[1] == other[1] for one, other in zip(ours[1:], theirs[1:], strict=False)]
            yield _row(f"{kind}, {N} candidates → {K}", ours, theirs, name, same_lists=float(np.mean(same)))
        yield from _exploration(n_lists)


def shop_of(n_items: int, n_lists: int) -> Shop:
    """Vectors around tastes, one to three of 24 categories an item, 30 items in each history."""
    rng = np.random.default_rng(5)
    tastes = rng.standard_normal((200, DIMENSIONS), dtype=np.float32)
    vectors = tastes[rng.integers(0, 200, n_items)] + rng.standard_normal((n_items, DIMENSIONS), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = np.array([f"c{n}" for n in range(CATEGORIES)])
    categories = [names[rng.choice(CATEGORIES, n, replace=False)].tolist() for n in rng.integers(1, 4, n_items)]
    rows = np.stack([rng.choice(n_items, N, replace=False) for _ in range(n_lists)]).astype(np.int32)
    scores = -np.sort(-rng.gamma(2.0, 1.0, rows.shape).astype(np.float32), axis=1)
    histories = [rng.integers(0, n_items, 30).astype(np.int32) for _ in range(n_lists)]
    view = ItemView(n_items, vectors, {"categories": Labels.of(categories)})
    return Shop(view, categories, rows, scores, histories)


def _exploration(n_lists: int) -> Iterator[Row]:
    ids = [f"p-{n}" for n in range(N)]
    rng = np.random.default_rng(6)
    shown = rng.integers(0, N, 20_000)
    clicked = rng.random(20_000) < 0.05
    pulls, rewards = np.bincount(shown, minlength=N), np.bincount(shown[clicked], minlength=N)
    for kind, peer, name in (
        ("thompson", thompson_by_loop, "NumPy's Beta draws of each arm"),
        ("epsilon_greedy", greedy_by_loop, "a Python loop over the arms"),
    ):
        policy = Explorer().policy("", ExplorationConfig(policy=kind))
        arms = policy.bandit.rows(ids)
        policy.bandit.show(arms[shown], now=0.0)
        policy.bandit.reward(arms[shown[clicked]], np.ones(int(clicked.sum())), now=0.0)
        mine = _calls(partial(_explored, policy, ids), n_lists)
        theirs = _calls(partial(peer, pulls, rewards), min(n_lists, PEER_CALLS))
        yield _row(f"exploration by {kind}, one of {N} arms with its propensity", mine, theirs, name)


def _row(
    case: str, ours: Sequence[tuple[float, Any]], theirs: Sequence[tuple[float, Any]], peer_name: str, **extra: object
) -> Row:
    """A row of all calls but the first, which compiles."""
    seconds, peer_s = (np.array([one for one, _ in calls[1:]]) for calls in (ours, theirs))
    return serving_row(
        "rerank",
        case,
        peer=float(1.0 / np.median(peer_s)),
        peer_name=peer_name,
        requests_per_s=float(1.0 / np.median(seconds)),
        **{f"p{q}_ms": float(1e3 * np.percentile(seconds, q)) for q in (50, 95, 99)},
        peer_p95_ms=float(1e3 * np.percentile(peer_s, 95)),
        **extra,
    )


def _calls(work: Callable[[int], Any], n: int) -> list[tuple[float, Any]]:
    """Seconds and result of ``work(0)`` … ``work(n - 1)``."""
    found = []
    for number in range(n):
        start = time.perf_counter()
        result = work(number)
        found.append((time.perf_counter() - start, result))
    return found


def _reranked(reranker: Reranker, shop: Shop, b: int) -> list[int]:
    found: list[int] = reranker.rerank(shop.slate(b)).rows[0, :K].tolist()
    return found


def _explored(policy: Policy, ids: Sequence[str], draw: int) -> object:
    """A choice after something new was seen of ten arms, as happens between two lists."""
    policy.bandit.show(policy.bandit.rows(ids[draw % 50 : draw % 50 + 10]), now=0.0)
    return policy.choose(ids, draw=draw, situation={}, attributes_of=lambda _: [])


# --- the peers ---------------------------------------------------------------------------------------------------


def _relevance(scores: Floats) -> Floats:
    return np.asarray((scores - scores[-1]) / (scores[0] - scores[-1]), dtype=np.float32)


def mmr_by_loop(shop: Shop, b: int) -> list[int]:
    """Maximal marginal relevance: the similarity to the closest chosen item is kept up to date."""
    assert shop.view.vectors is not None
    rows, relevance = shop.rows[b], _relevance(shop.scores[b])
    vectors = shop.view.vectors[rows]
    closest, taken, chosen = np.zeros(N, np.float32), np.zeros(N, bool), list[int]()
    for place in range(K):
        value = TRADE_OFF * relevance - (1 - TRADE_OFF) * closest
        best = int(np.argmax(np.where(taken, -np.inf, value)))
        taken[best] = True
        chosen.append(int(rows[best]))
        similarity = vectors @ vectors[best]
        closest = similarity if place == 0 else np.maximum(closest, similarity)
    return chosen


def dpp_by_loop(shop: Shop, b: int) -> list[int]:
    """The greedy search of Chen, Zhang and Zhou 2018, after the code that they published."""
    assert shop.view.vectors is not None
    rows, relevance = shop.rows[b], _relevance(shop.scores[b])
    vectors = shop.view.vectors[rows]
    similarity = (1 + vectors @ vectors.T) / 2
    factor, volume = np.zeros((K, N), np.float32), np.ones(N, np.float32)
    taken, chosen = np.zeros(N, bool), list[int]()
    for place in range(K):
        value = TRADE_OFF * relevance + (1 - TRADE_OFF) * np.log(np.maximum(volume, 1e-10))
        best = int(np.argmax(np.where(taken, -np.inf, value)))
        taken[best] = True
        chosen.append(int(rows[best]))
        along = (similarity[best] - factor[:place, best] @ factor[:place]) / np.sqrt(volume[best])
        factor[place] = along
        volume = volume - along**2
    return chosen


def calibration_by_loop(shop: Shop, b: int) -> list[int]:
    """Calibrated recommendations after Steck 2018: shares in dictionaries, all candidates tried for each place."""
    wanted: dict[str, float] = {}
    for row in shop.histories[b].tolist():
        for name in shop.categories[row]:
            wanted[name] = wanted.get(name, 0.0) + 1.0 / len(shop.categories[row]) / len(shop.histories[b])
    relevance, rows = _relevance(shop.scores[b]).tolist(), shop.rows[b].tolist()
    chosen, left, listed = list[int](), list(range(N)), Counter[str]()
    for place in range(K):

        def value(c: int, place: int = place) -> float:
            own = shop.categories[rows[c]]
            divergence = 0.0
            for name, p in wanted.items():
                count = listed[name] + (1.0 / len(own) if name in own else 0.0)
                divergence += p * math.log(p / ((1 - SMOOTHING) * count / (place + 1) + SMOOTHING * p))
            return TRADE_OFF * relevance[c] - (1 - TRADE_OFF) * divergence

        best = max(left, key=value)
        left.remove(best)
        chosen.append(rows[best])
        for name in shop.categories[rows[best]]:
            listed[name] += 1.0 / len(shop.categories[rows[best]])
    return chosen


def thompson_by_loop(pulls: npt.NDArray[Any], rewards: npt.NDArray[Any], seed: int) -> tuple[int, float]:
    """128 draws from each arm, how often each wins, and one arm by these chances."""
    rng = np.random.default_rng(seed)
    draws = rng.beta(1 + rewards, 1 + pulls - rewards, (128, len(pulls)))
    chances = 0.98 * np.bincount(draws.argmax(axis=1), minlength=len(pulls)) / 128 + 0.02 / len(pulls)
    arm = int(rng.choice(len(pulls), p=chances / chances.sum()))
    return arm, float(chances[arm])


def greedy_by_loop(pulls: npt.NDArray[Any], rewards: npt.NDArray[Any], seed: int) -> tuple[int, float]:
    """The arm with the best mean, with probability 0.1 any."""
    rng = np.random.default_rng(seed)
    means = [rewards[arm] / pulls[arm] if pulls[arm] else math.inf for arm in range(len(pulls))]
    top = max(means)
    best = [arm for arm, mean in enumerate(means) if mean == top]
    arm = int(rng.integers(len(pulls))) if rng.random() < 0.1 else int(best[rng.integers(len(best))])
    return arm, 0.1 / len(pulls) + (0.9 / len(best) if means[arm] == top else 0.0)
