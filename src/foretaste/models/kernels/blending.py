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
    out: npt.NDArray[np.float64],
) -> None:
    """The mean NDCG of V weightings (V, P) over the candidates of many users, into ``out`` (V,).

    ``features`` (P, N) holds the parts' scores; user u owns the columns ``indptr[u]:indptr[u + 1]``, its
    ``n_positive[u]`` relevant items first. ``discounts`` (k,) is the gain of each place, ``ideal[u]`` the best sum.
    Among equal scores a relevant item has the last of their places in the list.
    """
    n_parts, k = features.shape[0], len(discounts)
    widest = 0
    for u in range(len(n_positive)):
        widest = max(widest, indptr[u + 1] - indptr[u])
    blended = np.empty(widest, dtype=np.float32)
    best = np.empty(k, dtype=np.float32)
    for v in range(weights.shape[0]):
        quality = 0.0
        for u in range(len(n_positive)):
            start, width = indptr[u], indptr[u + 1] - indptr[u]
            first = weights[v, 0]
            for c in range(width):
                blended[c] = first * features[0, start + c]
            for p in range(1, n_parts):
                weight = weights[v, p]
                if weight != 0:
                    for c in range(width):
                        blended[c] += weight * features[p, start + c]
            count = 0  # ``best`` holds the k highest scores, highest first
            for c in range(width):
                own = blended[c]
                if count == k and own <= best[k - 1]:
                    continue
                place = min(count, k - 1)
                while place > 0 and best[place - 1] < own:
                    best[place] = best[place - 1]
                    place -= 1
                best[place] = own
                count = min(count + 1, k)
            gain = 0.0
            for c in range(n_positive[u]):
                own = blended[c]
                if own < best[count - 1]:
                    continue
                last = count - 1  # the last place of an equal score: a tie counts against the relevant item
                while best[last] < own:
                    last -= 1
                gain += discounts[last]
            if ideal[u] > 0:
                quality += gain / ideal[u]
        out[v] = quality / max(1, len(n_positive))
