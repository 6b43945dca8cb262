"""Stochastic gradient descent over ratings, user by user: the inner loops of biased matrix factorisation and SVD++.

Tables are flat; widths are multiples of 16, the columns that fill them up being zero and staying so.
"""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel
from foretaste.models.kernels.vectors import (
    WIDTH,
    add,
    load,
    multiply,
    multiply_add,
    prefetch,
    splat,
    store,
    sums_of_four,
)

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]
Ints = npt.NDArray[np.int32]

ONE = np.float32(1.0)
ZERO = np.float32(0.0)
AHEAD = 8
"""Item rows are asked for so many ratings before they are used."""


@kernel
def _walk(
    columns: Ints,
    ratings: Floats,
    start: int,
    stop: int,
    taste: Floats,
    bias: np.float32,
    item_bias: Floats,
    item_table: Floats,
    pull: np.float32,
    rate: np.float32,
    ridge: np.float32,
    bias_ridge: np.float32,
) -> tuple[float, np.float32]:
    """One step for each rating ``start:stop`` of one user, whose vector ``taste`` moves ``pull`` times as far.

    Rows of a user are of different items. So the product of the next step is known from this one's vectors as
    (keep·p + step·q)·q' = keep·(p·q') + step·(q·q'): both products are on their way while the error is still awaited.
    Returns the sum of squared errors, each taken before its step, and the user's bias.
    """
    width = len(taste)
    squares = 0.0
    keep, bias_keep = ONE - rate * ridge, ONE - rate * bias_ridge
    kept = splat(keep)
    product = ZERO
    if start < stop:
        first = np.intp(columns[start]) * width
        total = splat(ZERO)
        for f in range(0, width, WIDTH):
            total = multiply_add(load(taste, f), load(item_table, first + f), total)
        product = sums_of_four(total, total, total, total)[0]
    for n in range(start, stop):
        item = np.intp(columns[n])
        row = item * width
        if n + AHEAD < stop:
            ahead = np.intp(columns[n + AHEAD]) * width
            for f in range(0, width, WIDTH):
                prefetch(item_table, ahead + f)
        next_row = np.intp(columns[min(n + 1, stop - 1)]) * width
        error = ratings[n] - item_bias[item] - bias - product
        squares += np.float64(error) * np.float64(error)
        step = rate * error
        bias = bias_keep * bias + step
        item_bias[item] = bias_keep * item_bias[item] + step
        to_user, to_item = splat(pull * step), splat(step)
        by_user, by_item = splat(ZERO), splat(ZERO)
        for f in range(0, width, WIDTH):
            own, other, following = load(taste, f), load(item_table, row + f), load(item_table, next_row + f)
            by_user = multiply_add(own, following, by_user)
            by_item = multiply_add(other, following, by_item)
            store(taste, f, multiply_add(to_user, other, multiply(kept, own)))
            store(item_table, row + f, multiply_add(to_item, own, multiply(kept, other)))
        sums = sums_of_four(by_user, by_item, by_user, by_item)
        product = keep * sums[0] + pull * step * sums[1]
    return squares, bias


@kernel
def svd_epoch(
    order: Ints,
    indptr: Longs,
    columns: Ints,
    ratings: Floats,
    user_bias: Floats,
    item_bias: Floats,
    user_table: Floats,
    item_table: Floats,
    width: int,
    rate: np.float32,
    ridge: np.float32,
    bias_ridge: np.float32,
) -> float:
    """One pass over the ratings (less their mean) of the users in ``order``; the sum of squared errors on the way."""
    squares = 0.0
    for user in order:
        own = user_table[user * width : (user + 1) * width]
        more, user_bias[user] = _walk(
            columns,
            ratings,
            indptr[user],
            indptr[user + 1],
            own,
            user_bias[user],
            item_bias,
            item_table,
            ONE,
            rate,
            ridge,
            bias_ridge,
        )
        squares += more
    return squares


@kernel
def svdpp_epoch(
    order: Ints,
    indptr: Longs,
    columns: Ints,
    ratings: Floats,
    user_bias: Floats,
    item_bias: Floats,
    user_table: Floats,
    item_table: Floats,
    implicit_table: Floats,
    width: int,
    rate: np.float32,
    ridge: np.float32,
    bias_ridge: np.float32,
) -> float:
    """Like :func:`svd_epoch` with t = p + Σ_j y_j/√n in the place of p.

    A step for one rating moves p by γ(e·q - λp) and each of the n vectors y_j by γ(e·q/√n - λy_j), so t moves by
    γ(2e·q - λt): t alone is followed through the user's n ratings. Afterwards, with d = (1 - γλ)ⁿ, every step together
    has given p ← d·p + g and y_j ← d·y_j + g/√n with 2g = t_after - d·t_before. This is what a step on all y_j at each
    rating gives, exactly, at 1/n of the work.
    """
    squares = 0.0
    before, after = np.empty(width, np.float32), np.empty(width, np.float32)
    for user in order:
        start, stop = indptr[user], indptr[user + 1]
        n = stop - start
        if n == 0:
            continue
        share = np.float32(1.0 / np.sqrt(n))
        before[:] = ZERO
        for entry in range(start, stop):
            row = np.intp(columns[entry]) * width
            for f in range(0, width, WIDTH):
                store(before, f, add(load(before, f), load(implicit_table, row + f)))
        for f in range(width):
            before[f] = user_table[user * width + f] + share * before[f]
            after[f] = before[f]
        more, user_bias[user] = _walk(
            columns,
            ratings,
            start,
            stop,
            after,
            user_bias[user],
            item_bias,
            item_table,
            np.float32(2.0),
            rate,
            ridge,
            bias_ridge,
        )
        squares += more
        decay = np.float32((1.0 - np.float64(rate) * np.float64(ridge)) ** n)
        for f in range(width):
            gained = np.float32(0.5) * (after[f] - decay * before[f])
            user_table[user * width + f] = decay * user_table[user * width + f] + gained
            after[f] = share * gained
        kept = splat(decay)
        for entry in range(start, stop):
            row = np.intp(columns[entry]) * width
            for f in range(0, width, WIDTH):
                store(implicit_table, row + f, multiply_add(kept, load(implicit_table, row + f), load(after, f)))
    return squares


@kernel
def shuffle_rows(indptr: Longs, columns: Ints, ratings: Floats, chances: Floats) -> None:
    """Put each row's entries in a random order, by ``chances`` in [0, 1) of every entry (Fisher and Yates)."""
    for row in range(len(indptr) - 1):
        start = indptr[row]
        for n in range(indptr[row + 1] - 1, start, -1):
            other = start + min(np.int64(chances[n] * np.float32(n + 1 - start)), n - start)
            columns[n], columns[other] = columns[other], columns[n]
            ratings[n], ratings[other] = ratings[other], ratings[n]
