"""Stochastic gradient steps on sampled items: one user's positives at a time, the user's vector at hand.

Widths are multiples of 16, the columns that fill them up being zero, so that everything is done by vectors. A call
touches the users of one range and the items of one part only, so that calls with other users and other items may run
beside it without locks, and the part's item vectors stay in the core's own cache.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.draws import draw_others, seeded_state
from foretaste.models.kernels.jit import kernel
from foretaste.models.kernels.products import four_products
from foretaste.models.kernels.vectors import (
    WIDTH,
    load,
    multiply,
    multiply_add,
    prefetch,
    splat,
    store,
)

Floats = npt.NDArray[np.float32]
Longs = npt.NDArray[np.int64]
Ints = npt.NDArray[np.int32]

BPR, WARP, LOGISTIC = 0, 1, 2
ONE, ZERO, MINUS = np.float32(1.0), np.float32(0.0), np.float32(-1.0)
NOTHING = np.float32(-np.inf)
GROUP = 4
"""Items scored together."""
REORDER = {"reassoc", "contract", "nsz", "arcp"}


@kernel(fastmath=REORDER)
def _four_scores(table: Floats, width: int, group: Longs, x: Floats) -> Any:
    """x · (each of four rows of the flat ``table``)."""
    return four_products(table, group[0] * width, group[1] * width, group[2] * width, group[3] * width, width, x)


@kernel(fastmath=REORDER)
def _move_pair(
    table: Floats,
    i: int,
    j: int,
    width: int,
    x: Floats,
    gradient: np.float32,
    rates: Floats,
    regularization: np.float32,
) -> None:
    """One step up gradient·x(y_i - y_j), each row at its own rate (user, i, j) and drawn to 0 by the ridge."""
    a, b = i * width, j * width
    r_x, r_i, r_j = rates[0], rates[1], rates[2]
    g_x, g_i, g_j = splat(r_x * gradient), splat(r_i * gradient), splat(-r_j * gradient)
    k_x, k_i = splat(ONE - r_x * regularization), splat(ONE - r_i * regularization)
    k_j, minus = splat(ONE - r_j * regularization), splat(MINUS)
    for f in range(0, width, WIDTH):
        v, y, z = load(x, f), load(table, a + f), load(table, b + f)
        store(table, a + f, multiply_add(g_i, v, multiply(k_i, y)))
        store(table, b + f, multiply_add(g_j, v, multiply(k_j, z)))
        store(x, f, multiply_add(g_x, multiply_add(minus, z, y), multiply(k_x, v)))


@kernel(fastmath=REORDER)
def _move_one(
    table: Floats, i: int, width: int, x: Floats, gradient: np.float32, rates: Floats, regularization: np.float32
) -> None:
    """One step up gradient·x·y_i; see :func:`_move_pair`."""
    a = i * width
    r_x, r_i = rates[0], rates[1]
    g_x, g_i = splat(r_x * gradient), splat(r_i * gradient)
    k_x, k_i = splat(ONE - r_x * regularization), splat(ONE - r_i * regularization)
    for f in range(0, width, WIDTH):
        v, y = load(x, f), load(table, a + f)
        store(table, a + f, multiply_add(g_i, v, multiply(k_i, y)))
        store(x, f, multiply_add(g_x, y, multiply(k_x, v)))


@kernel(fastmath=REORDER)
def _move_user(
    table: Floats, i: int, j: int, width: int, x: Floats, g: np.float32, h: np.float32, keep: np.float32
) -> None:
    """x ← keep·x + g·y_i - h·y_j: the step of a user among items that stay."""
    a, b = i * width, j * width
    g_v, h_v, k_v = splat(g), splat(-h), splat(keep)
    for f in range(0, width, WIDTH):
        moved = multiply_add(g_v, load(table, a + f), multiply(k_v, load(x, f)))
        store(x, f, multiply_add(h_v, load(table, b + f), moved))


@kernel(fastmath=REORDER)
def _negative(
    state: np.uint64,
    positive: int,
    loss: int,
    n_candidates: int,
    draws: Ints,
    marks: Ints,
    mark: int,
    flat: Floats,
    width: int,
    bias: Floats,
    x: Floats,
    group: Longs,
) -> tuple[np.uint64, int, np.float32, int]:
    """The item that the positive one is compared with, their difference of scores, and how many were tried for it.

    For BPR the highest of ``n_candidates`` drawn ones; for WARP the first within the margin of 1, -1 when there is
    none.
    """
    chosen, tried = -1, 0
    best = NOTHING
    score = ZERO
    left = n_candidates
    while left > 0:
        first = 1 if tried == 0 else 0
        group[:] = positive
        state, found = draw_others(state, draws, marks, mark, group, first, min(left, GROUP - first))
        left -= GROUP - first
        if found == 0:
            break
        four = _four_scores(flat, width, group, x)
        if first:
            score = four[0] + bias[positive]
        for n in range(first, first + found):
            other = (four[0], four[1], four[2], four[3])[n] + bias[group[n]]
            tried += 1
            if loss == WARP:
                if other > score - ONE:
                    return state, group[n], score - other, tried
            elif other > best:
                best, chosen = other, group[n]
    return state, chosen, score - best, tried


@kernel
def _pull(loss: int, difference: np.float32, tried: int, n_others: int) -> Any:
    """How strongly a pair is pulled apart: σ(-d) for BPR, log(1 + estimated rank) for WARP."""
    if loss == WARP:
        return np.float32(np.log(np.float32(1.0) + np.float32(n_others // tried)))
    return ONE / (ONE + np.exp(difference))


@kernel(fastmath=REORDER)
def train_block(
    indptr: Longs,
    items: Ints,
    weights: Floats,
    start: int,
    stop: int,
    part_of: Ints,
    part: int,
    draws: Ints,
    n_others: int,
    users: Floats,
    table: Floats,
    bias: Floats,
    user_sums: Floats,
    item_sums: Floats,
    marks: Ints,
    loss: int,
    n_candidates: int,
    rate: np.float32,
    regularization: np.float32,
    bias_regularization: np.float32,
    seed: int,
) -> tuple[int, int]:
    """One pass over the entries of users ``start:stop`` whose item is in ``part``; everything is changed in place.

    ``items[indptr[u]:indptr[u + 1]]`` are user u's positives and ``weights`` scale their steps (empty: ones). Others
    are drawn from ``draws``, which holds items of this part only. ``user_sums`` and ``item_sums`` collect squared pulls
    for the rates (Adagrad, one number a row). ``marks`` (I,) is scratch filled with -1 once: u stands at items of user
    u. Returns (comparisons, how many of them were in the wrong order).
    """
    width = table.shape[1]
    flat = table.reshape(-1)
    x = np.empty(width, np.float32)
    rates = np.empty(3, np.float32)
    group = np.zeros(GROUP, np.int64)
    mine = np.empty(0, np.int64)
    state = seeded_state(np.uint64(seed))
    compared, wrong = 0, 0
    for u in range(start, stop):
        if indptr[u + 1] - indptr[u] > len(mine):
            mine = np.empty(2 * (indptr[u + 1] - indptr[u]), np.int64)
        count = 0
        for p in range(indptr[u], indptr[u + 1]):
            if part_of[items[p]] == part:
                mine[count] = p
                marks[items[p]] = u
                count += 1
                for f in range(0, width, WIDTH):
                    prefetch(flat, int(items[p]) * width + f)
        if count == 0:
            continue
        x[:] = users[u]
        total = user_sums[u]
        for n in range(count):
            i = int(items[mine[n]])
            weight = weights[mine[n]] if len(weights) else ONE
            if loss == LOGISTIC:
                group[:] = i
                state, found = draw_others(state, draws, marks, u, group, 1, GROUP - 1)
                four = _four_scores(flat, width, group, x)
                for m in range(1 + min(found, n_candidates)):
                    k = group[m]
                    score = (four[0], four[1], four[2], four[3])[m] + bias[k]
                    pull = weight / (ONE + np.exp(score)) if m == 0 else MINUS / (ONE + np.exp(-score))
                    compared += 1
                    wrong += int((score < ZERO) == (m == 0))
                    total += pull * pull
                    item_sums[k] += pull * pull
                    rates[0], rates[1] = rate / np.sqrt(total), rate / np.sqrt(item_sums[k])
                    _move_one(flat, k, width, x, pull, rates, regularization)
                    bias[k] += rates[1] * (pull - bias_regularization * bias[k])
                continue
            state, j, difference, tried = _negative(
                state, i, loss, n_candidates, draws, marks, u, flat, width, bias, x, group
            )
            compared += int(tried > 0)
            if j < 0:
                continue
            wrong += int(difference < ZERO)
            pull = weight * _pull(loss, difference, tried, n_others)
            square = pull * pull
            total += square
            item_sums[i] += square
            item_sums[j] += square
            rates[0] = rate / np.sqrt(total)
            rates[1], rates[2] = rate / np.sqrt(item_sums[i]), rate / np.sqrt(item_sums[j])
            _move_pair(flat, i, j, width, x, pull, rates, regularization)
            bias[i] += rates[1] * (pull - bias_regularization * bias[i])
            bias[j] -= rates[2] * (pull + bias_regularization * bias[j])
        users[u] = x
        user_sums[u] = total
    return compared, wrong


@kernel(fastmath=REORDER)
def fold_in(
    indptr: Longs,
    items: Ints,
    weights: Floats,
    start: int,
    stop: int,
    draws: Ints,
    n_others: int,
    table: Floats,
    bias: Floats,
    users: Floats,
    loss: int,
    n_candidates: int,
    rate: np.float32,
    regularization: np.float32,
    passes: int,
    seed: int,
) -> None:
    """Write the vectors of users ``start:stop`` given the items: ``passes`` over each history from nothing.

    The items drawn depend on the seed and the history alone, so equal histories get equal vectors. The mean over the
    second half of the passes is kept, which takes the noise of the draws out.
    """
    width = table.shape[1]
    flat = table.reshape(-1)
    x = np.empty(width, np.float32)
    mean = np.empty(width, np.float32)
    group = np.zeros(GROUP, np.int64)
    marks = np.full(len(bias), -1, np.int32)
    for u in range(start, stop):
        x[:] = ZERO
        mean[:] = ZERO
        total = ONE
        drawn = np.uint64(seed)
        for p in range(indptr[u], indptr[u + 1]):
            marks[items[p]] = u
            drawn = seeded_state(drawn + np.uint64(items[p]))
        state = seeded_state(drawn)
        for turn in range(passes):
            for p in range(indptr[u], indptr[u + 1]):
                i = int(items[p])
                weight = weights[p] if len(weights) else ONE
                if loss == LOGISTIC:
                    group[:] = i
                    state, found = draw_others(state, draws, marks, u, group, 1, GROUP - 1)
                    four = _four_scores(flat, width, group, x)
                    for m in range(1 + min(found, n_candidates)):
                        k = group[m]
                        score = (four[0], four[1], four[2], four[3])[m] + bias[k]
                        pull = weight / (ONE + np.exp(score)) if m == 0 else MINUS / (ONE + np.exp(-score))
                        total += pull * pull
                        step = rate / np.sqrt(total)
                        _move_user(flat, k, k, width, x, step * pull, ZERO, ONE - step * regularization)
                    continue
                state, j, difference, tried = _negative(
                    state, i, loss, n_candidates, draws, marks, u, flat, width, bias, x, group
                )
                if j < 0:
                    continue
                pull = weight * _pull(loss, difference, tried, n_others)
                total += pull * pull
                step = rate / np.sqrt(total)
                _move_user(flat, i, j, width, x, step * pull, step * pull, ONE - step * regularization)
            if 2 * turn >= passes:
                mean += x
        users[u] = mean / np.float32(passes - (passes + 1) // 2)


@kernel(fastmath=REORDER)
def ordered_pairs(
    indptr: Longs,
    held_out: Ints,
    t_indptr: Longs,
    t_items: Ints,
    users: Floats,
    table: Floats,
    bias: Floats,
    draws: Ints,
    n_others: int,
    seed: int,
) -> tuple[float, int]:
    """Held-out items against ``n_others`` drawn ones each: pairs in the right order (ties count half), and all pairs.

    ``t_indptr`` and ``t_items`` are what the users were trained on; neither that nor what is held out is drawn.
    """
    marks = np.full(len(bias), -1, np.int32)
    group = np.zeros(GROUP, np.int64)
    width = table.shape[1]
    flat = table.reshape(-1)
    state = seeded_state(np.uint64(seed))
    right, pairs = 0.0, 0
    for u in range(len(indptr) - 1):
        for p in range(t_indptr[u], t_indptr[u + 1]):
            marks[t_items[p]] = u
        for p in range(indptr[u], indptr[u + 1]):
            marks[held_out[p]] = u
        x = users[u]
        for p in range(indptr[u], indptr[u + 1]):
            i = int(held_out[p])
            for _ in range(0, n_others, GROUP - 1):
                group[:] = i
                state, found = draw_others(state, draws, marks, u, group, 1, GROUP - 1)
                four = _four_scores(flat, width, group, x)
                own = four[0] + bias[i]
                for m in range(1, 1 + found):
                    other = (four[0], four[1], four[2], four[3])[m] + bias[group[m]]
                    right += 1.0 if own > other else 0.5 if own == other else 0.0
                    pairs += 1
    return right, pairs
