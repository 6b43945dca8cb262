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
    exceed,
    load_shorts,
    lowest_bit,
    repeat_pair,
    splat_short,
)
from foretaste.models.kernels.jit import kernel

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

BLOCK = 256
"""Items that share a scale, a bound of the norm and a bound of the rounding error."""
TILE = 32
"""Items of a tile: two vectors."""
QUERIES = 4
"""Queries of a tile."""
MARGIN = np.float32(2e-5)
"""Share of ‖q‖‖x‖ that a float32 product may be wrong by, twice over."""
ZERO = np.float32(0.0)


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
def encode_queries(queries: Floats, scales: Doubles, out: Ints, errors: Floats, sums: Longs) -> None:
    """Write queries (B, F) as signed bytes round(q / scale), a pair of them twice in each int32 of ``out``.

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
            out[b, p] = np.int32(np.uint32(pair | (pair << 16)))
        errors[b] = np.float32(np.sqrt(error) * (1 + 1e-6))
        sums[b] = total


@kernel(fastmath={"reassoc", "contract", "nsz", "arcp"})
def _product(query: Floats, item: Floats) -> np.float32:
    total = ZERO
    for f in range(len(query)):
        total += query[f] * item[f]
    return total


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
def _contains(columns: Ints, start: int, stop: int, column: int) -> bool:
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
    query_codes: Ints,
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
    k-th best surely reaches. ``seen_rows[seen_indptr[b]:seen_indptr[b + 1]]``, ascending, are left out for query b,
    as is what ``allowed`` (I,) is false for (empty: nothing).
    ``out_rows``, ``out_scores`` (B, k) and ``counts`` (B,) are the heaps.
    """
    n_items, n_pairs, k = len(items), query_codes.shape[1], out_scores.shape[1]
    flat = query_codes.reshape(-1)
    n_queries = len(queries)
    tile_bytes = n_pairs * 2 * LANES  # of one vector of items
    limits = np.empty(QUERIES, np.int16)
    starts = np.empty(QUERIES, np.int16)
    slacks = np.empty(QUERIES, np.float32)
    units = np.empty(QUERIES, np.float64)
    masks = np.empty(QUERIES, np.uint32)
    for first_query in range(0, n_queries, QUERIES):
        own = min(QUERIES, n_queries - first_query)
        # A tile that lacks queries does its last one again, with a limit that nothing exceeds.
        p0 = first_query * n_pairs
        p1 = min(first_query + 1, n_queries - 1) * n_pairs
        p2 = min(first_query + 2, n_queries - 1) * n_pairs
        p3 = min(first_query + 3, n_queries - 1) * n_pairs
        for block in range(first_block, stop_block):
            is_open = False
            for m in range(QUERIES):
                limits[m] = 32767
                starts[m] = 0
                if m >= own:
                    continue
                b = first_query + m
                reach = query_norms[b] * norms[block]
                floor = max(floors[b], out_scores[b, 0]) if counts[b] == k else floors[b]
                if reach * (1 + MARGIN) < floor:
                    continue
                is_open = True
                # |q·x - q̂·x̂| ≤ ‖q - q̂‖‖x‖ + ‖q̂‖‖x - x̂‖, and a little for rounding
                slacks[m] = query_errors[b] * norms[block] + (query_norms[b] + query_errors[b]) * errors[block]
                slacks[m] += MARGIN * reach
                units[m] = query_scales[b] * scales[block]
                limits[m] = _short_floor(floor, slacks[m], units[m])
                starts[m] = np.int16(-128 * query_sums[b])  # codes are 128 too large
            if not is_open:
                continue
            start0, start1 = splat_short(starts[0]), splat_short(starts[1])
            start2, start3 = splat_short(starts[2]), splat_short(starts[3])
            for tile in range(0, BLOCK, TILE):
                first_item = block * BLOCK + tile
                if first_item >= n_items:
                    break
                left = (first_item // LANES) * tile_bytes
                right = left + tile_bytes
                a0, a1, a2, a3 = start0, start1, start2, start3
                b0, b1, b2, b3 = start0, start1, start2, start3
                for p in range(n_pairs):
                    x, y = load_shorts(codes, left + p * 2 * LANES), load_shorts(codes, right + p * 2 * LANES)
                    q0, q1 = repeat_pair(flat, p0 + p), repeat_pair(flat, p1 + p)
                    a0, b0 = add_byte_products(a0, x, q0), add_byte_products(b0, y, q0)
                    a1, b1 = add_byte_products(a1, x, q1), add_byte_products(b1, y, q1)
                    q2, q3 = repeat_pair(flat, p2 + p), repeat_pair(flat, p3 + p)
                    a2, b2 = add_byte_products(a2, x, q2), add_byte_products(b2, y, q2)
                    a3, b3 = add_byte_products(a3, x, q3), add_byte_products(b3, y, q3)
                masks[0] = exceed(a0, b0, splat_short(limits[0]))
                masks[1] = exceed(a1, b1, splat_short(limits[1]))
                masks[2] = exceed(a2, b2, splat_short(limits[2]))
                masks[3] = exceed(a3, b3, splat_short(limits[3]))
                if masks[0] | masks[1] | masks[2] | masks[3] == 0:
                    continue
                for m in range(QUERIES):
                    mask = masks[m]
                    if mask == 0:
                        continue
                    b = first_query + m
                    while mask != 0:
                        i = first_item + lowest_bit(mask)
                        mask &= mask - np.uint32(1)
                        if i >= n_items:
                            break
                        if len(allowed) > 0 and not allowed[rows[i]]:
                            continue
                        if _contains(seen_rows, seen_indptr[b], seen_indptr[b + 1], rows[i]):
                            continue
                        score = _product(queries[b], items[i])
                        counts[b] = offer(score, rows[i], counts[b], out_scores[b], out_rows[b])
                    if counts[b] == k:
                        floor = max(floors[b], out_scores[b, 0])
                        limits[m] = _short_floor(floor, slacks[m], units[m])
