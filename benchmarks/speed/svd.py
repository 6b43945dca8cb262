"""An epoch of biased matrix factorisation with 100 factors beside Surprise's SVD, at its settings, one thread each."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.rows import Row, speed_row
from benchmarks.timing import timed
from foretaste.data import Dataset, Interactions, Vocabulary, read_split
from foretaste.evaluation import Split, given_split
from foretaste.models import Recommender
from foretaste.models.factorization.svd import SVD

FACTORS = 100
EPOCHS = 20


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """A row on generated ratings, and one on MovieLens-1M where there are data."""
    for case, split in cases(data, quick=quick):
        yield _row(case, split, epochs=2 if quick else EPOCHS)


def cases(data: Path | None, *, quick: bool) -> Iterator[tuple[str, Split]]:
    """Splits to measure on."""
    sizes = (500, 300, 20_000) if quick else (6_000, 3_700, 1_000_000)
    yield f"generated, {sizes[2]:,} ratings", generated_ratings(*sizes)
    if data is not None and not quick and (data / "movielens-1m").is_dir():
        yield "MovieLens-1M, fold 1", given_split(*read_split(data / "movielens-1m", fold=1))


def generated_ratings(n_users: int, n_items: int, n_ratings: int, *, seed: int = 0) -> Split:
    """Ratings 1 … 5 of few hidden tastes, popular items rated more often; a fifth of them is the test part."""
    rng = np.random.default_rng(seed)
    popularity = 1.0 / np.arange(1, n_items + 1) ** 0.8
    pairs = rng.integers(0, n_users, 2 * n_ratings) * n_items
    pairs = np.unique(pairs + rng.choice(n_items, 2 * n_ratings, p=popularity / popularity.sum()))
    users, items = np.divmod(rng.permutation(pairs)[:n_ratings], n_items)
    tastes, traits = rng.standard_normal((n_users, 8)), rng.standard_normal((n_items, 8)) * 0.25
    heights = 3.5 + 0.4 * rng.standard_normal(n_users)[users] + 0.5 * rng.standard_normal(n_items)[items]
    heights += np.einsum("nf,nf->n", tastes[users], traits[items]) + 0.8 * rng.standard_normal(len(users))
    ratings = np.clip(np.rint(heights), 1, 5).astype(np.float32)
    test = rng.random(len(users)) < 0.2
    people, things = (Vocabulary([str(row) for row in range(n)]) for n in (n_users, n_items))
    train, judged = (_dataset(people, things, users[part], items[part], ratings[part]) for part in (~test, test))
    return given_split(train, judged)


def _dataset(
    users: Vocabulary,
    items: Vocabulary,
    user_rows: npt.NDArray[np.integer],
    item_rows: npt.NDArray[np.integer],
    ratings: npt.NDArray[np.float32],
) -> Dataset:
    n = len(ratings)
    interactions = Interactions(
        user_rows.astype(np.int32), item_rows.astype(np.int32), ratings, np.full(n, np.nan), np.zeros(n, np.uint8)
    )
    return Dataset(users, items, interactions.sorted(), is_explicit=True, duplicates="last")


def surprise_trainset(train: Dataset) -> Any:
    """The train part as Surprise takes it; its inside ids are our rows as text."""
    from surprise import Dataset as SurpriseDataset
    from surprise import Reader

    ratings = train.matrix("weight").tocoo()
    reader = Reader(rating_scale=(float(ratings.data.min()), float(ratings.data.max())))
    rows = zip(ratings.row.tolist(), ratings.col.tolist(), ratings.data.tolist(), strict=True)
    raw = [(str(user), str(item), rating, None) for user, item, rating in rows]
    return SurpriseDataset(reader).construct_trainset(raw)


def rmse_of_both(split: Split, ours: Recommender, theirs: Any) -> tuple[float, float]:
    """RMSE of both on the test part."""
    test = split.test.interactions
    got = ours.score_rows(test.user_rows, test.item_rows)
    pairs = zip(test.user_rows.tolist(), test.item_rows.tolist(), strict=True)
    peer = np.array([theirs.predict(str(user), str(item)).est for user, item in pairs])
    errors = [float(np.sqrt(np.square(p - test.weights, dtype=np.float64).mean())) for p in (got, peer)]
    return round(errors[0], 4), round(errors[1], 4)


def _row(case: str, split: Split, *, epochs: int) -> Row:
    import surprise

    same: dict[str, Any] = {"learning_rate": 0.005, "learning_rate_decay": 1.0, "start_scale": 0.1}
    same |= {"regularization": 0.02, "regularization_bias": 0.02}
    n_ratings = split.train.matrix("weight").nnz
    trainset = surprise_trainset(split.train)
    SVD(n_factors=FACTORS, epochs=1, **same).fit(split.train)
    ours_s, theirs_s = [], []
    for _ in range(2):
        ours = SVD(n_factors=FACTORS, epochs=epochs, **same)
        ours_s.append(timed(lambda ours=ours: ours.fit(split.train))[0])  # type: ignore[misc]
        theirs = surprise.SVD(n_factors=FACTORS, n_epochs=epochs, random_state=0)
        theirs_s.append(timed(lambda theirs=theirs: theirs.fit(trainset))[0])  # type: ignore[misc]
    rmse, peer_rmse = rmse_of_both(split, ours, theirs)
    return speed_row(
        "svd",
        ours=epochs * n_ratings / min(ours_s) / 1e6,
        peer=epochs * n_ratings / min(theirs_s) / 1e6,
        peer_name="Surprise SVD",
        unit="M ratings/s",
        packages=["scikit-surprise"],
        threads=1,
        case=f"{case}, {FACTORS} factors, {epochs} epochs, the whole fit",
        rmse=rmse,
        peer_rmse=peer_rmse,
    )
