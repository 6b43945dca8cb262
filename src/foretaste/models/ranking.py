"""From scores or factors to ranked lists: masked, batched top-k that never holds users × items."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy import sparse

from foretaste.data import Histories
from foretaste.errors import ModelError
from foretaste.models.threads import map_threads, n_threads

Floats = npt.NDArray[np.float32]
Ranked = tuple[npt.NDArray[np.int32], Floats]

FEW_USERS = 64
"""So many are ranked on one thread where that saves a pass over all items."""
BLOCK_BYTES = 24_000_000
"""Scores held at once by each thread."""
TILE_USERS = 512
TILE_ITEMS = 1024
"""A tile of 512 × 1024 scores is 2 MB: written by BLAS and scanned while it is still in the core's own cache."""
MIN_ITEMS_PER_PART = 16_384
"""Few users are ranked by cutting the items instead, in parts of at least so many."""


def rank_blocks(
    score_block: Callable[[int, int], Floats],
    *,
    n_users: int,
    n_items: int,
    k: int,
    seen: Histories | None = None,
    allowed: npt.NDArray[np.bool_] | None = None,
) -> Ranked:
    """The ``k`` best of ``score_block(start, stop)`` (n, I) for users ``start:stop``, block by block on all threads.

    Items in ``seen`` and outside ``allowed`` ((I,) or (B, I)) are left out, as are scores of NaN and -inf. Ties go to
    the smaller item row.

    Returns:
        Item rows (B, k) int32 padded with -1, and scores (B, k) float32 padded with NaN.

    Raises:
        ModelError: a block of another shape.
    """
    rows, scores = _empty_lists(n_users, k)
    step = int(np.clip(BLOCK_BYTES // (4 * max(1, n_items)), 1, 1024))
    step = max(1, min(step, -(-n_users // n_threads())))

    def rank(start: int) -> None:
        stop = min(start + step, n_users)
        block = score_block(start, stop)
        if block.shape != (stop - start, n_items):  # compiled loops trust it
            raise ModelError(f"a model gave scores of shape {block.shape}, not {(stop - start, n_items)}")
        hidden = allowed if allowed is None or allowed.ndim == 1 else allowed[start:stop]
        part = seen.block(start, stop) if seen is not None else None
        rank_dense(block, k=k, seen=part, allowed=hidden, out=(rows[start:stop], scores[start:stop]))

    map_threads(rank, range(0, n_users, step))
    return rows, scores


def rank_dense(
    block: Floats,
    *,
    k: int,
    seen: Histories | None = None,
    allowed: npt.NDArray[np.bool_] | None = None,
    out: Ranked | None = None,
) -> Ranked:
    """Like :func:`rank_blocks` for one block of scores (n, I), which is overwritten."""
    from foretaste.models.kernels.topk import hide, mask_seen, top_k

    block = np.ascontiguousarray(block, dtype=np.float32)
    rows, scores = out or _empty_lists(len(block), k)
    if seen is not None:
        mask_seen(block, seen.indptr, seen.item_rows)
    if allowed is not None:
        hide(block, np.ascontiguousarray(np.atleast_2d(allowed)))
    top_k(block, k, rows, scores)
    return rows, scores


def rank_factors(
    user_factors: Floats,
    item_factors: Floats,
    *,
    k: int,
    seen: Histories | None = None,
    allowed: npt.NDArray[np.bool_] | None = None,
    item_bias: Floats | None = None,
) -> Ranked:
    """The ``k`` best items by ``user_factors @ item_factors.T + item_bias``, several times faster than by blocks.

    Products are made tile by tile, by BLAS on one thread inside each of our threads, and scanned while in cache.
    ``user_factors`` is (B, F), ``item_factors`` (I, F), ``item_bias`` (I,). Everything else is as in
    :func:`rank_blocks`; scores may differ from another way of multiplying in the last bit. A row of NaN among the
    factors leaves that user's list empty, or that item out.

    Cost: 2·B·I·F operations; about 2 MB of buffer a thread.
    """
    users = np.ascontiguousarray(user_factors, dtype=np.float32)
    items = np.ascontiguousarray(item_factors, dtype=np.float32)
    if item_bias is not None:
        users = np.column_stack([users, np.ones(len(users), np.float32)])
        items = np.column_stack([items, item_bias.astype(np.float32)])
    kept = None
    if allowed is not None and allowed.ndim == 1:
        kept = np.flatnonzero(allowed).astype(np.int32)
        items, allowed = items[kept], None
        seen = _renumbered(seen, kept, len(item_factors)) if seen is not None else None
    n_items = len(items)
    n_parts = _item_parts(len(users), n_items)
    edges = np.linspace(0, n_items, n_parts + 1).astype(np.int64)
    partial_lists = [_empty_lists(len(users), k) for _ in range(n_parts)]

    def rank(start: int, part: int) -> None:
        block = slice(start, min(start + TILE_USERS, len(users)))
        out = tuple(array[block] for array in partial_lists[part])
        _rank_range(users, items, block, (int(edges[part]), int(edges[part + 1])), seen, allowed, out)  # type: ignore[arg-type]

    works = [partial(rank, start, part) for start in range(0, len(users), TILE_USERS) for part in range(n_parts)]
    map_threads(lambda work: work(), works)
    rows, scores = partial_lists[0] if n_parts == 1 else _merged(partial_lists, k)
    if kept is not None and len(kept):
        rows = np.where(rows >= 0, kept[rows], np.int32(-1))
    return rows, scores


def _rank_range(
    users: Floats,
    items: Floats,
    block: slice,
    item_range: tuple[int, int],
    seen: Histories | None,
    allowed: npt.NDArray[np.bool_] | None,
    out: Ranked,
) -> None:
    """Rank a range of items for a block of users into ``out``."""
    from foretaste.models.kernels.topk import scan_tile, sort_heaps, sort_within

    chosen = users[block]
    rows, scores = out
    counts = np.zeros(len(chosen), dtype=np.int64)
    part = seen.block(block.start, block.stop) if seen is not None else Histories.empty(len(chosen), len(items))
    seen_rows = sort_within(part.indptr, part.item_rows)
    next_seen, seen_end = part.indptr[:-1].copy(), part.indptr[1:]
    buffer = np.empty(len(chosen) * TILE_ITEMS, dtype=np.float32)
    for first in range(item_range[0], item_range[1], TILE_ITEMS):
        last = min(first + TILE_ITEMS, item_range[1])
        tile = buffer[: len(chosen) * (last - first)].reshape(len(chosen), last - first)
        np.matmul(chosen, items[first:last].T, out=tile)
        if allowed is not None:
            tile[~allowed[block, first:last]] = -np.inf
        scan_tile(tile, first, seen_rows, next_seen, seen_end, counts, rows, scores)
    sort_heaps(counts, rows, scores)


def _empty_lists(n_users: int, k: int) -> Ranked:
    return np.full((n_users, k), -1, dtype=np.int32), np.full((n_users, k), np.nan, dtype=np.float32)


def _item_parts(n_users: int, n_items: int) -> int:
    """How many parts to cut the items into: one unless there are fewer blocks of users than threads."""
    blocks = max(1, -(-n_users // TILE_USERS))
    wanted = -(-n_threads() // blocks) if blocks < n_threads() else 1
    return max(1, min(wanted, n_items // MIN_ITEMS_PER_PART))


def _merged(partial_lists: list[Ranked], k: int) -> Ranked:
    """The best of lists over consecutive ranges of items; their order keeps ties at the smaller row."""
    found = np.concatenate([rows for rows, _ in partial_lists], axis=1)
    places, scores = rank_dense(np.concatenate([scores for _, scores in partial_lists], axis=1), k=k)
    rows = np.take_along_axis(found, np.maximum(places, 0), axis=1)
    return np.where(places >= 0, rows, np.int32(-1)), scores


def _renumbered(seen: Histories, kept: npt.NDArray[np.int32], n_items: int) -> Histories:
    """Histories in terms of places in ``kept``; items that are not in it are dropped."""
    place_of = np.full(n_items, -1, dtype=np.int32)
    place_of[kept] = np.arange(len(kept), dtype=np.int32)
    places = place_of[seen.item_rows]
    keep = places >= 0
    rest = seen.where(keep)
    return replace(rest, item_rows=places[keep], n_items=len(kept))


def rank_sums(
    left: sparse.csr_array,
    right: sparse.csr_array,
    *,
    k: int,
    seen: Histories | None = None,
    allowed: npt.NDArray[np.bool_] | None = None,
    above: float = -np.inf,
) -> Ranked:
    """The ``k`` best of the sparse product (B, n) × (n, I) of float32, in time that grows with what rows share.

    Sums of 0 are no evidence, nor are those that are not above ``above``. All else is as in :func:`rank_blocks`.
    """
    from foretaste.models.kernels.sparse_sums import best_sums

    n_users, n_items = left.shape[0], right.shape[1]
    rows, scores = _empty_lists(n_users, k)
    left_out = seen if seen is not None else Histories.empty(n_users, n_items)
    mask = np.zeros((0, 0), dtype=bool) if allowed is None else np.ascontiguousarray(np.atleast_2d(allowed))
    weights, entries = np.asarray(left.data, np.float32), np.asarray(right.data, np.float32)
    best_sums(
        left.indptr, left.indices, weights, right.indptr, right.indices, entries, n_items,
        np.float32(above), left_out.indptr, left_out.item_rows, mask, rows, scores,
    )  # fmt: skip
    return rows, scores
