"""Item-item weights from one small regression for each item, on the few items most like it."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import sparse

from foretaste.models.linear.item_weights import dense_gram
from foretaste.models.nearest import csr_arrays, nearest_others
from foretaste.models.threads import map_threads, n_threads

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Solve = Callable[[Floats, Floats, Longs], Floats]
"""From Gram matrices (N, K, K), products with the target (N, K) and the numbers of members (N,) to weights (N, K)."""

DENSE_ITEMS = 10_000
"""Up to so many items the products of all are made once (400 MB); above, those of each item's neighbours anew."""
BATCH = 16
"""Small systems made and solved together by one thread."""
ROUNDS = 20
"""Times that progress is told."""


def nearest_items(
    matrix: sparse.csr_array,
    k: int,
    *,
    own: Floats,
    others: Floats,
    entries: Floats | None = None,
) -> tuple[Ints, Floats, Longs]:
    """The ``k`` other items with the largest c / (own[i]·others[j]) for each item i, best first.

    ``matrix`` is users × items, c the product of columns i and j, where i's is taken from ``entries`` (items × users
    order, (nnz,)) when given; see :func:`~foretaste.models.nearest.nearest_others`.
    """
    items = sparse.csr_array(matrix.T.tocsr())
    left = items.data if entries is None else entries
    return nearest_others(items, left, matrix, matrix.data, k, own=own, others=others)


def norms(matrix: sparse.csr_array) -> Floats:
    """The length of each column (I,)."""
    squares = np.bincount(matrix.indices, weights=matrix.data.astype(np.float64) ** 2, minlength=matrix.shape[1])
    return _f32(np.sqrt(squares))


def local_weights(
    matrix: sparse.csr_array,
    members: Ints,
    counts: Longs,
    solve: Solve,
    *,
    report: Callable[[int, int], None],
) -> sparse.csr_array:
    """Weights (I, I) of each item's ``members`` (I, K) for it, as ``solve`` gives them from their products.

    ``matrix`` is users × items, as weighted for the regressions. Zero weights are left out.
    Cost: Σ over items and users of (members the user took)² products beside the solutions, on all threads; 8·I·K bytes
    for the weights, twice that while they are put together, and what the members' entries take for each thread.
    """
    from foretaste.models.kernels.linear import gathered_grams, local_grams

    n_items, k = members.shape
    items = sparse.csr_array(matrix.T.tocsr())
    arrays = csr_arrays(items)
    lengths = np.diff(items.indptr)
    weights = np.zeros((n_items, k), np.float32)

    is_small = n_items <= DENSE_ITEMS
    whole = dense_gram(matrix) if is_small else np.zeros((0, 0), np.float32)

    def pick(targets: Ints) -> None:
        grams, products = np.empty((BATCH, k, k), np.float32), np.empty((BATCH, k), np.float32)
        for first in range(0, len(targets), BATCH):
            part = targets[first : first + BATCH]
            n = len(part)
            gathered_grams(part, members[part], counts[part], whole, grams[:n], products[:n])
            weights[part] = solve(grams[:n], products[:n], counts[part])

    def fit(targets: Ints) -> None:
        entries = lengths[targets] + np.where(np.arange(k) < counts[targets, None], lengths[members[targets]], 0).sum(
            axis=1
        )
        most = int(entries.max())
        sizes, touched = np.zeros(matrix.shape[0], np.int32), np.empty(min(most, matrix.shape[0]), np.int32)
        places, values = np.empty(most, np.int32), np.empty(most, np.float32)
        grams, products = np.empty((BATCH, k, k), np.float32), np.empty((BATCH, k), np.float32)
        for first in range(0, len(targets), BATCH):
            part = targets[first : first + BATCH]
            n = len(part)
            local_grams(
                part, members[part], counts[part], *arrays,
                sizes, touched, places, values, grams[:n], products[:n],
            )  # fmt: skip
            weights[part] = solve(grams[:n], products[:n], counts[part])

    rounds = _parts(n_items, ROUNDS)
    for step, targets in enumerate(rounds):
        map_threads(
            pick if is_small else fit,
            [targets[start :: n_threads()] for start in range(min(n_threads(), len(targets)))],
        )
        report(step + 1, len(rounds))
    return _by_history(members, weights, counts)


def _by_history(members: Ints, weights: Floats, counts: Longs) -> sparse.csr_array:
    """Lists of weights for each scored item as a matrix history items × scored items."""
    n_items, k = members.shape
    kept = (np.arange(k) < counts[:, None]) & (weights != 0)
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept.sum(axis=1))])
    scored = sparse.csr_array((weights[kept], members[kept], indptr), shape=(n_items, n_items))
    return sparse.csr_array(scored.T.tocsr())


def _parts(n: int, n_parts: int) -> list[Ints]:
    """Consecutive rows in at most so many parts."""
    return [part for part in np.array_split(np.arange(n, dtype=np.int32), n_parts) if len(part)]


def _f32(values: npt.NDArray[np.floating]) -> Floats:
    return np.asarray(values, dtype=np.float32)
