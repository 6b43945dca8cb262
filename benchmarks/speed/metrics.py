"""Metrics of 100,000 lists of 20 items beside pytrec_eval and RecTools: the same six values, checked.

Measured is what a user of each pays for one report: ours starts from arrays of item rows, as models give them, the
peers from the dictionaries or frames that they take (building them is not counted). Ours and pytrec_eval give values
per user, RecTools their means.

RecTools 0.19 asks for NumPy 1 and pandas 2, so no extra installs it; its metrics also run on newer ones. Its row is
there after ``pip install --no-deps rectools`` and ``pip install "attrs<24" "typeguard<5"``.
"""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmarks.rows import Row, speed_row
from benchmarks.timing import in_turns
from foretaste.evaluation.metrics import Catalogue, Truth, UserMetric, judge, parse_metric
from foretaste.models.threads import blas_threads

K = 20
N_ITEMS = 20_000
NAMES = {
    "precision": f"P_{K}",
    "recall": f"recall_{K}",
    "ndcg": f"ndcg_cut_{K}",
    "map": f"map_cut_{K}",
    "mrr": "recip_rank",
    "hit_rate": f"success_{K}",
}


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """A row a peer; needs no data."""
    import pytrec_eval

    n_users = 5_000 if quick else 100_000
    lists, truth, catalogue = _case(n_users)
    metrics = [parse_metric(name, k=K) for name in NAMES]
    qrels, ranked = _dictionaries(lists, truth)
    measures = {name.replace("_2", ".2") for name in NAMES.values()}
    case = f"{n_users:,} users × {K}: {', '.join(NAMES)}"

    def ours() -> list[np.ndarray]:
        judged = judge(lists, truth, catalogue)
        return [metric.per_user(judged) for metric in metrics if isinstance(metric, UserMetric)]

    def peer() -> dict[str, dict[str, float]]:
        return pytrec_eval.RelevanceEvaluator(qrels, measures).evaluate(ranked)

    _check_same(ours(), peer())  # also compiles our kernels
    with blas_threads(1):
        seconds = in_turns({"ours": ours, "peer": peer}, rounds=3)
    yield speed_row(
        "metrics",
        ours=n_users / seconds["ours"],
        peer=n_users / seconds["peer"],
        peer_name="pytrec_eval",
        unit="users/s",
        packages=["pytrec_eval-terrier"],
        threads=1,
        case=case,
    )
    if find_spec("rectools") is not None:
        yield _rectools_row(lists, truth, ours, case)


def _rectools_row(lists: np.ndarray, truth: Truth, ours: Callable[[], list[np.ndarray]], case: str) -> Row:
    import pandas as pd
    from rectools import Columns
    from rectools.metrics import MAP, MRR, NDCG, HitRate, Precision, Recall, calc_metrics

    n_users = len(lists)
    metrics = {
        "precision": Precision(K),
        "recall": Recall(K),
        "ndcg": NDCG(K, divide_by_achievable=True),
        "map": MAP(K, divide_by_k=False),
        "mrr": MRR(K),
        "hit_rate": HitRate(K),
    }
    ranks = np.tile(np.arange(1, K + 1), n_users)
    listed = {Columns.User: np.repeat(np.arange(n_users), K), Columns.Item: lists.ravel(), Columns.Rank: ranks}
    taken = {Columns.User: np.repeat(np.arange(n_users), np.diff(truth.indptr)), Columns.Item: truth.item_rows}
    reco, interactions = pd.DataFrame(listed), pd.DataFrame(taken)

    def peer() -> dict[str, float]:
        found: dict[str, float] = calc_metrics(metrics, reco=reco, interactions=interactions)
        return found

    theirs = peer()
    for values, name in zip(ours(), NAMES, strict=True):
        if abs(float(values.mean()) - theirs[name]) > 1e-9:
            raise AssertionError(f"{name} is {values.mean()}, by RecTools {theirs[name]}")
    with blas_threads(1):
        seconds = in_turns({"ours": ours, "peer": peer}, rounds=3)
    return speed_row(
        "metrics",
        ours=n_users / seconds["ours"],
        peer=n_users / seconds["peer"],
        peer_name="RecTools",
        unit="users/s",
        packages=["rectools", "pandas"],
        threads=1,
        case=f"{case}; means over users",
    )


def _case(n_users: int) -> tuple[np.ndarray, Truth, Catalogue]:
    """Random lists in which about a fifth of the places are hits, and 1 to 39 relevant items a user."""
    rng = np.random.default_rng(0)
    n_relevant = rng.integers(1, 40, n_users)
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(n_relevant)])
    # Ascending distinct rows: a random start and random steps.
    steps = rng.integers(1, N_ITEMS // 64, (n_users, 64))
    rows = np.cumsum(steps, axis=1).astype(np.int32) - 1
    relevant = rows[np.arange(64) < n_relevant[:, None]]
    lists = rng.permuted(rows, axis=1)[:, :K]
    return lists, Truth(indptr, relevant, np.ones(len(relevant))), Catalogue(np.ones(N_ITEMS, np.int64), n_users)


def _dictionaries(lists: np.ndarray, truth: Truth) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, float]]]:
    names = [str(row) for row in range(N_ITEMS)]
    scores = [float(K - place) for place in range(K)]
    bounds, relevant = truth.indptr.tolist(), truth.item_rows.tolist()
    qrels = {str(b): {names[row]: 1 for row in relevant[bounds[b] : bounds[b + 1]]} for b in range(len(lists))}
    ranked = {
        str(b): dict(zip((names[row] for row in rows), scores, strict=True)) for b, rows in enumerate(lists.tolist())
    }
    return qrels, ranked


def _check_same(ours: list[np.ndarray], peer: dict[str, dict[str, float]]) -> None:
    for values, name in zip(ours, NAMES.values(), strict=True):
        theirs = np.array([peer[str(b)][name] for b in range(len(values))])
        worst = float(np.abs(values - theirs).max())
        if worst > 1e-9:
            raise AssertionError(f"{name} differs from pytrec_eval by up to {worst}")
