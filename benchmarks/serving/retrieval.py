"""The best twenty items by inner product for one user a call, on one core: exactly, and nearly so from partitions.

No server is in between. Three kinds of vectors, as the kind decides what helps. *Random* ones are the hardest case: no
item is longer or more typical than another, and partitions do not pay, so what is asked for as approximate is searched
exactly. *Like factors* have the spectrum and lengths of a fitted model. *Clustered* ones lie around tastes, and are of
different length as well. The index is built with one half of the queries and asked with the other; recall is that of
the half that was asked. The peer is faiss, flat or with the same number of partitions and the fewest probes that give
the recall, where it is installed; else numpy, flat only.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from benchmarks.rows import Row
from benchmarks.serving import serving_row
from benchmarks.speed.flat import FACTORS, like_factors, random_vectors
from benchmarks.timing import one_core, timed
from foretaste.models.flat_index import FlatIndex
from foretaste.models.partitioned_index import PartitionedIndex, factor_index
from foretaste.models.ranking import Floats

K = 20
RECALL = 0.98
TASTES = 2_000
Rows = npt.NDArray[np.integer[Any]]
Index = TypeVar("Index")
Search = Callable[[Floats], Rows]


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """Rows for each kind of vectors, exact and approximate; needs no data."""
    n_items, n_queries = (20_000, 64) if quick else (1_000_000, 400)
    for kind, make in (("random", random_vectors), ("like factors", like_factors), ("clustered", clustered)):
        items, queries = make(n_items, 2 * n_queries)
        with one_core():
            rows = _rows(kind, items, queries[:n_queries], queries[n_queries:])
        yield from rows


def clustered(n_items: int, n_queries: int) -> tuple[Floats, Floats]:
    """Around 2,000 tastes with a falling spectrum, and log-normal lengths of items (σ = 0.5)."""
    rng = np.random.default_rng(3)
    spectrum = np.arange(1, FACTORS + 1, dtype=np.float32) ** -0.3
    tastes = rng.standard_normal((TASTES, FACTORS), dtype=np.float32)

    def draw(n: int) -> Floats:
        noise = rng.standard_normal((n, FACTORS), dtype=np.float32)
        return np.asarray((tastes[rng.integers(0, TASTES, n)] + np.float32(0.6) * noise) * spectrum, np.float32)

    return draw(n_items) * rng.lognormal(0, 0.5, (n_items, 1)).astype(np.float32), draw(n_queries)


def _rows(kind: str, items: Floats, known: Floats, asked: Floats) -> list[Row]:
    exact, exact_s = _built(lambda: FlatIndex(items))
    near, near_s = _built(lambda: factor_index(items, "approximate", queries=known))
    best = exact.search(asked, K)[0]
    flat, inverted = _peers(items, known)
    case = f"{kind}, top {K} of {len(items):,} × {FACTORS}, one user a call, one core"
    return [
        _row(f"exact, {case}", exact, exact_s, flat, asked, best),
        _row(f"approximate, {case}", near, near_s, inverted, asked, best),
    ]


def _built(build: Callable[[], Index]) -> tuple[Index, float]:
    seconds, index = timed(build)
    return index, seconds


def _row(
    case: str,
    index: FlatIndex | PartitionedIndex,
    build_s: float,
    peer: tuple[str, Search] | None,
    asked: Floats,
    best: Rows,
) -> Row:
    ours, found = _times(lambda query: index.search(query, K)[0], asked)
    figures: dict[str, object] = {
        **{f"p{q}_ms": float(np.percentile(ours, q) * 1e3) for q in (50, 95, 99)},
        "requests_per_s": float(len(ours) / ours.sum()),
        "recall": float(recall_of(found, best)),
        "build_s": build_s,
        "index": f"{index.n_probe} partitions read" if isinstance(index, PartitionedIndex) else "all items",
        "share_scanned": index.share_scanned if isinstance(index, PartitionedIndex) else None,
    }
    if peer is None:
        return serving_row("retrieval", case, **figures)
    name, search = peer
    theirs, lists = _times(search, asked)
    figures |= {"peer_p95_ms": float(np.percentile(theirs, 95) * 1e3), "peer_recall": float(recall_of(lists, best))}
    packages = ["faiss-cpu"] if "faiss" in name else []
    return serving_row(
        "retrieval", case, peer=float(len(theirs) / theirs.sum()), peer_name=name, packages=packages, **figures
    )


def recall_of(found: Rows, best: Rows) -> float:
    """The mean share of each best list that was found."""
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, best, strict=True)]))


def _times(search: Search, asked: Floats) -> tuple[npt.NDArray[np.float64], Rows]:
    """Seconds of each query by itself, and the lists."""
    search(asked[:1])
    seconds, lists = [], []
    for place in range(len(asked)):
        query = asked[place : place + 1]
        start = time.perf_counter()
        found = search(query)
        seconds.append(time.perf_counter() - start)
        lists.append(found)
    return np.array(seconds), np.concatenate(lists)


def _peers(items: Floats, known: Floats) -> tuple[tuple[str, Search], tuple[str, Search] | None]:
    """Exact and approximate peers."""
    try:
        import faiss
    except ImportError:
        return ("numpy", lambda query: _by_numpy(items, query)), None
    faiss.omp_set_num_threads(1)
    flat = faiss.IndexFlatIP(FACTORS)
    flat.add(items)
    n_parts = int(np.sqrt(len(items)))
    inverted = faiss.index_factory(FACTORS, f"IVF{n_parts},Flat", faiss.METRIC_INNER_PRODUCT)
    inverted.train(items[np.random.default_rng(0).choice(len(items), min(len(items), 40 * n_parts), replace=False)])
    inverted.add(items)
    best = flat.search(known, K)[1]
    for n_probe in (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, n_parts):
        inverted.nprobe = n_probe
        if recall_of(inverted.search(known, K)[1], best) >= RECALL:
            break
    name = f"faiss IVF, {inverted.nprobe} probes"
    return ("faiss flat", lambda query: flat.search(query, K)[1]), (name, lambda query: inverted.search(query, K)[1])


def _by_numpy(items: Floats, query: Floats) -> Rows:
    scores = items @ query[0]
    some = np.argpartition(-scores, K)[:K]
    return np.asarray(some[np.argsort(-scores[some])])[None, :]
