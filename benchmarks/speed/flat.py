"""Exact search by inner product beside faiss's flat index: many queries in one batch, and one query at a time.

Both have their index ready; every list is compared, so recall is 1 on both sides. Random vectors are the hardest case:
no item is longer or more typical than another. Vectors like those of a fitted model have lengths that differ (by
popularity) and a spectrum that falls; both help to rule items out early.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.rows import Row, speed_row
from benchmarks.timing import in_turns
from foretaste.models.flat_index import FlatIndex
from foretaste.models.ranking import Floats
from foretaste.models.threads import n_threads

K = 20
FACTORS = 64
SINGLES = 32
"""Queries of the row that asks one at a time."""


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """Rows for each size and kind of vectors; needs no data."""
    for n_items in (20_000,) if quick else (100_000, 1_000_000):
        for kind, make in (("random", random_vectors), ("like factors", like_factors)):
            yield from _rows(n_items, 256 if quick else 2_000, kind, *make(n_items, 256 if quick else 2_000))


def random_vectors(n_items: int, n_queries: int) -> tuple[Floats, Floats]:
    """Items and queries (n, 64) of normally distributed numbers."""
    rng = np.random.default_rng(1)
    return tuple(rng.standard_normal((n, FACTORS), dtype=np.float32) for n in (n_items, n_queries))  # type: ignore[return-value]


def like_factors(n_items: int, n_queries: int) -> tuple[Floats, Floats]:
    """Spectrum 1/√n on both sides, and log-normal lengths of items (σ = 0.7)."""
    rng = np.random.default_rng(2)
    items, queries = random_vectors(n_items, n_queries)
    spectrum = np.arange(1, FACTORS + 1, dtype=np.float32) ** -0.5
    return items * spectrum * rng.lognormal(0, 0.7, (n_items, 1)).astype(np.float32), queries * spectrum


def _rows(n_items: int, n_queries: int, kind: str, items: Floats, queries: Floats) -> Iterator[Row]:
    import faiss

    peer = faiss.IndexFlatIP(FACTORS)
    peer.add(items)
    faiss.omp_set_num_threads(n_threads())
    index = FlatIndex(items)
    same = float((index.search(queries, K)[0] == peer.search(queries, K)[1]).mean())  # also compiles our kernels
    singles = [queries[n : n + 1] for n in range(SINGLES)]
    works = {
        "ours": lambda: index.search(queries, K),
        "theirs": lambda: peer.search(queries, K),
        "our singles": lambda: [index.search(query, K) for query in singles],
        "their singles": lambda: [peer.search(query, K) for query in singles],
    }
    seconds = in_turns(works, rounds=3)
    for count, times, suffix in (
        (n_queries, ("ours", "theirs"), "queries"),
        (SINGLES, ("our singles", "their singles"), "queries one at a time"),
    ):
        yield speed_row(
            "flat",
            ours=count / seconds[times[0]],
            peer=count / seconds[times[1]],
            peer_name="faiss flat",
            unit="queries/s",
            packages=["faiss-cpu"],
            case=f"top {K} of {n_items:,} × {FACTORS}, {kind}, {count:,} {suffix}",
            same_places=round(same, 6),
        )
