"""Exact search by inner product that reads a byte for each factor: rough products rule out almost all items.

Items and queries are rounded to small integers. The rounding errors are known, so by Cauchy-Schwarz the true product
lies within a known distance of the rough one: an item whose rough product is too small cannot be among the k best, and
only the few others are multiplied in float32.
"""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.byte_vectors import (
    LANES,
    add_byte_products,
    add_shorts,
    exceed,
    is_any,
    load_shorts,
    lowest_bit,
    mark_above,
    repeat_pair,
    splat_short,
)
from foretaste.models.kernels.jit import kernel
from foretaste.models.kernels.neighbours import kth_largest
from foretaste.models.kernels.vectors import prefetch

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
IntBlocks = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Shorts = npt.NDArray[np.int16]

BLOCK = 256
"""Items that share a scale, a bound of the norm and a bound of the rounding error."""
QUERIES = 8
"""Queries whose products with a vector of items are made together; a batch is filled up to a multiple of it."""
LINE = 16
"""float32 in a line of the cache."""
MANY = 8
"""Items that are multiplied exactly together, at least, except at the end."""
AHEAD = 4_096
"""Bytes that codes are asked for before they are used."""
LANES_OF_FLOORS = 128
MARGIN = np.float32(2e-5)
"""Share of ‖q‖‖x‖ that a float32 product may be wrong by, twice over."""
ZERO = np.float32(0.0)


@kernel
def floors_of(scores: Floats, k: int, out: Floats) -> None:
    """A value (B,) that the k-th largest of each row of ``scores`` (B, n) reaches; NaN never counts.

    It is the k-th largest of the maxima over every m-th column, m being 128 or more: quickly found and hardly less.
    """
    n = scores.shape[1]
    m = min(n, max(LANES_OF_FLOORS, 4 * k))
    maxima = np.empty(m, np.float32)
    for b in range(len(scores)):
        row = scores[b]
        maxima[:] = -np.inf
        for start in range(0, n, m):
            for j in range(min(m, n - start)):
                score = row[start + j]
                maxima[j] = max(maxima[j], score)
        out[b] = kth_largest(maxima, k)


@kernel
def encode_block(items: Floats, scale: float, out: Bytes) -> float:
    """Write items (n ≤ BLOCK, F) as bytes: 128 + round(x / scale), in tiles of 16 items × pairs of factors.

    ``out`` holds a whole block and comes filled with 128. Returns the largest rounding error ‖x - x̂‖.
    """
    n, width = items.shape
    n_pairs = (width + 1) // 2
    largest = 0.0
    for i in range(n):
        start = (i // LANES) * n_pairs * 2 * LANES + (i % LANES) * 2
        error = 0.0
        for f in range(width):
            code = np.rint(items[i, f] / scale)
            out[start + (f // 2) * 2 * LANES + f % 2] = np.uint8(128 + np.int64(code))
            rest = np.float64(items[i, f]) - scale * np.float64(code)
            error += rest * rest
        largest = max(largest, error)
    return float(np.sqrt(largest))


@kernel
def encode_queries(queries: Floats, scales: Doubles, out: IntBlocks, errors: Floats, sums: Longs) -> None:
    """Write queries (B, F) as signed bytes round(q / scale), a pair of them twice in each int32 of ``out``
    (⌈B / 8⌉, pairs, 8), which comes filled with 0.

    ``errors`` (B,) receives ‖q - q̂‖, ``sums`` (B,) the sum of the bytes.
    """
    n_queries, width = queries.shape
    for b in range(n_queries):
        error, total = 0.0, 0
        for p in range(out.shape[1]):
            pair = 0
            for f in range(2 * p, min(2 * p + 2, width)):
                code = int(np.rint(queries[b, f] / scales[b]))
                rest = np.float64(queries[b, f]) - scales[b] * code
                error += rest * rest
                total += code
                pair |= (code & 255) << (8 * (f % 2))
            out[b // QUERIES, p, b % QUERIES] = np.int32(np.uint32(pair | (pair << 16)))
        errors[b] = np.float32(np.sqrt(error) * (1 + 1e-6))
        sums[b] = total


@kernel(fastmath={"reassoc", "contract", "nsz", "arcp"})
def product(query: Floats, item: Floats) -> np.float32:
    """q·x in float32."""
    total = ZERO
    for f in range(len(query)):
        total += query[f] * item[f]
    return total


@kernel
def products(queries: Floats, items: Floats, out: Floats) -> None:
    """``queries @ items.T`` into ``out``, for a few queries, on this thread."""
    for i in range(len(items)):
        for b in range(len(queries)):
            out[b, i] = product(queries[b], items[i])


@kernel
def _is_worse(score: np.float32, row: int, than_score: np.float32, than_row: int) -> bool:
    return bool(score < than_score or (score == than_score and row > than_row))


@kernel
def offer(score: np.float32, row: int, count: int, best: Floats, where: Ints) -> int:
    """Add an entry to a heap of ``count`` entries, the worst at its root, or replace the root; returns the new count.

    A tie goes to the smaller row, in whatever order entries come.
    """
    k = len(best)
    if count < k:
        place = count
        while place > 0:
            parent = (place - 1) >> 1
            if not _is_worse(score, row, best[parent], where[parent]):
                break
            best[place], where[place] = best[parent], where[parent]
            place = parent
        best[place], where[place] = score, row
        return count + 1
    if not _is_worse(best[0], where[0], score, row):
        return count
    place = 0
    while True:
        child = 2 * place + 1
        if child >= k:
            break
        if child + 1 < k and _is_worse(best[child + 1], where[child + 1], best[child], where[child]):
            child += 1
        if not _is_worse(best[child], where[child], score, row):
            break
        best[place], where[place] = best[child], where[child]
        place = child
    best[place], where[place] = score, row
    return count


@kernel
def contains(columns: Ints, start: int, stop: int, column: int) -> bool:
    """Whether ``columns[start:stop]``, ascending, has ``column``."""
    while start < stop:
        middle = (start + stop) >> 1
        if columns[middle] < column:
            start = middle + 1
        elif columns[middle] > column:
            stop = middle
        else:
            return True
    return False


@kernel
def _short_floor(floor: np.float32, slack: np.float32, unit: np.float64) -> np.int16:
    """The largest rough product that rules an item out where the k-th best score is ``floor``."""
    rough = np.floor((np.float64(floor) - np.float64(slack)) / unit) - 1.0
    return np.int16(min(max(rough, -32768.0), 32767.0))


@kernel
def _scan_block(
    codes: Bytes,
    first_byte: int,
    n_vectors: int,
    query_codes: IntBlocks,
    first_query: int,
    starts: Shorts,
    limits: Shorts,
    hit_places: Longs,
    hit_queries: Longs,
    n_hits: int,
) -> int:
    """List the (place in the block, query) of eight queries whose rough product exceeds the query's limit.

    The block's codes begin at ``first_byte`` and hold ``n_vectors`` vectors of items. Returns the new number of hits.
    """
    n_pairs = query_codes.shape[1]
    flat = query_codes.reshape(-1)
    start0, limit0 = splat_short(starts[first_query + 0]), splat_short(limits[first_query + 0])
    start1, limit1 = splat_short(starts[first_query + 1]), splat_short(limits[first_query + 1])
    start2, limit2 = splat_short(starts[first_query + 2]), splat_short(limits[first_query + 2])
    start3, limit3 = splat_short(starts[first_query + 3]), splat_short(limits[first_query + 3])
    start4, limit4 = splat_short(starts[first_query + 4]), splat_short(limits[first_query + 4])
    start5, limit5 = splat_short(starts[first_query + 5]), splat_short(limits[first_query + 5])
    start6, limit6 = splat_short(starts[first_query + 6]), splat_short(limits[first_query + 6])
    start7, limit7 = splat_short(starts[first_query + 7]), splat_short(limits[first_query + 7])
    nothing = splat_short(np.int16(0))
    masks = np.empty(QUERIES, np.uint32)
    for vector in range(n_vectors):
        first = first_byte + vector * n_pairs * 2 * LANES
        a0, a1, a2, a3 = start0, start1, start2, start3
        a4, a5, a6, a7 = start4, start5, start6, start7
        for p in range(n_pairs):
            x = load_shorts(codes, first + p * 2 * LANES)
            own = (first_query * n_pairs) + p * QUERIES
            a0 = add_byte_products(a0, x, repeat_pair(flat, own))
            a1 = add_byte_products(a1, x, repeat_pair(flat, own + 1))
            a2 = add_byte_products(a2, x, repeat_pair(flat, own + 2))
            a3 = add_byte_products(a3, x, repeat_pair(flat, own + 3))
            a4 = add_byte_products(a4, x, repeat_pair(flat, own + 4))
            a5 = add_byte_products(a5, x, repeat_pair(flat, own + 5))
            a6 = add_byte_products(a6, x, repeat_pair(flat, own + 6))
            a7 = add_byte_products(a7, x, repeat_pair(flat, own + 7))
        marks = mark_above(a0, limit0, nothing)
        marks = mark_above(a1, limit1, marks)
        marks = mark_above(a2, limit2, marks)
        marks = mark_above(a3, limit3, marks)
        marks = mark_above(a4, limit4, marks)
        marks = mark_above(a5, limit5, marks)
        marks = mark_above(a6, limit6, marks)
        marks = mark_above(a7, limit7, marks)
        if not is_any(marks):
            continue
        masks[0], masks[1] = exceed(a0, limit0), exceed(a1, limit1)
        masks[2], masks[3] = exceed(a2, limit2), exceed(a3, limit3)
        masks[4], masks[5] = exceed(a4, limit4), exceed(a5, limit5)
        masks[6], masks[7] = exceed(a6, limit6), exceed(a7, limit7)
        for m in range(QUERIES):
            mask = masks[m]
            while mask != 0:
                hit_places[n_hits], hit_queries[n_hits] = vector * LANES + lowest_bit(mask), first_query + m
                mask &= mask - np.uint32(1)
                n_hits += 1
    return n_hits


@kernel
def _scan_alone(
    codes: Bytes,
    first_byte: int,
    n_vectors: int,
    query_codes: IntBlocks,
    query: int,
    start: np.int16,
    limit: np.int16,
    hit_places: Longs,
    hit_queries: Longs,
    n_hits: int,
) -> int:
    """Like :func:`_scan_block` for one query; memory is the limit, so codes are asked for in advance."""
    n_pairs = query_codes.shape[1]
    flat = query_codes.reshape(-1)
    first_pair = (query // QUERIES) * n_pairs * QUERIES + query % QUERIES
    starts, limits, nothing = splat_short(start), splat_short(limit), splat_short(np.int16(0))
    for vector in range(n_vectors):
        first = first_byte + vector * n_pairs * 2 * LANES
        even, odd = starts, nothing
        for p in range(0, n_pairs - 1, 2):
            place = first + p * 2 * LANES
            prefetch(codes, min(place + AHEAD, len(codes) - 1))
            own = first_pair + p * QUERIES
            even = add_byte_products(even, load_shorts(codes, place), repeat_pair(flat, own))
            odd = add_byte_products(odd, load_shorts(codes, place + 2 * LANES), repeat_pair(flat, own + QUERIES))
        if n_pairs % 2 == 1:
            own = first_pair + (n_pairs - 1) * QUERIES
            place = first + (n_pairs - 1) * 2 * LANES
            even = add_byte_products(even, load_shorts(codes, place), repeat_pair(flat, own))
        mask = exceed(add_shorts(even, odd), limits)
        while mask != 0:
            hit_places[n_hits], hit_queries[n_hits] = vector * LANES + lowest_bit(mask), query
            mask &= mask - np.uint32(1)
            n_hits += 1
    return n_hits


@kernel
def search_blocks(
    first_block: int,
    stop_block: int,
    codes: Bytes,
    scales: Doubles,
    errors: Floats,
    norms: Floats,
    items: Floats,
    rows: Ints,
    queries: Floats,
    query_codes: IntBlocks,
    query_scales: Doubles,
    query_errors: Floats,
    query_norms: Floats,
    query_sums: Longs,
    seen_indptr: Longs,
    seen_rows: Ints,
    allowed: npt.NDArray[np.bool_],
    floors: Floats,
    counts: Longs,
    out_rows: Ints,
    out_scores: Floats,
) -> None:
    """Offer the items of blocks ``first_block:stop_block`` to one heap for each query.

    Items (n, F) come in blocks of descending norm: ``codes`` as :func:`encode_block` writes them, ``scales``,
    ``errors`` and ``norms`` for each block, ``rows`` (n,) what an item is called. ``floors`` (B,) is a score that the
    k-th best surely reaches, and is raised. ``seen_rows[seen_indptr[b]:seen_indptr[b + 1]]``, ascending, are left out
    for query b, as is what ``allowed`` (I,) is false for (empty: nothing). ``out_rows``, ``out_scores`` (B, k) and
    ``counts`` (B,) are the heaps.
    """
    n_items, width = items.shape
    n_queries, n_pairs, k = len(queries), query_codes.shape[1], out_scores.shape[1]
    flat_items = items.reshape(-1)
    starts = np.zeros(len(query_codes) * QUERIES, np.int16)
    limits = np.full(len(query_codes) * QUERIES, 32767, np.int16)  # which nothing exceeds
    for b in range(n_queries):
        starts[b] = np.int16(-128 * query_sums[b])  # codes are 128 too large
    hit_places = np.empty(MANY + QUERIES * BLOCK, np.int64)
    hit_queries = np.empty(MANY + QUERIES * BLOCK, np.int64)
    open_tiles = np.arange(0, n_queries, QUERIES)
    n_open = len(open_tiles)
    for block in range(first_block, stop_block):
        first_item = block * BLOCK
        n_vectors = min(BLOCK, n_items - first_item + LANES - 1) // LANES
        n_hits, n_still = 0, 0
        for place in range(n_open):
            first_query = open_tiles[place]
            is_open = False
            for b in range(first_query, min(first_query + QUERIES, n_queries)):
                reach = query_norms[b] * norms[block] * (1 + MARGIN)
                is_open = is_open or reach >= floors[b]
                # |q·x - q̂·x̂| ≤ ‖q - q̂‖‖x‖ + ‖q̂‖‖x - x̂‖, and a little for rounding
                slack = query_errors[b] * norms[block] + (query_norms[b] + query_errors[b]) * errors[block]
                limits[b] = _short_floor(floors[b], slack + MARGIN * reach, query_scales[b] * scales[block])
            if is_open:  # else the blocks that follow, of shorter items, cannot do it either
                open_tiles[n_still] = first_query
                n_still += 1
                asked = n_hits
                first_byte = first_item * n_pairs * 2
                if n_queries - first_query > 1:
                    n_hits = _scan_block(
                        codes, first_byte, n_vectors, query_codes, first_query, starts, limits,
                        hit_places, hit_queries, n_hits,
                    )  # fmt: skip
                else:
                    n_hits = _scan_alone(
                        codes, first_byte, n_vectors, query_codes, first_query, starts[first_query],
                        limits[first_query], hit_places, hit_queries, n_hits,
                    )  # fmt: skip
                for n in range(asked, n_hits):
                    for f in range(0, width, LINE):
                        prefetch(flat_items, min(first_item + hit_places[n], n_items - 1) * width + f)
            # Rows come from memory: they are used a little after they were asked for.
            if n_hits >= MANY or place == n_open - 1:
                for n in range(n_hits):
                    i, b = first_item + hit_places[n], hit_queries[n]
                    if i >= n_items or (len(allowed) > 0 and not allowed[rows[i]]):
                        continue
                    if contains(seen_rows, seen_indptr[b], seen_indptr[b + 1], rows[i]):
                        continue
                    counts[b] = offer(product(queries[b], items[i]), rows[i], counts[b], out_scores[b], out_rows[b])
                    if counts[b] == k:
                        floors[b] = max(floors[b], out_scores[b, 0])
                n_hits = 0
        n_open = n_still
