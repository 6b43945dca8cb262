"""Ways to find the weights of a blend that rank held-out items best."""

from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from foretaste.models.hybrid.candidates import Candidates
from foretaste.models.hybrid.genetic import Breeding, evolve
from foretaste.models.threads import map_threads, n_threads

Optimizer = Literal["genetic", "coordinate", "logistic", "equal", "given"]
Weights = npt.NDArray[np.float64]
_STEPS = (0.0, 0.5, 0.8, 0.9, 1.1, 1.25, 2.0, 4.0)


def blend_ndcg(candidates: Candidates, weights: npt.NDArray[np.floating], *, k: int = 10) -> Weights:
    """Mean NDCG@k of each of V weightings (V, P), on all threads.

    Cost: V · P · N multiplications, N being the candidates of all users; about 1 ns each.
    """
    from foretaste.models.kernels.blending import blend_quality

    weights = np.ascontiguousarray(np.atleast_2d(weights), dtype=np.float32)
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate([np.zeros(1), np.cumsum(discounts)])[np.minimum(candidates.n_positive, k)]
    edges = np.linspace(0, len(candidates), min(len(candidates), 4 * n_threads()) + 1).astype(int)

    def judge(part: int) -> Weights:
        sums = np.zeros(len(weights))
        blend_quality(
            candidates.features,
            candidates.indptr,
            candidates.n_positive,
            discounts,
            ideal,
            weights,
            edges[part],
            edges[part + 1],
            sums,
        )
        return sums

    total = np.zeros(len(weights))
    for sums in map_threads(judge, range(len(edges) - 1)):
        total += sums
    return total / max(1, len(candidates))


def learn_weights(
    candidates: Candidates,
    optimizer: Optimizer,
    start: Weights,
    *,
    k: int = 10,
    breeding: Breeding | None = None,
    seed: int = 0,
) -> Weights:
    """Weights (P,) from 0, summing to 1, that rank the relevant candidates best.

    ``start`` (P,) is where the search begins, and what ``given`` keeps. ``genetic`` and ``coordinate`` maximise
    NDCG@k itself, ``logistic`` the likelihood of the relevant items under a softmax over each user's candidates.
    """
    n_parts = len(start)
    if optimizer == "equal" or n_parts == 1 or len(candidates) == 0:
        return np.full(n_parts, 1.0 / n_parts) if optimizer != "given" else _shares(start)
    if optimizer == "given":
        return _shares(start)
    if optimizer == "logistic":
        return _logistic(candidates, start)
    if optimizer == "coordinate":
        return _coordinate(candidates, _shares(start), k)
    judged = partial(blend_ndcg, candidates, k=k)
    first = np.vstack([_shares(start) / _shares(start).max(), np.full(n_parts, 1.0), np.eye(n_parts)])
    best = evolve(judged, n_parts, breeding=breeding or Breeding(), start=first, seed=seed).best
    return _shares(best)


def _shares(weights: Weights) -> Weights:
    """Summing to 1; equal where all are 0."""
    total = weights.sum()
    return weights / total if total > 0 else np.full(len(weights), 1.0 / len(weights))


def _coordinate(candidates: Candidates, weights: Weights, k: int) -> Weights:
    """One weight after the other times each of a few factors, while that helps."""
    best = float(blend_ndcg(candidates, weights, k=k)[0])
    for _ in range(20):
        before = best
        for p in range(len(weights)):
            tries = np.repeat(weights[None, :], len(_STEPS), axis=0)
            tries[:, p] = np.maximum(weights[p], 0.02) * np.array(_STEPS)
            tries = tries[tries.sum(axis=1) > 0]
            found = blend_ndcg(candidates, tries, k=k)
            if found.max() > best:
                best, weights = float(found.max()), _shares(tries[int(np.argmax(found))])
        if best <= before:
            break
    return weights


def _logistic(candidates: Candidates, start: Weights) -> Weights:
    """Non-negative weights that maximise the mean log-softmax of the relevant candidates."""
    from scipy.optimize import minimize

    features = candidates.features.astype(np.float64)
    owners = np.repeat(np.arange(len(candidates)), np.diff(candidates.indptr))
    starts = candidates.indptr[:-1]
    place = np.arange(features.shape[1]) - starts[owners]
    positive = place < candidates.n_positive[owners]
    counts = candidates.n_positive.astype(np.float64)
    wanted = features[:, positive].sum(axis=1)
    total = max(1.0, counts.sum())

    def loss(weights: Weights) -> tuple[float, Weights]:
        blended = weights @ features
        highest = np.maximum.reduceat(blended, starts)
        exponents = np.exp(blended - highest[owners])
        sums = np.add.reduceat(exponents, starts)
        shares = exponents / sums[owners] * counts[owners]
        value = float(counts @ (np.log(sums) + highest) - weights @ wanted)
        return value / total, (features @ shares - wanted) / total

    found = minimize(loss, _shares(start), jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * len(start))
    return _shares(np.asarray(found.x))
