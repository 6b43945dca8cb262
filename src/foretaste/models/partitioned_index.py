"""Nearly all of the best items by inner product, from the few partitions of the catalogue that a query points to."""

from typing import Literal

import numpy as np
import numpy.typing as npt

from foretaste.data import Histories
from foretaste.models.flat_index import FlatIndex, row_norms
from foretaste.models.ranking import Floats, Ranked, rank_factors
from foretaste.models.threads import map_threads, n_threads

Longs = npt.NDArray[np.int64]
Masks = npt.NDArray[np.bool_]
Retrieval = Literal["exact", "approximate", "auto"]

AUTO_ITEMS = 250_000
"""``auto`` is exact for fewer items than this: there the exact search takes a few milliseconds at most."""
MOST_SCANNED = 0.15
"""Where a larger share of the items must be read for the recall, the exact search of bytes is as quick."""
HEAD = 1_024
"""The longest items, read for every query: popular items are good for many."""
_PER_CENTRE = 40
"""Items of the sample for each partition."""
_EXAMPLES = 512
"""Queries that say how far an approximate search must look."""
_ROUNDS = 8
_TILE = 8_192
_LEAST_ALLOWED = 0.1
"""Where a mask leaves less than this share of the items, these alone are multiplied."""


def factor_index(
    items: Floats,
    retrieval: Retrieval,
    *,
    queries: Floats,
    offered: Masks | None = None,
) -> "FlatIndex | PartitionedIndex":
    """An index of items (I, F) to be searched in the way asked for.

    ``queries`` (n, F) are such as will be asked; some of them are tried. Where partitions do not pay for them, the
    index is exact whatever ``retrieval`` says.
    """
    many = len(items) >= AUTO_ITEMS
    if retrieval == "approximate" or (retrieval == "auto" and many):
        some = np.linspace(0, len(queries) - 1, min(_EXAMPLES, len(queries))).astype(np.int64)
        index = PartitionedIndex(items, queries=np.asarray(queries[some]), offered=offered)
        if index.share_scanned <= MOST_SCANNED:
            return index
    return FlatIndex(items, offered=offered)


class PartitionedIndex:
    """Items (I, F) in partitions of like direction, of which a search reads the nearest (an inverted file).

    Partitions are found by k-means of directions on a sample. The longest items stand apart and are read for every
    query; within a partition items stand by descending norm, so that reading stops where ‖q‖‖x‖ cannot reach the k-th
    best score. How many partitions are read is chosen at build, such that the sample of queries finds ``recall`` of
    its ``k`` best items: it is a mean over queries like these, no promise for one. Scores are those of the exact
    search. Masks are applied while reading, and reading goes on until a list is full or nothing is left.

    Source: Sivic and Zisserman 2003 (inverted file); Auvolat et al. 2015, arXiv:1507.05910 (spherical k-means for inner
    products).
    Cost: O(I·F·√I) to build; a copy of the factors; a search reads B·I·F·share floats and B·F·√I of the centres.
    """

    def __init__(
        self,
        items: Floats,
        *,
        queries: Floats,
        offered: Masks | None = None,
        recall: float = 0.98,
        k: int = 20,
        seed: int = 0,
    ) -> None:
        """``queries`` (n, F) are examples of what will be asked; items that ``offered`` (I,) is false for are never
        found.
        """
        self._items = np.ascontiguousarray(items, np.float32)
        rows = np.arange(len(items)) if offered is None else np.flatnonzero(offered)
        rows = rows[np.isfinite(self._items[rows]).all(axis=1)]
        norms = row_norms(self._items[rows])
        by_norm = np.argsort(-norms, kind="stable")
        rows, norms = rows[by_norm], norms[by_norm]
        head = min(HEAD, len(rows))
        self._centres = _centres(_unit(self._items[rows[head:]]), np.random.default_rng(seed))
        parts = np.zeros(len(rows), np.int64)  # 0 are the longest
        parts[head:] = 1 + _nearest(_unit(self._items[rows[head:]]), self._centres)
        order = np.argsort(parts, kind="stable")  # keeps the order by norm
        self._rows = rows[order].astype(np.int32)
        self._sorted = self._items[self._rows]
        self._reach = (norms[order] * (1 + 1e-5)).astype(np.float32)
        self._starts = np.searchsorted(parts[order], np.arange(len(self._centres) + 2)).astype(np.int64)
        self._offered = None if offered is None else np.asarray(offered, bool)
        self.n_probe, self.share_scanned = self._probes(queries, recall, k)

    def _probes(self, queries: Floats, recall: float, k: int) -> tuple[int, float]:
        """How many partitions must be read, the longest items counted as one, and the share of items in them."""
        queries = np.ascontiguousarray(queries[np.any(queries, axis=1)], np.float32)
        order = self._order(queries)
        sizes = np.diff(self._starts)
        total = max(1, len(self._rows))
        if not len(queries) or not len(self._rows):
            return order.shape[1], 1.0
        found, _ = rank_factors(queries, self._items, k=k, allowed=self._offered)
        part_of = np.zeros(len(self._items), np.int64)
        part_of[self._rows] = np.repeat(np.arange(len(sizes)), sizes)
        turn = np.argsort(order, axis=1)  # when each partition is read
        turns = np.take_along_axis(turn, part_of[np.maximum(found, 0)], axis=1)[found >= 0]
        hits = np.cumsum(np.bincount(turns, minlength=order.shape[1])) / max(1, len(turns))
        n_probe = int(np.searchsorted(hits, min(1.0, recall + (1 - recall) / 4))) + 1
        n_probe = min(n_probe, order.shape[1])
        return n_probe, float(sizes[order[:, :n_probe]].sum(axis=1).mean() / total)

    def _order(self, queries: Floats) -> Longs:
        """The partitions (B, P) in the order in which they are read: the longest items, then the nearest centres."""
        nearest = np.argsort(-(queries @ self._centres.T), axis=1, kind="stable")
        return np.column_stack([np.zeros(len(queries), np.int64), nearest + 1])

    def search(self, queries: Floats, k: int, *, seen: Histories | None = None, allowed: Masks | None = None) -> Ranked:
        """About the ``k`` best items of each query (B, F): rows (B, k) and scores, as ``FlatIndex`` gives them."""
        from foretaste.models.kernels.partitions import search_partitions
        from foretaste.models.kernels.topk import sort_heaps, sort_within

        share = 1.0 if allowed is None else np.count_nonzero(allowed) / max(1, allowed.size)
        if share < _LEAST_ALLOWED or k > HEAD // 2:
            offered = self._offered
            kept = allowed if offered is None else offered if allowed is None else allowed & offered
            return rank_factors(queries, self._items, k=k, seen=seen, allowed=kept)
        wide = np.ascontiguousarray(queries, np.float32)
        rows = np.full((len(wide), k), -1, np.int32)
        scores = np.full((len(wide), k), np.nan, np.float32)
        masks = np.zeros((0, 0), np.bool_) if allowed is None else np.atleast_2d(allowed)
        n_probe = int(np.ceil(self.n_probe / share))  # the same number of items to choose from
        step = max(1, -(-len(wide) // n_threads()))

        def work(start: int) -> None:
            block = slice(start, min(start + step, len(wide)))
            n = block.stop - start
            own = seen.block(start, block.stop) if seen is not None else Histories.empty(n, 0)
            hidden = masks if len(masks) <= 1 else masks[block]
            counts = np.zeros(n, np.int64)
            search_partitions(
                wide[block], self._order(wide[block]), n_probe, self._starts, self._sorted, self._reach, self._rows,
                own.indptr, sort_within(own.indptr, own.item_rows), hidden, counts, rows[block], scores[block],
            )  # fmt: skip
            sort_heaps(counts, rows[block], scores[block])

        map_threads(work, range(0, len(wide), step))
        return rows, scores


def _unit(vectors: Floats) -> Floats:
    """Directions; a vector of zeros stays."""
    return np.asarray(vectors / np.maximum(row_norms(vectors), 1e-30)[:, None], np.float32)


def _centres(directions: Floats, rng: np.random.Generator) -> Floats:
    """Directions (√n, F) that k-means finds in a sample; empty ones start again from an item."""
    n_centres = int(np.clip(np.sqrt(len(directions)), 1, 4_096)) if len(directions) else 0
    size = min(len(directions), _PER_CENTRE * n_centres)
    sample = directions[rng.choice(len(directions), size, replace=False)]
    centres = sample[:n_centres].copy()
    for _ in range(_ROUNDS if n_centres else 0):
        nearest = _nearest(sample, centres)
        order = np.argsort(nearest, kind="stable")
        edges = np.searchsorted(nearest[order], np.arange(n_centres + 1))
        filled = np.flatnonzero(np.diff(edges) > 0)
        sums = np.add.reduceat(sample[order], edges[filled], axis=0)
        centres = sample[rng.choice(size, n_centres, replace=False)]
        centres[filled] = _unit(sums)
    return centres


def _nearest(directions: Floats, centres: Floats) -> Longs:
    """The centre of the largest product for each direction (n,), tile by tile."""
    out = np.empty(len(directions), np.int64)
    for start in range(0, len(directions), _TILE):
        out[start : start + _TILE] = np.argmax(directions[start : start + _TILE] @ centres.T, axis=1)
    return out
