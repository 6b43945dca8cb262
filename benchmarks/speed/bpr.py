"""BPR to equal validation AUC: ours against implicit's, same threads, one run.

A tenth of the pairs is held out. implicit runs its iterations; the AUC that it reaches on the rest is the target, found
by one function for both. Ours is timed with the fewest epochs (found beforehand) that reach it, users' final
placement included. A second row gives implicit a learning rate that suits it better than its default.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import sparse

from benchmarks.rows import Row, rounded, speed_row
from benchmarks.speed.als import dataset_of, taste_matrix
from benchmarks.timing import timed
from foretaste.models.factorization.bpr import BPR
from foretaste.models.factorization.sampled import SampledFactors
from foretaste.models.threads import n_threads

FACTORS = 64
EPOCHS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 20, 25, 30, 40, 50)
Floats = npt.NDArray[np.float32]


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """Rows for generated data, and for Gowalla where ``data`` has it."""
    shape = (5_000, 2_000, 100_000) if quick else (100_000, 20_000, 2_200_000)
    iterations = 10 if quick else 50
    matrix = taste_matrix(*shape)
    yield from _rows(matrix, iterations, f"{shape[0]:,} × {shape[1]:,}, {matrix.nnz:,} pairs")
    if data is not None and (data / "gowalla").is_dir() and not quick:
        from foretaste.data import read_split

        yield from _rows(read_split(data / "gowalla")[0].matrix("binary"), iterations, "gowalla train")


def hold_out(matrix: sparse.csr_array, share: float = 0.1) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Pairs to learn from, and a random share of them to judge by."""
    aside = np.random.default_rng(1).random(matrix.nnz) < share
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    parts = [(rows[kept], matrix.indices[kept]) for kept in (~aside, aside)]
    ones = [np.ones(len(part[0]), np.float32) for part in parts]
    train, held_out = (sparse.csr_array((o, p), shape=matrix.shape) for o, p in zip(ones, parts, strict=True))
    return train, held_out


def judge(
    train: sparse.csr_array, held_out: sparse.csr_array, users: Floats, items: Floats, *, k: int = 20, most: int = 3_000
) -> tuple[float, float]:
    """Mean AUC over all items a user has not, and NDCG@k, of users with something held out (a sample of them)."""
    chosen = np.flatnonzero(np.diff(held_out.indptr) > 0)
    chosen = np.random.default_rng(2).permutation(chosen)[:most]
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    aucs, gains = [], []
    for start in range(0, len(chosen), 256):
        block = chosen[start : start + 256]
        for user, scores in zip(block, users[block] @ items.T, strict=True):
            seen = train.indices[train.indptr[user] : train.indptr[user + 1]]
            wanted = held_out.indices[held_out.indptr[user] : held_out.indptr[user + 1]]
            rest = np.sort(np.delete(scores, np.concatenate([seen, wanted])))
            places = [np.searchsorted(rest, scores[wanted], side) for side in ("left", "right")]
            aucs.append(float(np.mean(places)) / max(len(rest), 1))
            scores[seen] = -np.inf
            top = np.argsort(-scores, kind="stable")[:k]
            gains.append(float(discounts[np.isin(top, wanted)].sum() / discounts[: min(k, len(wanted))].sum()))
    return float(np.mean(aucs)), float(np.mean(gains))


def with_bias(model: SampledFactors) -> tuple[Floats, Floats]:
    """User and item vectors of which the product is the whole score."""
    ones = np.ones((len(model.user_factors), 1), np.float32)
    return np.hstack([model.user_factors, ones]), np.hstack([model.item_factors, model.item_bias[:, None]])


def _rows(matrix: sparse.csr_array, iterations: int, case: str) -> Iterator[Row]:
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    train, held_out = hold_out(matrix)
    dataset, peers_matrix = dataset_of(train), sparse.csr_matrix(train)

    def peer(learning_rate: float) -> BayesianPersonalizedRanking:
        model = BayesianPersonalizedRanking(
            factors=FACTORS,
            learning_rate=learning_rate,
            iterations=iterations,
            num_threads=n_threads(),
            random_state=0,
        )
        model.fit(peers_matrix, show_progress=False)
        return model

    def ours(epochs: int) -> BPR:
        return BPR(n_factors=FACTORS, epochs=epochs).fit(dataset)

    first_s = timed(lambda: ours(1))[0]
    for learning_rate, words in ((0.01, "its default rate"), (0.05, "rate .05")):
        peer_s, model = timed(partial(peer, learning_rate))
        target, peers_ndcg = judge(train, held_out, model.user_factors, model.item_factors)
        for epochs in EPOCHS:
            ours_s, mine = timed(partial(ours, epochs))
            reached, ndcg = judge(train, held_out, *with_bias(mine))
            if reached >= target:
                break
        else:
            raise AssertionError(f"the AUC {target} was not reached in {EPOCHS[-1]} epochs")
        ours_s = min(ours_s, timed(partial(ours, epochs))[0])
        peer_s = min(peer_s, timed(partial(peer, learning_rate))[0])
        yield speed_row(
            "bpr",
            ours=ours_s,
            peer=peer_s,
            peer_name="implicit",
            unit="s",
            packages=["implicit"],
            case=f"{case}, {FACTORS} factors, {words}",
            first_s=round(first_s, 2),
            auc=rounded(reached),
            peer_auc=rounded(target),
            ndcg=rounded(ndcg),
            peer_ndcg=rounded(peers_ndcg),
            note=f"{iterations} iterations of implicit, {epochs} epochs of ours",
        )
