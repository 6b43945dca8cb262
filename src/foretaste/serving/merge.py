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
    n_users = len(parts[0][0])
    users, rows, gains, codes = [], [], [], []
    for code, ((part_rows, part_scores), weight) in enumerate(zip(parts, weights, strict=True)):
        b, place = np.nonzero(part_rows >= 0)
        if method == "reciprocal_rank":
            gain = weight / (damping + 1.0 + place)
        else:
            gain = weight * _scaled(part_scores)[b, place]
        users.append(b)
        rows.append(part_rows[b, place])
        gains.append(gain)
        codes.append(np.full(len(b), code, dtype=np.int16))
    return _ranked(
        np.concatenate(users), np.concatenate(rows), np.concatenate(gains), np.concatenate(codes), n_users, k
    )


def _scaled(scores: Scores) -> npt.NDArray[np.float64]:
    """Scores (B, n) scaled to 0 … 1 within each list; 1 where all are equal."""
    known = np.isfinite(scores)
    low = np.min(scores, axis=1, keepdims=True, initial=np.inf, where=known)
    high = np.max(scores, axis=1, keepdims=True, initial=-np.inf, where=known)
    span = np.where(high > low, high - low, 1.0).astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(high > low, (scores - low) / span, 1.0), dtype=np.float64)


def _ranked(
    users: npt.NDArray[np.int64],
    rows: Rows,
    gains: npt.NDArray[np.float64],
    codes: npt.NDArray[np.int16],
    n_users: int,
    k: int,
) -> tuple[Rows, Scores, npt.NDArray[np.int16]]:
    out_rows = np.full((n_users, k), -1, dtype=np.int32)
    out_scores = np.full((n_users, k), np.nan, dtype=np.float32)
    out_codes = np.full((n_users, k), -1, dtype=np.int16)
    if len(users) == 0:
        return out_rows, out_scores, out_codes
    order = np.lexsort((codes, -gains, rows, users))  # the strongest source of an item comes first
    users, rows, gains, codes = users[order], rows[order], gains[order], codes[order]
    first = np.ones(len(users), dtype=bool)
    first[1:] = (users[1:] != users[:-1]) | (rows[1:] != rows[:-1])
    starts = np.flatnonzero(first)
    totals = np.add.reduceat(gains, starts)
    users, rows, codes = users[starts], rows[starts], codes[starts]
    order = np.lexsort((rows, -totals, users))
    users, rows, codes, totals = users[order], rows[order], codes[order], totals[order]
    places = np.arange(len(users)) - np.searchsorted(users, users)
    kept = places < k
    out_rows[users[kept], places[kept]] = rows[kept]
    out_scores[users[kept], places[kept]] = totals[kept]
    out_codes[users[kept], places[kept]] = codes[kept]
    return out_rows, out_scores, out_codes
