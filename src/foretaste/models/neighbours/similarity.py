"""Which rows of a user-item matrix are alike: weighting, norms, and the K nearest on all threads."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from foretaste.models.nearest import csr_places, nearest_others, row_sums

Floats = npt.NDArray[np.float32]
Similarity = Literal["cosine", "jaccard", "tfidf", "bm25", "pearson", "adjusted_cosine"]
CENTRED = frozenset({"pearson", "adjusted_cosine"})
"""Similarities that need entries of different heights: with ones alone there is nothing left after centring."""

BM25_SATURATION = 1.2
BM25_LENGTH_SHARE = 0.75
"""k₁ and b of Okapi BM25, at their usual values."""


@dataclass(frozen=True)
class Weighted:
    """A matrix (n, F) whose rows are compared, as the kernels want it: products of ``left`` with the transposed matrix.

    The similarity of rows i and j is ``c / (own[i]·others[j] + shrinkage)`` with c the sum of products, or Jaccard's
    ``c / (own[i] + others[j] - c + shrinkage)``. ``feature_weights`` (F,) are the factors that an unseen row needs.
    """

    matrix: sparse.csr_array
    left: Floats  # (nnz,) entries of the matrix times what the transposed entries do not carry
    transposed: sparse.csr_array
    entries: Floats  # (nnz,) of the transposed matrix; empty for ones
    own: Floats
    others: Floats
    is_overlap: bool
    feature_weights: Floats
    feature_means: Floats  # (F,) for the adjusted cosine of an unseen row, else empty


def weighted(
    matrix: sparse.csr_array,
    transposed: sparse.csr_array,
    similarity: Similarity,
    *,
    feature_exponent: float = 0.0,
    own_share: float = 0.5,
) -> Weighted:
    """Weigh the features (columns) of ``matrix`` and prepare to compare its rows.

    Args:
        matrix: (n, F), the rows to compare.
        transposed: the same, (F, n).
        similarity: ``cosine`` of the entries; ``jaccard`` of the sets; ``tfidf`` and ``bm25``, the cosine after
            weighting, rows being the documents and features the terms; ``pearson`` and ``adjusted_cosine``, the cosine
            of entries less the mean of their row or their feature, what is missing being average.
        feature_exponent: a feature's products are divided by (its number of rows)^exponent.
        own_share: exponent a of ‖i‖^(2a)·‖j‖^(2(1-a)); 0.5 is the cosine (Aiolli 2013 calls it asymmetric).
    """
    n_features = matrix.shape[1]
    features = matrix.indices
    degrees = np.maximum(np.diff(transposed.indptr), 1)
    factors = degrees.astype(np.float64) ** -feature_exponent  # (F,) on each product
    if similarity == "jaccard":
        sizes = np.diff(matrix.indptr).astype(np.float32)
        ones = np.ones(n_features, np.float32)
        empty = np.zeros(0, np.float32)
        return Weighted(matrix, np.ones(matrix.nnz, np.float32), transposed, empty, sizes, sizes, True, ones, empty)
    if similarity in {"tfidf", "bm25"}:
        factors *= np.log1p(matrix.shape[0] / degrees) ** 2
    feature_means = _row_means(transposed) if similarity == "adjusted_cosine" else np.zeros(0, np.float32)
    entries = _entries(matrix, similarity, feature_means)
    squares = entries.astype(np.float64) ** 2 * factors[features]
    norms = np.sqrt(row_sums(matrix.indptr, squares))  # (n,)
    if bool((entries == 1).all()):
        left, right = factors[features].astype(np.float32), np.zeros(0, np.float32)
    else:
        left = (entries * factors[features]).astype(np.float32)
        order = sparse.csr_array((np.arange(matrix.nnz), matrix.indices, matrix.indptr), shape=matrix.shape)
        right = entries[order.T.tocsr().data]
    own, others = (np.power(norms, 2 * share, dtype=np.float64) for share in (own_share, 1 - own_share))
    return Weighted(matrix, left, transposed, right, _f32(own), _f32(others), False, _f32(factors), feature_means)


def nearest(
    source: Weighted, k: int, *, shrinkage: float = 0.0
) -> tuple[npt.NDArray[np.int32], Floats, npt.NDArray[np.int64]]:
    """The ``k`` most similar other rows of each row, see :func:`~foretaste.models.nearest.nearest_others`."""
    return nearest_others(
        source.matrix,
        source.left,
        source.transposed,
        source.entries,
        k,
        own=source.own,
        others=source.others,
        shrinkage=shrinkage,
        is_overlap=source.is_overlap,
    )


def refreshed(
    neighbours: sparse.csr_array,
    source: Weighted,
    targets: npt.NDArray[np.integer],
    k: int,
    *,
    shrinkage: float = 0.0,
) -> sparse.csr_array:
    """Lists of ``k`` neighbours (n, n) after the rows ``targets`` of the source changed, all others being as before.

    ``neighbours`` are the lists before, for the first of the n rows. Each pair of which one is a target is compared
    anew, and takes its place in the lists of both; pairs without a target keep their similarity.
    Cost: the products of the targets, and one pass over the lists of all rows that share something with them.
    """
    n = source.matrix.shape[0]
    transposed = source.transposed
    right = source.entries if len(source.entries) else np.ones(transposed.nnz, np.float32)
    left = sparse.csr_array((source.left, source.matrix.indices, source.matrix.indptr), shape=source.matrix.shape)
    right_matrix = sparse.csr_array((right, transposed.indices, transposed.indptr), shape=transposed.shape)
    common = sparse.coo_array(sparse.csr_array(left[targets]) @ right_matrix)  # (m, n)
    target, other, shared = targets[common.row], common.col, common.data
    useful = (target != other) & (shared > 0)
    target, other, shared = target[useful], other[useful], shared[useful]
    lists = sparse.coo_array(neighbours)
    is_target = np.zeros(n, dtype=bool)
    is_target[targets] = True
    old = ~is_target[lists.row] & ~is_target[lists.col]
    kept_rows, kept_values = lists.row[old], lists.data[old]
    is_full = np.bincount(kept_rows, minlength=n) >= k
    floors = np.full(n, np.inf, np.float32)
    np.minimum.at(floors, kept_rows, kept_values)
    floors[~is_full] = -np.inf  # (n,) what a pair needs to get into a list
    back = _f32(_similar(source, other, target, shared, shrinkage))
    enters = ~is_target[other] & (back >= floors[other])
    rows = np.concatenate([kept_rows, target, other[enters]])
    columns = np.concatenate([lists.col[old], other, target[enters]])
    values = np.concatenate([kept_values, _f32(_similar(source, target, other, shared, shrinkage)), back[enters]])
    # positive numbers have the order of their bits, so one key sorts by row, then from the largest value down
    keys = (rows.astype(np.int64) << 32) | (np.int64(0x7FFFFFFF) - values.view(np.int32))
    order = np.argsort(keys)
    rows, columns, values = rows[order], columns[order], values[order]
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(rows, minlength=n))])
    kept = np.arange(len(rows)) - starts[rows] < k
    return sparse.csr_array((values[kept], (rows[kept], columns[kept])), shape=(n, n))


def _similar(
    source: Weighted,
    rows: npt.NDArray[np.integer],
    others: npt.NDArray[np.integer],
    shared: npt.NDArray[np.floating],
    shrinkage: float,
) -> npt.NDArray[np.floating]:
    """The similarities (m,) of pairs with these sums of products."""
    own, theirs = source.own[rows], source.others[others]
    return np.asarray(shared / ((own + theirs - shared if source.is_overlap else own * theirs) + shrinkage))


def nearest_of_new(
    source: Weighted,
    matrix: sparse.csr_array,
    k: int,
    *,
    similarity: Similarity,
    shrinkage: float,
    excluded: npt.NDArray[np.int32],
) -> tuple[npt.NDArray[np.int32], Floats, npt.NDArray[np.int64]]:
    """Like :func:`nearest` for rows that are not in the source: the source's rows most similar to each of ``matrix``'s.

    ``matrix`` (n, F) has the features of the source; ``excluded`` (n,) are source rows to leave out, -1 for none.
    """
    from foretaste.models.kernels.neighbours import nearest_rows

    n = matrix.shape[0]
    k = max(1, min(k, source.matrix.shape[0]))
    rows, values, counts = np.zeros((n, k), np.int32), np.zeros((n, k), np.float32), np.zeros(n, np.int64)
    if source.is_overlap:
        left = np.ones(matrix.nnz, np.float32)
        own = np.diff(matrix.indptr).astype(np.float32)
    else:
        entries = _entries(matrix, similarity, source.feature_means, mean_length=_mean_length(source.matrix))
        factors = source.feature_weights[matrix.indices]
        left = _f32(entries * factors)
        own = _f32(np.sqrt(row_sums(matrix.indptr, entries.astype(np.float64) ** 2 * factors)))
    targets = np.arange(n, dtype=np.int32)
    nearest_rows(
        targets, excluded.astype(np.int32), *csr_places(matrix), left, *csr_places(source.transposed), source.entries,
        own, source.others, np.float32(shrinkage), source.is_overlap,
        rows, values, counts,
    )  # fmt: skip
    return rows, values, counts


def _mean_length(matrix: sparse.csr_array) -> float:
    return float(matrix.data.sum(dtype=np.float64)) / max(matrix.shape[0], 1)


def _entries(
    matrix: sparse.csr_array, similarity: Similarity, feature_means: Floats, *, mean_length: float | None = None
) -> Floats:
    """The entries as the similarity weighs them; BM25 compares a row's length with the mean one."""
    if similarity == "pearson":
        return _f32(matrix.data - np.repeat(_row_means(matrix), np.diff(matrix.indptr)))
    if similarity == "adjusted_cosine":
        return _f32(matrix.data - feature_means[matrix.indices])
    if similarity != "bm25":
        return matrix.data.astype(np.float32)
    mean = _mean_length(matrix) if mean_length is None else mean_length
    relative = row_sums(matrix.indptr, matrix.data.astype(np.float64)) / max(mean, 1e-12)
    damping = BM25_SATURATION * (1 - BM25_LENGTH_SHARE + BM25_LENGTH_SHARE * relative)
    per_entry = np.repeat(damping, np.diff(matrix.indptr))
    return _f32(matrix.data * (BM25_SATURATION + 1) / (matrix.data + per_entry))


def _row_means(matrix: sparse.csr_array) -> Floats:
    lengths = np.maximum(np.diff(matrix.indptr), 1)
    return _f32(row_sums(matrix.indptr, matrix.data.astype(np.float64)) / lengths)


def _f32(values: npt.NDArray[np.floating]) -> Floats:
    return np.asarray(values, dtype=np.float32)
