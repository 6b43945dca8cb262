"""The chance of each arm from values drawn for it, picks by that chance, and ridge matrices kept inverted."""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel

Doubles = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@kernel
def chances(values: Doubles, taken: Mask, floor: float, out: Doubles) -> None:
    """Fill ``out`` (n,): how often each arm not ``taken`` has the largest of ``values`` (M, n), ties shared evenly,
    with the part ``floor`` spread over all arms that are left.
    """
    n_draws, n = values.shape
    left = 0
    for arm in range(n):
        out[arm] = 0.0
        left += not taken[arm]
    if left == 0:
        return
    part = (1.0 - floor) / n_draws
    for draw in range(n_draws):
        top, ties = -np.inf, 0
        for arm in range(n):
            if not taken[arm]:
                value = values[draw, arm]
                if value > top or ties == 0:
                    top, ties = value, 1
                elif value == top:
                    ties += 1
        for arm in range(n):
            if not taken[arm] and values[draw, arm] == top:
                out[arm] += part / ties
    for arm in range(n):
        if not taken[arm]:
            out[arm] += floor / left


@kernel
def pick(values: Doubles, floor: float, points: Doubles, places: Longs, propensities: Doubles) -> None:
    """Draw ``len(points)`` different arms one after the other: ``points`` are uniform numbers below 1."""
    n = values.shape[1]
    taken = np.zeros(n, np.bool_)
    chance = np.empty(n, np.float64)
    for slot in range(len(points)):
        chances(values, taken, floor, chance)
        chosen, sum_so_far = -1, 0.0
        for arm in range(n):
            if taken[arm] or chance[arm] <= 0.0:
                continue
            chosen = arm  # the last one with a chance stands for what rounding leaves
            sum_so_far += chance[arm]
            if points[slot] < sum_so_far:
                break
        places[slot] = chosen
        propensities[slot] = chance[chosen]
        taken[chosen] = True


@kernel
def observe(models: Longs, features: Doubles, grams: Doubles, inverses: Doubles) -> None:
    """Add x xᵀ to the matrix of each observation's model and correct its inverse (Sherman and Morrison 1950).

    ``models`` (N,), ``features`` (N, d), ``grams`` and ``inverses`` (C, d, d).
    """
    d = features.shape[1]
    along = np.empty(d, np.float64)
    for n in range(len(models)):
        model = models[n]
        scale = 1.0
        for i in range(d):
            total = 0.0
            for j in range(d):
                total += inverses[model, i, j] * features[n, j]
            along[i] = total
            scale += total * features[n, i]
        for i in range(d):
            for j in range(d):
                grams[model, i, j] += features[n, i] * features[n, j]
                inverses[model, i, j] -= along[i] * along[j] / scale


@kernel
def estimates(models: Longs, features: Doubles, inverses: Doubles, moments: Doubles, out: Doubles) -> None:
    """Fill ``out`` (2, n): what each model expects at its features (n, d), and the variance xᵀ A⁻¹ x of that."""
    d = features.shape[1]
    for n in range(len(models)):
        model = models[n]
        mean, variance = 0.0, 0.0
        for i in range(d):
            total = 0.0
            for j in range(d):
                total += inverses[model, i, j] * features[n, j]
            mean += total * moments[model, i]
            variance += total * features[n, i]
        out[0, n] = mean
        out[1, n] = max(variance, 0.0)
