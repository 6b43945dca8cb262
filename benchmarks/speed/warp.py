"""WARP, positives trained a second (each with the draws it takes), and the quality that they bring.

LightFM does not install on current Pythons, so its published rate stands for it; ours is measured over all epochs but
the first, users' final placement not counted (``fit_s`` is everything).
"""

from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from scipy import sparse

from benchmarks.rows import Row, rounded, speed_row
from benchmarks.speed.als import dataset_of, taste_matrix
from benchmarks.speed.bpr import FACTORS, hold_out, judge, with_bias
from benchmarks.timing import timed
from foretaste.models.factorization.warp import WARP

PUBLISHED = 0.26
"""LightFM's rate, M samples a second on one thread, 64 factors."""
EPOCHS = 20


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """Rows for generated data, and for Gowalla where ``data`` has it."""
    shape = (5_000, 2_000, 100_000) if quick else (100_000, 20_000, 2_200_000)
    matrix = taste_matrix(*shape)
    yield _row(matrix, f"{shape[0]:,} × {shape[1]:,}, {matrix.nnz:,} pairs", 5 if quick else EPOCHS)
    if data is not None and (data / "gowalla").is_dir() and not quick:
        from foretaste.data import read_split

        yield _row(read_split(data / "gowalla")[0].matrix("binary"), "gowalla train", EPOCHS)


def _row(matrix: sparse.csr_array, case: str, epochs: int) -> Row:
    train, held_out = hold_out(matrix)
    dataset = dataset_of(train)
    WARP(n_factors=FACTORS, epochs=1).fit(dataset)  # compiles
    ends: list[float] = []
    model = WARP(n_factors=FACTORS, epochs=epochs)
    seconds, _ = timed(lambda: model.fit(dataset, on_progress=lambda *_: ends.append(perf_counter())))
    auc, ndcg = judge(train, held_out, *with_bias(model))
    return speed_row(
        "warp",
        ours=train.nnz * (len(ends) - 1) / (ends[-1] - ends[0]) / 1e6,
        peer=PUBLISHED,
        peer_name="LightFM, published figure",
        unit="M samples/s",
        case=f"{case}, {FACTORS} factors",
        fit_s=rounded(seconds),
        auc=rounded(auc),
        ndcg=rounded(ndcg),
        note=f"{epochs} epochs; the peer's figure is not from this machine",
    )
