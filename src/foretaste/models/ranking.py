"""From blocks of scores to ranked lists: masked, batched top-k that never holds users × items."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from foretaste.data import Histories
from foretaste.models.threads import map_threads

BLOCK_BYTES = 24_000_000
"""Scores held at once by each thread."""


def rank_blocks(
    score_block: Callable[[int, int], npt.NDArray[np.float32]],
    *,
    n_users: int,
    n_items: int,
    k: int,
    seen: Histories | None = None,
    allowed: npt.NDArray[np.bool_] | None = None,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """The ``k`` best of ``score_block(start, stop)`` (n, I) for users ``start:stop``, block by block on all threads.

    Items in ``seen`` and outside ``allowed`` ((I,) or (B, I)) are left out, as are scores of NaN and -inf.

    Returns:
        Item rows (B, k) int32 padded with -1, and scores (B, k) float32 padded with NaN.
    """
    rows = np.full((n_users, k), -1, dtype=np.int32)
    scores = np.full((n_users, k), np.nan, dtype=np.float32)
    step = int(np.clip(BLOCK_BYTES // (4 * max(1, n_items)), 1, 1024))

    def rank(start: int) -> None:
        stop = min(start + step, n_users)
        block = score_block(start, stop)
        hidden = allowed if allowed is None or allowed.ndim == 1 else allowed[start:stop]
        part = seen.block(start, stop) if seen is not None else None
        rank_dense(block, k=k, seen=part, allowed=hidden, out=(rows[start:stop], scores[start:stop]))

    map_threads(rank, range(0, n_users, step))
    return rows, scores


def rank_dense(
    block: npt.NDArray[np.float32],
    *,
    k: int,
    seen: Histories | None = None,
    allowed: npt.NDArray[np.bool_] | None = None,
    out: tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]] | None = None,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Like :func:`rank_blocks` for one block of scores (n, I), which is overwritten."""
    from foretaste.models.kernels.topk import mask_seen, top_k

    block = np.ascontiguousarray(block, dtype=np.float32)
    rows, scores = out or (
        np.full((len(block), k), -1, dtype=np.int32),
        np.full((len(block), k), np.nan, dtype=np.float32),
    )
    if seen is not None:
        mask_seen(block, seen.indptr, seen.item_rows)
    if allowed is not None:
        block[np.broadcast_to(~allowed, block.shape)] = -np.inf
    top_k(block, k, rows, scores)
    return rows, scores
