"""The best items by inner product, exactly, from an index that holds a byte for each factor beside the factors."""

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from foretaste.data import Histories
from foretaste.models.ranking import Floats, Ranked, rank_factors
from foretaste.models.threads import map_threads, n_threads

Longs = npt.NDArray[np.int64]
Ints = npt.NDArray[np.int32]
Doubles = npt.NDArray[np.float64]

MIN_ITEMS = 4_096
"""Fewer items are multiplied in float32 as quickly."""
MAX_FACTORS = 256
"""More factors leave too few bits for each: the rough products would rule out too little."""
LEAST_ALLOWED = 0.25
"""Where a mask leaves less than this share of the items, these alone are multiplied in float32."""

_ITEM_LIMIT, _QUERY_LIMIT = 127, 63
"""Largest codes: two neighbouring products of a byte 0 … 255 and a signed one must lie within a short integer."""
_SHORT_NORM = 181.0
"""√32767: codes of at most this norm have products within a short integer (Cauchy-Schwarz)."""
_TINY, _HUGE = 1e-30, 1e15
_FLOOR_ITEMS = 1_024
"""The longest items, multiplied in float32 to begin with: the k-th best of them is a floor for all others."""
_QUERIES_TOGETHER = 512
_FEW_QUERIES = 64
"""So many are multiplied without BLAS, whose threads take longer to wake than that takes."""
_PART_BYTES = 48_000_000
"""Codes to be read, once for each 8 queries, that keep a thread busy for long enough to start it."""


class _Asked(NamedTuple):
    """Queries as the kernel takes them."""

    queries: Floats
    codes: Ints
    scales: Doubles
    errors: Floats
    norms: Floats
    sums: Longs
    seen_indptr: Longs
    seen_rows: Ints
    floors: Floats


class FlatIndex:
    """Items (I, F), ordered and rounded once, to be searched many times; results are those of ``rank_factors``.

    Items and queries are rounded to bytes, whose products take a quarter of the time of float32. By Cauchy-Schwarz
    |q·x - q̂·x̂| ≤ ‖q - q̂‖‖x‖ + ‖q̂‖‖x - x̂‖, so all but a few items are ruled out surely; these few are multiplied
    in float32. Items stand in blocks of descending norm, each with a scale of its own, and a block is skipped where
    ‖q‖‖x‖ cannot reach the k-th best score any more. On processors without the instruction, and where the index
    would not pay (few items, many factors), ``search`` is ``rank_factors``.

    Scores are float32 products and may differ from those of ``rank_factors`` in the last bit.

    Cost: I·F bytes and a copy of the factors; a search costs at most B·I·F byte products.
    """

    def __init__(
        self, items: Floats, *, item_bias: Floats | None = None, offered: npt.NDArray[np.bool_] | None = None
    ) -> None:
        """``item_bias`` (I,) is added to the scores; items for which ``offered`` (I,) is false are never found."""
        self._items = np.ascontiguousarray(items, np.float32)
        self._bias = item_bias
        self._offered = offered
        rows = np.arange(len(items)) if offered is None else np.flatnonzero(offered)
        self._is_built = False
        if not _pays(len(rows), items.shape[1]):
            return
        wide = self._items if item_bias is None else np.column_stack([self._items, item_bias.astype(np.float32)])
        norms = row_norms(wide)[rows]
        if not (norms < _HUGE).all():
            return
        order = np.argsort(-norms, kind="stable")
        self._build(wide, rows[order].astype(np.int32), norms[order])
        self._is_built = True

    def _build(self, items: Floats, rows: Ints, norms: Doubles) -> None:
        from foretaste.models.kernels.flat import BLOCK, encode_block

        n_items, n_factors = len(rows), items.shape[1]
        self._rows = rows
        self._places = np.full(len(items), n_items, np.int32)
        self._places[rows] = np.arange(n_items, dtype=np.int32)
        self._sorted = np.empty((n_items, n_factors), np.float32)
        n_blocks = -(-n_items // BLOCK)
        self._norms = _above(norms[::BLOCK])  # (N,) the largest of each block
        self._scales = np.empty(n_blocks, np.float64)
        self._errors = np.empty(n_blocks, np.float32)
        block_bytes = BLOCK * 2 * _n_pairs(n_factors)
        self._codes = _aligned(n_blocks * block_bytes)

        def encode(blocks: tuple[int, int]) -> None:
            for block in range(*blocks):
                span = slice(block * BLOCK, min((block + 1) * BLOCK, n_items))
                self._sorted[span] = items[rows[span]]
                part = self._sorted[span]
                scale = float(_scale(np.abs(part).max(), norms[span.start], _ITEM_LIMIT, n_factors))
                codes = self._codes[block * block_bytes : (block + 1) * block_bytes]
                self._scales[block] = scale
                self._errors[block] = np.float32(encode_block(part, scale, codes) * (1 + 1e-6))

        map_threads(encode, _ranges(n_blocks, 4 * n_threads()))

    def search(
        self, queries: Floats, k: int, *, seen: Histories | None = None, allowed: npt.NDArray[np.bool_] | None = None
    ) -> Ranked:
        """The ``k`` best items of each query (B, F): rows (B, k) and scores, as :func:`rank_factors` gives them."""
        wide = np.ascontiguousarray(queries, np.float32)
        if self._bias is not None:
            wide = np.column_stack([wide, np.ones(len(wide), np.float32)])
        norms = row_norms(wide)
        if (
            not self._is_built
            or k > min(_FLOOR_ITEMS // 2, len(self._rows))
            or _is_narrow(allowed)
            or (norms > _HUGE).any()
        ):
            if self._offered is not None:
                allowed = self._offered if allowed is None else allowed & self._offered
            return rank_factors(queries, self._items, k=k, seen=seen, allowed=allowed, item_bias=self._bias)
        is_empty = np.isnan(norms)
        wide, norms = np.where(is_empty[:, None], np.float32(0), wide), np.where(is_empty, 0.0, norms)
        hidden = np.zeros(0, np.bool_) if allowed is None else allowed
        step, n_ranges = self._shares(len(wide))
        ranges = _ranges(len(self._scales), n_ranges)
        found = [_empty(len(wide), k) for _ in ranges]
        starts = range(0, len(wide), step)

        def ask(start: int) -> _Asked:
            block = slice(start, min(start + step, len(wide)))
            own = seen.block(block.start, block.stop) if seen is not None else Histories.empty(block.stop - start, 0)
            return self._ask(wide[block], norms[block], own, hidden, k)

        # Where a few queries meet a range of the items on each thread, what is common to the ranges is done before:
        # threads that are soon done with their loops would wait for the interpreter more than they work.
        asked = [ask(start) for start in starts] if len(ranges) > 1 else []

        def work(number: int, part: int) -> None:
            start = starts[number]
            one = asked[number] if asked else ask(start)
            rows, scores = found[part]
            block = slice(start, start + len(one.queries))
            self._scan(one, hidden, ranges[part], (rows[block], scores[block]))

        works = [partial(work, number, part) for number in range(len(starts)) for part in range(len(ranges))]
        map_threads(lambda one: one(), works)
        rows, scores = found[0] if len(found) == 1 else _merged(found, k)
        rows[is_empty], scores[is_empty] = -1, np.nan
        return rows, scores

    def _shares(self, n_queries: int) -> tuple[int, int]:
        """How many queries to take together, a multiple of 8 as the kernel takes so many, and how many ranges to cut
        the items into, so that all threads are busy where that pays.
        """
        work = -(-n_queries // 8) * len(self._codes)
        n_parts = max(1, min(n_threads(), work // _PART_BYTES))
        step = max(1, min(_QUERIES_TOGETHER, -(-n_queries // n_parts)))
        step += -step % 8
        return step, -(-n_parts // max(1, -(-n_queries // step)))

    def _ask(
        self, queries: Floats, norms: Doubles, seen: Histories, allowed: npt.NDArray[np.bool_], k: int
    ) -> "_Asked":
        from foretaste.models.kernels.flat import QUERIES, encode_queries
        from foretaste.models.kernels.topk import sort_within

        n_queries, n_factors = queries.shape
        codes = np.zeros((-(-n_queries // QUERIES), _n_pairs(n_factors), QUERIES), np.int32)
        scales = _scale(np.abs(queries).max(axis=1), norms, _QUERY_LIMIT, n_factors)
        errors, sums = np.empty(n_queries, np.float32), np.empty(n_queries, np.int64)
        encode_queries(queries, scales, codes, errors, sums)
        floors = self._floors(queries, norms, seen, allowed, k)
        seen_rows = sort_within(seen.indptr, seen.item_rows)
        return _Asked(queries, codes, scales, errors, _above(norms), sums, seen.indptr, seen_rows, floors)

    def _scan(self, asked: "_Asked", allowed: npt.NDArray[np.bool_], blocks: tuple[int, int], out: Ranked) -> None:
        """Rank the items of a range of blocks into ``out``."""
        from foretaste.models.kernels.flat import search_blocks
        from foretaste.models.kernels.topk import sort_heaps

        counts = np.zeros(len(asked.queries), np.int64)
        floors = asked.floors.copy()  # which the kernel raises
        search_blocks(
            *blocks,
            self._codes, self._scales, self._errors, self._norms, self._sorted, self._rows,
            asked.queries, asked.codes, asked.scales, asked.errors, asked.norms, asked.sums,
            asked.seen_indptr, asked.seen_rows, allowed, floors, counts, *out,
        )  # fmt: skip
        sort_heaps(counts, *out)

    def _floors(
        self, queries: Floats, norms: Doubles, seen: Histories, allowed: npt.NDArray[np.bool_], k: int
    ) -> Floats:
        """A score (B,) that the k-th best item of each query surely reaches; -inf where not so many are left."""
        from foretaste.models.kernels.flat import MARGIN, floors_of, products

        longest = self._sorted[:_FLOOR_ITEMS]
        if len(queries) <= _FEW_QUERIES:
            scores = np.empty((len(queries), len(longest)), np.float32)
            products(queries, longest, scores)
        else:
            scores = queries @ longest.T
        places = self._places[seen.item_rows]
        owners = np.repeat(np.arange(len(queries)), seen.lengths)
        near = places < len(longest)
        scores[owners[near], places[near]] = -np.inf
        if len(allowed):
            scores[:, ~allowed[self._rows[: len(longest)]]] = -np.inf
        floors = np.empty(len(queries), np.float32)
        floors_of(scores, k, floors)
        floors -= MARGIN * _above(norms) * self._norms[0]
        return np.where(np.isfinite(floors), floors, np.float32(-np.inf))


def _is_narrow(allowed: npt.NDArray[np.bool_] | None) -> bool:
    """Whether a mask differs by query, or leaves so little that it had better be applied first."""
    return allowed is not None and (allowed.ndim == 2 or int(np.count_nonzero(allowed)) < LEAST_ALLOWED * len(allowed))


def row_norms(array: Floats) -> Doubles:
    """‖row‖ of (n, F) in float64, without a copy of the array."""
    return np.asarray(np.sqrt(np.einsum("nf,nf->n", array, array, dtype=np.float64)))


def _pays(n_items: int, n_factors: int) -> bool:
    from foretaste.models.kernels.byte_vectors import has_byte_products

    return n_items >= MIN_ITEMS and n_factors <= MAX_FACTORS and has_byte_products()


def _scale(largest: Doubles, norms: Doubles, limit: int, n_factors: int) -> Doubles:
    """What a code of 1 stands for, so that no code is above ``limit`` and no norm of codes above 181."""
    most = _SHORT_NORM - 0.5 * np.sqrt(n_factors)  # rounding adds at most a half to each code
    return np.asarray(np.maximum(np.maximum(largest / limit, norms / most), _TINY))


def _above(values: Doubles) -> Floats:
    """``values`` in float32, rounded up."""
    return np.asarray(np.float32(1 + 1e-6) * np.asarray(values, np.float32), np.float32)


def _aligned(n: int) -> npt.NDArray[np.uint8]:
    """Codes of zero, in memory such that no vector lies across cache lines."""
    raw = np.empty(n + 64, np.uint8)
    first = -raw.ctypes.data % 64
    codes = raw[first : first + n]
    codes[:] = 128
    return codes


def _n_pairs(n_factors: int) -> int:
    return (n_factors + 1) // 2


def _ranges(n_blocks: int, n_parts: int) -> list[tuple[int, int]]:
    """Blocks in at most ``n_parts`` ranges."""
    edges = np.unique(np.linspace(0, n_blocks, max(1, n_parts) + 1).astype(int))
    return [(int(a), int(b)) for a, b in pairwise(edges)]


def _empty(n_queries: int, k: int) -> Ranked:
    return np.full((n_queries, k), -1, dtype=np.int32), np.full((n_queries, k), np.nan, dtype=np.float32)


def _merged(found: list[Ranked], k: int) -> Ranked:
    """The best of lists over different items; ties go to the smaller row."""
    rows = np.concatenate([rows for rows, _ in found], axis=1)
    scores = np.concatenate([scores for _, scores in found], axis=1)
    order = np.lexsort((rows, -scores), axis=1)[:, :k]  # NaN comes last
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1)
