"""The 20 best items for all users from given factors, seen ones left out, beside implicit; flat search beside faiss.

Both peers get the same factors and threads. Lists are compared: scores that tie in the last bit may swap places.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import sparse

from benchmarks.rows import Row, speed_row
from benchmarks.speed.als import taste_matrix
from benchmarks.timing import in_turns
from foretaste.data import Histories
from foretaste.models.ranking import rank_factors
from foretaste.models.threads import blas_threads, n_threads

K = 20
FACTORS = 64


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """Rows for all users with a mask, and for flat search; needs no data."""
    shape = (10_000, 5_000, 220_000) if quick else (100_000, 20_000, 2_200_000)
    yield _all_users(taste_matrix(*shape))
    for n_items in (20_000,) if quick else (100_000, 1_000_000):
        yield flat_row("topk", n_items, n_queries=256 if quick else 2_000)


def _all_users(matrix: sparse.csr_array) -> Row:
    from implicit.cpu.als import AlternatingLeastSquares

    n_users, n_items = matrix.shape
    rng = np.random.default_rng(0)
    users, items = (rng.standard_normal((n, FACTORS), dtype=np.float32) for n in matrix.shape)
    n_pairs = matrix.nnz
    seen = Histories(
        matrix.indptr.astype(np.int64),
        matrix.indices.astype(np.int32),
        np.ones(n_pairs, np.float32),
        np.full(n_pairs, np.nan),
        n_items,
    )
    peer = AlternatingLeastSquares(factors=FACTORS, num_threads=n_threads())
    peer.user_factors, peer.item_factors = users, items
    pairs = sparse.csr_matrix((matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape)
    everybody = np.arange(n_users)

    def ours() -> np.ndarray:
        return rank_factors(users, items, k=K, seen=seen)[0]

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
        case=f"top {K} of {n_items:,} for {n_users:,} users, {FACTORS} factors, {n_pairs:,} seen pairs left out",
        same_places=round(same, 6),
    )


def flat_row(name: str, n_items: int, *, n_queries: int) -> Row:
    """Exact search by inner product beside faiss's flat index, queries in one batch."""
    import faiss

    rng = np.random.default_rng(1)
    items = rng.standard_normal((n_items, FACTORS), dtype=np.float32)
    queries = rng.standard_normal((n_queries, FACTORS), dtype=np.float32)
    index = faiss.IndexFlatIP(FACTORS)
    index.add(items)
    faiss.omp_set_num_threads(n_threads())

    def ours() -> np.ndarray:
        return rank_factors(queries, items, k=K)[0]

    def theirs() -> np.ndarray:
        return index.search(queries, K)[1]

    same = float((ours() == theirs()).mean())
    seconds = in_turns({"ours": ours, "theirs": theirs}, rounds=3)
    return speed_row(
        name,
        ours=n_queries / seconds["ours"],
        peer=n_queries / seconds["theirs"],
        peer_name="faiss flat",
        unit="queries/s",
        packages=["faiss-cpu"],
        case=f"flat search of {n_items:,} × {FACTORS}, {n_queries:,} queries",
        same_places=round(same, 6),
    )
