"""Kernels of the hybrids: scores brought to one scale, and the quality of many weightings of the same candidates."""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel

Floats = npt.NDArray[np.float32]
Longs = npt.NDArray[np.int64]


@kernel(fastmath={"reassoc", "contract", "nsz"})
def zscore_rows(scores: Floats, out: Floats) -> None:
    """Write (s - mean) / deviation over the finite scores of each row; what is not finite becomes the row's lowest
    value, a flat or empty row 0.
    """
    n_items = scores.shape[1]
    for b in range(scores.shape[0]):
        row = scores[b]
        total, squares, count, lowest = 0.0, 0.0, 0, np.inf
        for i in range(n_items):
            value = np.float64(row[i])
            if np.isfinite(value):
                total += value
                count += 1
                lowest = min(lowest, value)
        mean = total / max(1, count)
        for i in range(n_items):
            value = np.float64(row[i])
            if np.isfinite(value):
                squares += (value - mean) * (value - mean)
        deviation = np.sqrt(squares / max(1, count))
        if deviation <= 1e-6 * max(1.0, abs(mean)):
            out[b] = 0
            continue
        floor = np.float32((lowest - mean) / deviation)
        for i in range(n_items):
            value = np.float64(row[i])
            out[b, i] = np.float32((value - mean) / deviation) if np.isfinite(value) else floor


@kernel(fastmath={"reassoc", "contract", "nsz"})
def blend_quality(
    features: Floats,
    indptr: Longs,
    n_positive: Longs,
    discounts: npt.NDArray[np.float64],
    ideal: npt.NDArray[np.float64],
    weights: Floats,
    first_user: int,
    last_user: int,
    out: npt.NDArray[np.float64],
) -> None:
    """The summed NDCG of V weightings (V, P) over the candidates of users ``first_user:last_user``, into ``out`` (V,).

    ``features`` (P, N) holds the parts' scores; user u owns the columns ``indptr[u]:indptr[u + 1]``, its
    ``n_positive[u]`` relevant items first. ``discounts`` (k,) is the gain of each place, ``ideal[u]`` the best sum.
    Among equal scores a relevant item has the last of their places in the list. All weightings are judged on one user
    before the next, whose few candidates then stay in the core's own cache.
    """
    n_parts, k = features.shape[0], len(discounts)
    widest = 0
    for u in range(first_user, last_user):
        widest = max(widest, indptr[u + 1] - indptr[u])
    own_features = np.empty((n_parts, widest), dtype=np.float32)
    blended = np.empty(widest, dtype=np.float32)
    for u in range(first_user, last_user):
        start, width = indptr[u], indptr[u + 1] - indptr[u]
        if ideal[u] <= 0:
            continue
        for p in range(n_parts):
            for c in range(width):
                own_features[p, c] = features[p, start + c]
        for v in range(weights.shape[0]):
            blended[:width] = 0
            for p in range(n_parts):
                weight = weights[v, p]
                if weight != 0:
                    for c in range(width):
                        blended[c] += weight * own_features[p, c]
            gain = 0.0
            for positive in range(n_positive[u]):
                own = blended[positive]
                n_above = np.int32(0)
                for c in range(width):
                    n_above += np.int32(blended[c] > own)
                if n_above < k:
                    n_up_to = np.int32(0)
                    for c in range(width):
                        n_up_to += np.int32(blended[c] >= own)
                    gain += discounts[n_up_to - 1 if n_up_to < k else k - 1]
            out[v] += gain / ideal[u]
