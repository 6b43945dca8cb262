"""From the candidates of several sources to one ranking, for many users at once."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int32]
Scores = npt.NDArray[np.float32]
Method = Literal["reciprocal_rank", "normalised_score"]


def merge(
    parts: Sequence[tuple[Rows, Scores]], weights: Sequence[float], *, k: int, method: Method, damping: float
) -> tuple[Rows, Scores, npt.NDArray[np.int16]]:
    """The ``k`` best items over all parts, each item once.

    ``reciprocal_rank``: score = Σ over parts of w / (damping + rank), rank from 1 (Cormack, Clarke and Büttcher, SIGIR
    2009, with weights). ``normalised_score``: Σ of w × the score scaled to 0 … 1 within its list. Equal scores are
    ordered by row.

    Args:
        parts: item rows (B, n) best first, padded with -1, and scores (B, n), one pair a source.
        weights: one a source.

    Returns:
        Rows (B, k) padded with -1, scores (B, k) padded with NaN, and the source (its number in ``parts``) that added
        most to each score (B, k), -1 in the padding.
    """
    from foretaste.models.kernels.merging import add_up, best_totals

    gains = []
    for (part_rows, part_scores), weight in zip(parts, weights, strict=True):
        if method == "reciprocal_rank":
            gain = np.broadcast_to(weight / (damping + 1.0 + np.arange(part_rows.shape[1])), part_rows.shape)
        else:
            gain = weight * _scaled(part_scores)
        gains.append(gain)
    rows = np.concatenate([part_rows for part_rows, _ in parts], axis=1)
    codes = np.repeat(np.arange(len(parts), dtype=np.int16), [part_rows.shape[1] for part_rows, _ in parts])
    n_users = len(rows)
    found, totals, sources = np.empty_like(rows), np.empty(rows.shape), np.empty(rows.shape, np.int16)
    counts = np.empty(n_users, np.int64)
    add_up(rows, np.concatenate(gains, axis=1), codes, found, totals, sources, counts)
    out_rows = np.full((n_users, k), -1, dtype=np.int32)
    out_scores = np.full((n_users, k), np.nan, dtype=np.float32)
    out_codes = np.full((n_users, k), -1, dtype=np.int16)
    best_totals(found, totals, sources, counts, out_rows, out_scores, out_codes)
    return out_rows, out_scores, out_codes


def _scaled(scores: Scores) -> npt.NDArray[np.float64]:
    """Scores (B, n) scaled to 0 … 1 within each list; 1 where all are equal."""
    known = np.isfinite(scores)
    low = np.min(scores, axis=1, keepdims=True, initial=np.inf, where=known)
    high = np.max(scores, axis=1, keepdims=True, initial=-np.inf, where=known)
    span = np.where(high > low, high - low, 1.0).astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(high > low, (scores - low) / span, 1.0), dtype=np.float64)
