"""Scoring by ChebyCF: our panels beside the same recurrence on ``scipy``'s ``csr @ dense``, as papers' code has it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import sparse

from benchmarks.rows import Row, speed_row
from benchmarks.speed.als import dataset_of, taste_matrix
from benchmarks.timing import in_turns
from foretaste.models.graph.chebycf import ChebyCF
from foretaste.models.graph.filters import normalized_graph
from foretaste.models.threads import blas_threads, n_threads

Floats = npt.NDArray[np.float32]
BATCH = 256


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """A row for generated data, and one for Gowalla where ``data`` has it; both without the low-rank part."""
    shape = (2_000, 1_000, 40_000) if quick else (50_000, 20_000, 1_100_000)
    yield _row(taste_matrix(*shape), f"{shape[0]:,} × {shape[1]:,}", users=256 if quick else 1024)
    if data is not None and (data / "gowalla").is_dir() and not quick:
        from foretaste.data import read_split

        yield _row(read_split(data / "gowalla")[0].matrix("binary"), "gowalla train", users=1024)


def _row(matrix: sparse.csr_array, case: str, *, users: int) -> Row:
    model = ChebyCF(ideal_share=0.0, n_factors=1, dense_items=0, svd_iterations=1).fit(dataset_of(matrix))
    rows = np.arange(users, dtype=np.int32)
    graph = normalized_graph(matrix)
    back = sparse.csr_array(graph.T.tocsr())
    scale = np.maximum(np.bincount(matrix.indices, minlength=matrix.shape[1]), 1) ** -model.config.item_exponent

    def laplacian(block: Floats) -> Floats:
        return np.asarray(block - 2 * (back @ (graph @ block)), np.float32)

    def filtered(start: int) -> Floats:
        history = matrix[start : start + BATCH].toarray() * scale.astype(np.float32)
        previous = np.ascontiguousarray(history.T, np.float32)  # (I, B)
        current = laplacian(previous)
        first, second, *rest = np.asarray(model.coefficients, np.float32)
        total = first * previous + second * current
        for coefficient in rest:
            previous, current = current, 2 * laplacian(current) - previous
            total += coefficient * current
        return np.asarray((total / scale[:, None]).T, np.float32)

    def theirs() -> float:
        with blas_threads(n_threads()):
            return sum(float(filtered(start)[0, 0]) for start in range(0, users, BATCH))

    def ours() -> None:
        model.recommend(rows, 20)

    ours()  # compiles
    found, wanted = model.score_rows(rows[:64], np.arange(64, dtype=np.int32)), filtered(0)[range(64), range(64)]
    seconds = in_turns({"ours": ours, "theirs": theirs}, rounds=3)
    return speed_row(
        "graph_filter",
        ours=seconds["ours"],
        peer=seconds["theirs"],
        peer_name="scipy csr @ dense",
        unit="s",
        packages=["scipy"],
        case=f"{case}, {matrix.nnz:,} pairs, {users} users, K = {model.config.degree}",
        largest_difference=float(f"{np.abs(found - wanted).max():.2g}"),
        note="ours ends with lists of 20, scipy's with scores; scipy uses one thread for its products",
    )
