"""Stochastic gradient steps of a factorisation machine whose score is linear in a user vector and in an item vector."""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.draws import below, next_state, seeded_state
from foretaste.models.kernels.jit import kernel

Floats = npt.NDArray[np.float32]
Longs = npt.NDArray[np.int64]
Ints = npt.NDArray[np.int32]

ONE, ZERO = np.float32(1.0), np.float32(0.0)
REORDER = {"reassoc", "contract", "nsz", "arcp"}


@kernel(fastmath=REORDER)
def _embed(table: Floats, features: Ints, values: Floats, start: int, stop: int, out: Floats) -> None:
    """out = Σ_n values[n] · table[features[n]] over ``start:stop``."""
    out[:] = ZERO
    for n in range(start, stop):
        row, value = table[features[n]], values[n]
        for f in range(len(out)):
            out[f] += value * row[f]


@kernel(fastmath=REORDER)
def _dot(x: Floats, y: Floats) -> np.float32:
    total = ZERO
    for f in range(len(x)):
        total += x[f] * y[f]
    return total


@kernel(fastmath=REORDER)
def _linear(linear: Floats, features: Ints, values: Floats, start: int, stop: int) -> np.float32:
    total = ZERO
    for n in range(start, stop):
        total += linear[features[n]] * values[n]
    return total


@kernel(fastmath=REORDER)
def _step(
    table: Floats,
    linear: Floats,
    sums: Floats,
    features: Ints,
    values: Floats,
    start: int,
    stop: int,
    other: Floats,
    pull: np.float32,
    rate: np.float32,
    regularization: np.float32,
) -> None:
    """Move the rows of one side's features along pull·value·other, each at its own rate (Adagrad, one number a row)."""
    for n in range(start, stop):
        feature, gradient = features[n], pull * values[n]
        sums[feature] += gradient * gradient
        step = rate / np.sqrt(sums[feature])
        row = table[feature]
        for f in range(len(other)):
            row[f] += step * (gradient * other[f] - regularization * row[f])
        linear[feature] += step * (gradient - regularization * linear[feature])


@kernel(fastmath=REORDER)
def train_pairs(
    users: Ints,
    indptr: Longs,
    items: Ints,
    moments: Ints,
    user_indptr: Longs,
    user_features: Ints,
    user_values: Floats,
    item_indptr: Longs,
    item_features: Ints,
    item_values: Floats,
    draws: Ints,
    marks: Ints,
    table: Floats,
    linear: Floats,
    sums: Floats,
    n_candidates: int,
    id_dropout: float,
    rate: np.float32,
    regularization: np.float32,
    seed: int,
) -> tuple[int, int]:
    """One pass over the positives of ``users`` in that order: each against the highest-scored of a few drawn items.

    The first feature of every user and item is its own id, which is left out with probability ``id_dropout``, so that
    the other features learn to do without it. ``moments`` (N, M) are rows of ``table`` that belong to when it happened.
    ``marks`` (I,) is scratch filled with -1 once. Returns (comparisons, how many were in the wrong order).
    """
    width = table.shape[1]
    p, difference = np.empty(width, np.float32), np.empty(width, np.float32)
    q, best_q, other_q = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    ones = np.ones(moments.shape[1], np.float32)
    state = seeded_state(np.uint64(seed))
    dropped_below = int(id_dropout * 1_000_000)
    compared, wrong = 0, 0
    for u in users:
        for n in range(indptr[u], indptr[u + 1]):
            marks[items[n]] = u
        for n in range(indptr[u], indptr[u + 1]):
            state = next_state(state)
            without_user = int(below(state, 1_000_000) < dropped_below)
            state = next_state(state)
            without_item = int(below(state, 1_000_000) < dropped_below)
            u_start, u_stop = user_indptr[u] + without_user, user_indptr[u + 1]
            _embed(table, user_features, user_values, u_start, u_stop, p)
            for feature in moments[n]:
                p += table[feature]
            i = items[n]
            i_start, i_stop = item_indptr[i] + without_item, item_indptr[i + 1]
            _embed(table, item_features, item_values, i_start, i_stop, q)
            chosen, best = -1, np.float32(-np.inf)
            for _ in range(n_candidates):
                state = next_state(state)
                j = draws[below(state, len(draws))]
                if marks[j] == u:
                    continue
                a, b = item_indptr[j] + without_item, item_indptr[j + 1]
                _embed(table, item_features, item_values, a, b, other_q)
                score = _dot(p, other_q) + _linear(linear, item_features, item_values, a, b)
                if score > best:
                    best, chosen = score, j
                    best_q[:] = other_q
            if chosen < 0:
                continue
            own = _dot(p, q) + _linear(linear, item_features, item_values, i_start, i_stop)
            compared += 1
            wrong += int(own < best)
            pull = ONE / (ONE + np.exp(own - best))
            for f in range(width):
                difference[f] = q[f] - best_q[f]
            a, b = item_indptr[chosen] + without_item, item_indptr[chosen + 1]
            _step(table, linear, sums, item_features, item_values, i_start, i_stop, p, pull, rate, regularization)
            _step(table, linear, sums, item_features, item_values, a, b, p, -pull, rate, regularization)
            _step(
                table, linear, sums, user_features, user_values, u_start, u_stop, difference, pull, rate, regularization
            )
            when = moments[n]
            _step(table, linear, sums, when, ones, 0, len(when), difference, pull, rate, regularization)
    return compared, wrong
