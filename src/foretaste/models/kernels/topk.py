"""The k best columns of each row, some columns left out: a heap per row behind a vectorised test of 64 scores at once.

Almost every score is below the worst one kept, so the scan asks «is any of the next 64 above the threshold?», which
compiles to a few vector instructions, and looks closer only where the answer is yes. The heaps order by score and,
where
scores tie, by the smaller column, so a list does not depend on how the columns were cut into tiles.
"""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]

CHUNK = 64
"""Scores tested together; a constant, so that the compiler unrolls the test."""


@kernel
def _sift_up(best: Floats, where: Ints, count: int, score: np.float32, column: int) -> None:
    """Add an entry to a heap of ``count`` entries whose root is the worst one."""
    place = count
    while place > 0:
        parent = (place - 1) >> 1
        if best[parent] < score or (best[parent] == score and where[parent] > column):
            break
        best[place] = best[parent]
        where[place] = where[parent]
        place = parent
    best[place] = score
    where[place] = column


@kernel
def _sift_down(best: Floats, where: Ints, count: int, score: np.float32, column: int) -> None:
    """Put an entry in the place of the root."""
    place = 0
    while True:
        child = 2 * place + 1
        if child >= count:
            break
        right = child + 1
        if right < count and (
            best[right] < best[child] or (best[right] == best[child] and where[right] > where[child])
        ):
            child = right
        if score < best[child] or (score == best[child] and column > where[child]):
            break
        best[place] = best[child]
        where[place] = where[child]
        place = child
    best[place] = score
    where[place] = column


@kernel
def scan_row(row: Floats, offset: int, floor: np.float32, count: int, best: Floats, where: Ints) -> int:
    """Offer every entry of ``row`` above ``floor`` to one heap of ``count`` entries; returns the new count.

    ``best`` and ``where`` (k,) hold the heap; ``offset`` is added to columns. Columns must come in ascending order over
    the calls for one heap.
    """
    k = len(best)
    n = len(row)
    threshold = best[0] if count == k else floor
    start = 0
    while start < n:
        stop = min(start + CHUNK, n)
        if stop - start == CHUNK:
            above = np.int32(0)
            for i in range(CHUNK):
                above |= np.int32(row[start + i] > threshold)  # false for NaN
            if above == 0:
                start = stop
                continue
        for i in range(start, stop):
            score = row[i]
            if score > threshold:
                if count < k:
                    _sift_up(best, where, count, score, offset + i)
                    count += 1
                    if count == k:
                        threshold = best[0]
                else:
                    _sift_down(best, where, k, score, offset + i)
                    threshold = best[0]
        start = stop
    return count


@kernel
def sort_heap(count: int, best: Floats, where: Ints) -> None:
    """Turn a heap of ``count`` entries into a list, best first."""
    for last in range(count - 1, 0, -1):
        score, column = best[0], where[0]
        _sift_down(best, where, last, best[last], where[last])
        best[last] = score
        where[last] = column


@kernel
def top_k(scores: Floats, k: int, out_rows: Ints, out_scores: Floats) -> None:
    """Write the ``k`` largest entries of each row, largest first, ties by the smaller column.

    ``scores`` is (B, I); ``out_rows`` and ``out_scores`` are (B, k) and come filled with -1 and NaN. NaN and -inf
    never qualify.
    """
    for b in range(scores.shape[0]):
        count = scan_row(scores[b], 0, np.float32(-np.inf), 0, out_scores[b, :k], out_rows[b, :k])
        sort_heap(count, out_scores[b], out_rows[b])


@kernel
def scan_tile(
    tile: Floats, offset: int, seen: Ints, next_seen: Longs, seen_end: Longs, counts: Longs, rows: Ints, best: Floats
) -> None:
    """Offer a tile of scores (B, T), columns ``offset`` on, to one heap a row, what was seen left out.

    ``seen[next_seen[b]:seen_end[b]]`` are the columns of row b still to be left out, ascending; ``next_seen`` moves
    on. The tile is overwritten. ``rows`` and ``best`` are (B, k), ``counts`` (B,).
    """
    stop = offset + tile.shape[1]
    for b in range(tile.shape[0]):
        place = next_seen[b]
        while place < seen_end[b] and seen[place] < stop:
            if seen[place] >= offset:
                tile[b, seen[place] - offset] = -np.inf
            place += 1
        next_seen[b] = place
        counts[b] = scan_row(tile[b], offset, np.float32(-np.inf), counts[b], best[b], rows[b])


@kernel
def sort_heaps(counts: Longs, rows: Ints, best: Floats) -> None:
    """:func:`sort_heap` for every row of (B, k)."""
    for b in range(len(counts)):
        sort_heap(counts[b], best[b], rows[b])


@kernel
def sort_within(indptr: Longs, columns: Ints) -> Ints:
    """A copy of ``columns`` with every slice ``indptr[b]:indptr[b + 1]`` in ascending order."""
    out = columns.copy()
    for b in range(len(indptr) - 1):
        part = out[indptr[b] : indptr[b + 1]]
        if len(part) <= 32:
            for i in range(1, len(part)):
                column = part[i]
                place = i
                while place > 0 and part[place - 1] > column:
                    part[place] = part[place - 1]
                    place -= 1
                part[place] = column
        else:
            part.sort()
    return out


@kernel
def mask_seen(scores: Floats, indptr: Longs, columns: Ints) -> None:
    """Set ``scores[b, columns[indptr[b]:indptr[b+1]]]`` to -inf, in place."""
    for b in range(scores.shape[0]):
        for n in range(indptr[b], indptr[b + 1]):
            scores[b, columns[n]] = -np.inf


@kernel
def hide(scores: Floats, allowed: npt.NDArray[np.bool_]) -> None:
    """Set what is not allowed to -inf, in place; ``allowed`` is (1, I) for all rows of (B, I), or (B, I)."""
    shared = allowed.shape[0] == 1
    for b in range(scores.shape[0]):
        own, row = allowed[0 if shared else b], scores[b]
        for i in range(len(row)):
            row[i] = row[i] if own[i] else np.float32(-np.inf)


@kernel
def first_of_order(
    order: Ints,
    scores: Floats,
    indptr: Longs,
    seen: Ints,
    allowed: npt.NDArray[np.bool_],
    out_rows: Ints,
    out_scores: Floats,
) -> None:
    """The first columns of ``order`` that each row may have, up to the width k of the outputs, which come filled.

    Those in ``seen[indptr[b]:indptr[b + 1]]`` are left out, and where ``allowed`` ((0, 0), (1, I) or (B, I)) is false.
    ``scores`` (I,) are written beside them.
    """
    n_lists, k = out_rows.shape
    for b in range(n_lists):
        mask = min(b, allowed.shape[0] - 1)
        count = 0
        for column in order:
            if count == k:
                break
            if mask >= 0 and not allowed[mask, column]:
                continue
            is_seen = False
            for n in range(indptr[b], indptr[b + 1]):
                if seen[n] == column:
                    is_seen = True
                    break
            if is_seen:
                continue
            out_rows[b, count], out_scores[b, count] = column, scores[column]
            count += 1
