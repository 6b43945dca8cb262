"""The 20 best items for all users from given factors, seen ones left out, beside implicit.

Both get the same factors and threads, and start from the bare factors: building our index is part of our time. Lists
are compared: scores that tie in the last bit may swap places. Random factors are the hardest case, as no item is
longer or more typical than the others; the second row has the factors of a fitted model.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import sparse

from benchmarks.rows import Row, speed_row
from benchmarks.speed.als import dataset_of, taste_matrix
from benchmarks.timing import in_turns
from foretaste.data import Histories
from foretaste.models.factorization.ials import ImplicitALS
from foretaste.models.flat_index import FlatIndex
from foretaste.models.ranking import Floats
from foretaste.models.threads import blas_threads, n_threads

K = 20
FACTORS = 64


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """Rows for random factors and for those of a fitted model; needs no data."""
    shape = (10_000, 5_000, 220_000) if quick else (100_000, 20_000, 2_200_000)
    matrix = taste_matrix(*shape)
    rng = np.random.default_rng(0)
    users, items = (rng.standard_normal((n, FACTORS), dtype=np.float32) for n in matrix.shape)
    yield _all_users(matrix, users, items, "random factors")
    model = ImplicitALS(n_factors=FACTORS, epochs=4 if quick else 12).fit(dataset_of(matrix))
    yield _all_users(matrix, model.user_factors, model.item_factors, "factors of iALS")


def _all_users(matrix: sparse.csr_array, users: Floats, items: Floats, kind: str) -> Row:
    from implicit.cpu.als import AlternatingLeastSquares

    n_users, n_items = matrix.shape
    n_pairs = matrix.nnz
    seen = Histories(
        matrix.indptr.astype(np.int64),
        matrix.indices.astype(np.int32),
        np.ones(n_pairs, np.float32),
        np.full(n_pairs, np.nan),
        n_items,
    )
    with blas_threads(1):  # else it warns
        peer = AlternatingLeastSquares(factors=FACTORS, num_threads=n_threads())
    peer.user_factors, peer.item_factors = users, items
    pairs = sparse.csr_matrix((matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape)
    everybody = np.arange(n_users)

    def ours() -> np.ndarray:
        return FlatIndex(items).search(users, K, seen=seen)[0]

    def theirs() -> np.ndarray:
        with blas_threads(1):  # as implicit asks for
            return peer.recommend(everybody, pairs, N=K, filter_already_liked_items=True)[0]

    same = float((ours() == theirs()).mean())  # also compiles our kernels
    seconds = in_turns({"ours": ours, "theirs": theirs}, rounds=3)
    return speed_row(
        "topk",
        ours=n_users / seconds["ours"],
        peer=n_users / seconds["theirs"],
        peer_name="implicit",
        unit="users/s",
        packages=["implicit"],
        case=f"top {K} of {n_items:,} for {n_users:,} users, {FACTORS} {kind}, {n_pairs:,} seen pairs left out",
        same_places=round(same, 6),
    )
