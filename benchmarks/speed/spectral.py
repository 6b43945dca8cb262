"""The main singular vectors of a sparse matrix: ours beside scikit-learn's randomised and SciPy's exact method.

The matrix is the normalised graph of users and items, as the graph filters decompose it. ``energy`` is Σσ² of the
values found, as a share of what the exact method finds.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import svds

from benchmarks.rows import Row, rounded, speed_row
from benchmarks.speed.als import taste_matrix
from benchmarks.timing import in_turns, timed
from foretaste.models.graph.filters import normalized_graph
from foretaste.models.spectral import randomized_svd
from foretaste.models.threads import blas_threads, n_threads

ITERATIONS = 4
OVERSAMPLING = 16


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """Two rows for generated data, and two for Gowalla where ``data`` has it."""
    shape = (4_000, 2_000, 80_000) if quick else (50_000, 20_000, 1_100_000)
    yield from _rows(taste_matrix(*shape), 32 if quick else 256, f"{shape[0]:,} × {shape[1]:,}")
    if data is not None and (data / "gowalla").is_dir() and not quick:
        from foretaste.data import read_split

        yield from _rows(read_split(data / "gowalla")[0].matrix("binary"), 512, "gowalla train")


def _rows(matrix: sparse.csr_array, k: int, case: str) -> Iterator[Row]:
    from sklearn.utils.extmath import randomized_svd as peer_svd

    graph = normalized_graph(matrix)
    peer_graph = sparse.csr_matrix((graph.data, graph.indices, graph.indptr), shape=graph.shape)

    def ours() -> npt.NDArray[np.floating]:
        return randomized_svd(graph, k, oversampling=OVERSAMPLING, iterations=ITERATIONS).values

    def theirs() -> npt.NDArray[np.floating]:
        with blas_threads(n_threads()):
            options = {"n_iter": ITERATIONS, "n_oversamples": OVERSAMPLING, "power_iteration_normalizer": "LU"}
            return np.asarray(peer_svd(peer_graph, k, random_state=0, **options)[1])

    def exact() -> npt.NDArray[np.floating]:
        with blas_threads(n_threads()):
            return np.asarray(svds(peer_graph, k, random_state=0)[1])

    ours()  # compiles
    exact_s, values = timed(exact)
    whole = float(np.square(values).sum())
    seconds = in_turns({"ours": ours, "theirs": theirs}, rounds=1 if len(values) > 64 else 3)
    energy = rounded(float(np.square(ours()).sum()) / whole, 6)
    peer_energy = rounded(float(np.square(theirs()).sum()) / whole, 6)
    common = {"ours": seconds["ours"], "unit": "s", "case": f"{case}, {matrix.nnz:,} pairs, k = {k}", "energy": energy}
    yield speed_row(
        "spectral",
        peer=seconds["theirs"],
        peer_name="scikit-learn randomized_svd",
        packages=["scikit-learn"],
        peer_energy=peer_energy,
        **common,  # type: ignore[arg-type]
    )
    yield speed_row("spectral exact", peer=exact_s, peer_name="scipy svds", peer_energy=1.0, **common)  # type: ignore[arg-type]
