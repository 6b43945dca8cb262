"""Search by inner product in the few partitions that a query points to."""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.flat import contains, offer, product
from foretaste.models.kernels.jit import kernel

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Masks = npt.NDArray[np.bool_]


@kernel
def search_partitions(
    queries: Floats,
    order: Longs,
    n_probe: int,
    starts: Longs,
    items: Floats,
    reach: Floats,
    rows: Ints,
    seen_indptr: Longs,
    seen_rows: Ints,
    allowed: Masks,
    counts: Longs,
    out_rows: Ints,
    out_scores: Floats,
) -> None:
    """Offer the items of ``n_probe`` partitions to the heap of each query, and of more while the heap is not full.

    ``order`` (B, P) lists the partitions of each query in the order in which they are taken. Partition p is
    ``items[starts[p]:starts[p + 1]]``, by descending norm; ``reach`` (n,) is the norm of each, rounded up; ``rows``
    (n,) what it is called. ``seen_rows[seen_indptr[b]:seen_indptr[b + 1]]``, ascending, are left out for query b, as
    is what ``allowed`` (1 or B, I) is false for (of no rows: nothing). ``out_rows``, ``out_scores`` (B, k) and
    ``counts`` (B,) are the heaps.
    """
    k = out_rows.shape[1]
    for b in range(len(queries)):
        query, best, where = queries[b], out_scores[b], out_rows[b]
        length = np.float32(np.sqrt(product(query, query)) * np.float32(1.00001))
        own = b if len(allowed) > 1 else 0
        count = 0
        for place in range(order.shape[1]):
            if place >= n_probe and count == k:
                break
            part = order[b, place]
            for i in range(starts[part], starts[part + 1]):
                if count == k and length * reach[i] < best[0]:
                    break  # as cannot the shorter ones that follow
                score = product(query, items[i])
                if not (count < k or score >= best[0]) or not np.isfinite(score):
                    continue
                row = rows[i]
                if len(allowed) > 0 and not allowed[own, row]:
                    continue
                if not contains(seen_rows, seen_indptr[b], seen_indptr[b + 1], row):
                    count = offer(score, row, count, best, where)
        counts[b] = count
