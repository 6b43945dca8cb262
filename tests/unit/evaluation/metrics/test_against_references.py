"""Agreement with ranx and pytrec_eval on random cases: short and empty lists, users without a hit, graded relevance."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from foretaste.evaluation.metrics import Catalogue, Truth, judge, parse_metric

N_ITEMS = 60


def _case(seed, *, graded):
    """Lists (B, k) of random lengths, and the truth; some users have no hit, one list is empty."""
    rng = np.random.default_rng(seed)
    n_users, k = int(rng.integers(1, 40)), int(rng.integers(1, 25))
    lists = np.full((n_users, k), -1, np.int32)
    indptr, rows, weights = [0], [], []
    for b in range(n_users):
        length = k if rng.random() < 0.6 else int(rng.integers(0, k + 1))
        lists[b, :length] = rng.permutation(N_ITEMS)[:length]
        n = int(rng.integers(1, 30))
        rows.append(np.sort(rng.permutation(N_ITEMS)[:n]))
        weights.append(rng.integers(1, 6, n) if graded else np.ones(n))
        indptr.append(indptr[-1] + n)
    truth = Truth(np.array(indptr), np.concatenate(rows).astype(np.int32), np.concatenate(weights).astype(float))
    return lists, truth, k


def _as_dicts(lists, truth):
    qrels, run = {}, {}
    for b in range(len(lists)):
        a, z = truth.indptr[b], truth.indptr[b + 1]
        pairs = zip(truth.item_rows[a:z], truth.weights[a:z], strict=True)
        qrels[f"q{b:03d}"] = {f"d{row:03d}": int(weight) for row, weight in pairs}
        shown = lists[b][lists[b] >= 0]
        run[f"q{b:03d}"] = {f"d{row:03d}": float(100 - place) for place, row in enumerate(shown)}
    return qrels, run


def _ours(text, lists, truth, k):
    metric = parse_metric(text, k=k)
    catalogue = Catalogue(np.ones(N_ITEMS, np.int64), 10)
    return metric.per_user(judge(lists, truth, catalogue).at(k))


@pytest.mark.parametrize("seed", range(30))
def test_ranking_metrics_agree_with_pytrec_eval(seed):
    import pytrec_eval

    graded = seed % 2 == 1
    lists, truth, width = _case(seed, graded=graded)
    k = max(1, width - seed % 3)
    qrels, run = _as_dicts(lists, truth)
    measures = {f"P.{k}", f"recall.{k}", f"ndcg_cut.{k}", f"map_cut.{k}", f"success.{k}"}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, measures).evaluate(run)
    names = {
        "precision": "P",
        "recall": "recall",
        "ndcg[gain=linear]": "ndcg_cut",
        "map": "map_cut",
        "hit_rate": "success",
    }
    if not graded:
        names["ndcg"] = "ndcg_cut"
    for text, name in names.items():
        ours = _ours(text, lists, truth, k)
        for b in range(len(lists)):
            # It leaves out a query whose list is empty; such a user scores 0 here.
            expected = theirs[f"q{b:03d}"][f"{name}_{k}"] if run[f"q{b:03d}"] else 0.0
            assert ours[b] == pytest.approx(expected, abs=1e-9), (text, b)


def _ranx(qrels, run, names):
    """ranx's values by its metric names; as plain Python in a process of its own, for its kernels compile for 30 s."""
    script = (
        "import json, sys\n"
        "from ranx import Qrels, Run, evaluate\n"
        "cases = json.load(sys.stdin)\n"
        "done = [evaluate(Qrels(q), Run(r), n, return_mean=False, threads=1) for q, r, n in cases]\n"
        "json.dump([{name: list(map(float, values)) for name, values in case.items()} for case in done], sys.stdout)\n"
    )
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        input=json.dumps(list(zip(qrels, run, names, strict=True))),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_ranking_metrics_agree_with_ranx():
    cases = []
    for seed in range(100, 112):
        lists, truth, width = _case(seed, graded=seed % 2 == 1)
        filled = (lists >= 0).any(axis=1)[:, None]  # it cannot read an empty list
        lists = np.where(filled, lists, np.arange(lists.shape[1], dtype=np.int32))
        k = max(2, width - 1)
        names = {
            "precision": f"precision@{k}",
            "recall": f"recall@{k}",
            "f1": f"f1@{k}",
            "map": f"map@{k}",
            "mrr": f"mrr@{k}",
            "hit_rate": f"hit_rate@{k}",
            "ndcg[gain=linear]": f"ndcg@{k}",
            "ndcg[gain=exponential]": f"ndcg_burges@{k}",
        }
        cases.append((lists, truth, k, names))
    dicts = [_as_dicts(lists, truth) for lists, truth, _, _ in cases]
    theirs = _ranx([q for q, _ in dicts], [r for _, r in dicts], [list(names.values()) for *_, names in cases])
    for (lists, truth, k, names), expected in zip(cases, theirs, strict=True):
        for text, name in names.items():
            assert _ours(text, lists, truth, k) == pytest.approx(expected[name], abs=1e-9), (text, k)
