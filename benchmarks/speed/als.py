"""Implicit ALS to equal loss: ours against implicit's conjugate-gradient solver, same threads, one run.

implicit runs its 15 iterations; the exact loss that it reaches is the target, computed by one function for both. Ours
is timed until its loss is at most that (the number of epochs is found beforehand; computing the loss is not timed for
either).
A second row gives implicit our start, so that what the start alone saves can be told from what the solver saves.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from scipy import sparse

from benchmarks.rows import Row, speed_row
from foretaste.data import Dataset, Interactions, Vocabulary
from foretaste.models.factorization.als_solver import Entries, Floats, loss
from foretaste.models.factorization.als_start import spectral_start
from foretaste.models.factorization.ials import ImplicitALS
from foretaste.models.threads import blas_threads, n_threads

ALPHA = 1.0
REGULARIZATION = 0.01
PEER_ITERATIONS = 15
MAX_EPOCHS = 30


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """Rows for generated data, and for Gowalla where ``data`` has it."""
    shape = (20_000, 5_000, 440_000) if quick else (100_000, 20_000, 2_200_000)
    generated = taste_matrix(*shape)
    for factors in (64,) if quick else (64, 128):
        yield from _rows(generated, factors, f"{shape[0]:,} × {shape[1]:,}, {generated.nnz:,} pairs")
    if data is not None and (data / "gowalla").is_dir():
        from foretaste.data import read_split

        matrix = read_split(data / "gowalla")[0].matrix("binary")
        for factors in (64,) if quick else (64, 256):
            yield from _rows(matrix, factors, "gowalla train")
        if not quick:
            yield from _rows(matrix, 1024, "gowalla train", is_long=True)


def taste_matrix(n_users: int, n_items: int, n_pairs: int, *, seed: int = 0) -> sparse.csr_array:
    """Zipf popularity, log-normal activity, and users who take three items in five from their own of 40 groups."""
    rng = np.random.default_rng(seed)
    popularity = rng.permutation(np.arange(1, n_items + 1) ** -0.8)
    item_group, user_group = rng.integers(0, 40, n_items), rng.integers(0, 40, n_users)
    activity = np.minimum(rng.lognormal(0, 1, n_users), 20)
    users = np.repeat(np.arange(n_users), np.maximum(1, (activity / activity.sum() * n_pairs).astype(int)))
    order = np.argsort(item_group, kind="stable")
    cumulated = np.concatenate([[0.0], np.cumsum(popularity[order])])
    bounds = cumulated[np.searchsorted(item_group[order], np.arange(41))]
    own = rng.random(len(users)) < 0.6
    low = np.where(own, bounds[user_group[users]], 0.0)
    high = np.where(own, bounds[user_group[users] + 1], cumulated[-1])
    places = np.searchsorted(cumulated, low + rng.random(len(users)) * (high - low), side="right") - 1
    items = order[np.clip(places, 0, n_items - 1)]
    matrix = sparse.csr_array((np.ones(len(users), np.float32), (users, items)), shape=(n_users, n_items))
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def _rows(matrix: sparse.csr_array, factors: int, case: str, *, is_long: bool = False) -> Iterator[Row]:
    """The two rows of one case; where a fit takes minutes, only the first, from one fit of each."""
    from implicit.cpu.als import AlternatingLeastSquares

    options = {"alpha": ALPHA, "regularization": REGULARIZATION, "exponent": 0.0}
    of_users, of_items = Entries.of(matrix, **options), Entries.of(sparse.csr_array(matrix.T.tocsr()), **options)

    def loss_of(users: Floats, items: Floats) -> float:
        return loss(of_users, of_items.ridge, np.ascontiguousarray(users), np.ascontiguousarray(items))

    # implicit's confidence is alpha·weight where ours is 1 + alpha·weight
    confidence = sparse.csr_matrix((matrix.data * (1 + ALPHA), matrix.indices, matrix.indptr), shape=matrix.shape)

    def peer(iterations: int, start: tuple[Floats, Floats] | None = None) -> tuple[float, AlternatingLeastSquares]:
        with blas_threads(1):  # else it warns, and its threads and those of BLAS disturb each other
            model = AlternatingLeastSquares(
                factors=factors,
                alpha=1.0,
                regularization=REGULARIZATION,
                iterations=iterations,
                num_threads=n_threads(),
            )
            if start is not None:
                model.user_factors, model.item_factors = (side.copy() for side in start)
            return _timed(lambda: model.fit(confidence, show_progress=False)), model

    dataset = dataset_of(matrix)

    def ours(epochs: int) -> tuple[float, ImplicitALS]:
        model = ImplicitALS(
            n_factors=factors, alpha=ALPHA, regularization=REGULARIZATION, regularization_exponent=0.0, epochs=epochs
        )
        return _timed(lambda: model.fit(dataset)), model

    first_s = ours(1)[0]
    peer_s, model = peer(PEER_ITERATIONS)
    target = loss_of(model.user_factors, model.item_factors)
    epochs, reached = _first_below(target, lambda n: ours(n)[1], loss_of)
    rounds = [] if is_long else [(ours(epochs)[0], peer(PEER_ITERATIONS)[0]) for _ in range(2)]
    ours_s = ours(epochs)[0] if is_long else min(seconds for seconds, _ in rounds)
    common = {"ours": ours_s, "unit": "s", "packages": ["implicit"], "factors": factors, "first_s": round(first_s, 2)}
    case = f"{case}, {factors} factors"
    yield speed_row(
        "als",
        peer=min([peer_s, *(seconds for _, seconds in rounds)]),
        peer_name="implicit (CG)",
        case=case,
        note=f"loss {target:.6g} in {PEER_ITERATIONS} iterations, ours {reached:.6g} in {epochs}",
        **common,
    )
    if is_long:
        return
    begun = perf_counter()
    start = spectral_start(matrix, factors)
    start_s = perf_counter() - begun
    iterations, _ = _first_below(target, lambda n: peer(n, start)[1], loss_of)
    yield speed_row(
        "als",
        peer=start_s + min(peer(iterations, start)[0] for _ in range(2)),
        peer_name="implicit (CG) from our start",
        case=f"{case}, our start",
        note=f"implicit needs {iterations} iterations from our start",
        **common,
    )


def _first_below(
    target: float, fit: Callable[[int], Any], loss_of: Callable[[Floats, Floats], float]
) -> tuple[int, float]:
    """The least number of epochs after which the loss is at most ``target``, and that loss."""
    for epochs in range(2, MAX_EPOCHS + 1):
        model = fit(epochs)
        reached = loss_of(model.user_factors, model.item_factors)
        if reached <= target:
            return epochs, reached
    raise AssertionError(f"the loss {target} was not reached in {MAX_EPOCHS} epochs")


def dataset_of(matrix: sparse.csr_array) -> Dataset:
    """A data set with a binary matrix of its own, already built."""
    pairs = matrix.tocoo()
    n = len(pairs.data)
    interactions = Interactions(
        pairs.row.astype(np.int32),
        pairs.col.astype(np.int32),
        np.ones(n, np.float32),
        np.full(n, np.nan),
        np.zeros(n, np.uint8),
    )
    users, items = (Vocabulary([str(row) for row in range(size)]) for size in matrix.shape)
    dataset = Dataset(users, items, interactions)
    dataset.matrix("binary")  # implicit is given its matrix too
    return dataset


def _timed(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start
