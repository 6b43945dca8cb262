"""Gibbs sampling of matrix factorisation: the inner loops, one factor at a time: all sums are of scalars.

Ratings come twice, by user and by item; ``place`` says where an entry of the second lies in the first. ``errors`` are
what the current sample leaves unexplained of each rating, in the first order.
"""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]
Ints = npt.NDArray[np.int32]


@kernel
def sample_biases(
    indptr: Longs,
    place: Ints,
    errors: Floats,
    biases: Floats,
    noise: Floats,
    alpha: float,
    mean: float,
    precision: float,
) -> None:
    """A new bias for each row, given all else; ``errors`` follow."""
    for row in range(len(indptr) - 1):
        start, stop = indptr[row], indptr[row + 1]
        total = 0.0
        for n in range(start, stop):
            total += errors[place[n]]
        total += biases[row] * (stop - start)
        sharpness = precision + alpha * (stop - start)
        fresh = np.float32((precision * mean + alpha * total) / sharpness + noise[row] / np.sqrt(sharpness))
        change = fresh - biases[row]
        biases[row] = fresh
        for n in range(start, stop):
            errors[place[n]] -= change


@kernel
def sample_factor(
    indptr: Longs,
    columns: Ints,
    place: Ints,
    errors: Floats,
    own: Floats,
    total: Floats,
    other: Floats,
    noise: Floats,
    alpha: float,
    mean: float,
    precision: float,
) -> None:
    """A new coordinate ``own`` for each row, given all else; ``total`` (own and implied) and ``errors`` follow."""
    for row in range(len(indptr) - 1):
        squares, cross = np.float32(0.0), np.float32(0.0)
        for n in range(indptr[row], indptr[row + 1]):
            value = other[columns[n]]
            squares += value * value
            cross += value * errors[place[n]]
        sharpness = precision + alpha * squares
        pull = precision * mean + alpha * (cross + squares * own[row])
        fresh = np.float32(pull / sharpness + noise[row] / np.sqrt(sharpness))
        change = fresh - own[row]
        own[row] = fresh
        total[row] += change
        for n in range(indptr[row], indptr[row + 1]):
            errors[place[n]] -= change * other[columns[n]]


@kernel
def sample_implied(
    indptr: Longs,
    columns: Ints,
    place: Ints,
    errors: Floats,
    column_indptr: Longs,
    column_rows: Ints,
    share: Floats,
    implicit: Floats,
    total: Floats,
    other: Floats,
    noise: Floats,
    alpha: float,
    precision: float,
) -> None:
    """A new coordinate y_j for each column j, of which row u holds c_u·Σ y_j over its own columns.

    A change δ of y_j moves row u by c_u·δ, so only two sums of each row are needed while the columns are sampled:
    Σ v² and Σ e·v over its ratings. The errors are brought up to date once at the end.
    """
    n_rows = len(indptr) - 1
    squares, cross = np.zeros(n_rows, np.float32), np.zeros(n_rows, np.float32)
    moved = np.zeros(n_rows, np.float32)
    for row in range(n_rows):
        for n in range(indptr[row], indptr[row + 1]):
            value = other[columns[n]]
            squares[row] += value * value
            cross[row] += value * errors[place[n]]
    for column in range(len(column_indptr) - 1):
        stiffness, pull = np.float32(0.0), np.float32(0.0)
        for n in range(column_indptr[column], column_indptr[column + 1]):
            row = column_rows[n]
            part = share[row]
            stiffness += part * part * squares[row]
            pull += part * cross[row]
        sharpness = precision + alpha * stiffness
        centre = alpha * (pull + stiffness * implicit[column]) / sharpness
        fresh = np.float32(centre + noise[column] / np.sqrt(sharpness))
        change = fresh - implicit[column]
        implicit[column] = fresh
        for n in range(column_indptr[column], column_indptr[column + 1]):
            row = column_rows[n]
            step = share[row] * change
            cross[row] -= step * squares[row]
            moved[row] += step
    for row in range(n_rows):
        total[row] += moved[row]
        for n in range(indptr[row], indptr[row + 1]):
            errors[place[n]] -= moved[row] * other[columns[n]]


@kernel
def normal_equations(
    indptr: Longs, columns: Ints, targets: Floats, table: Floats, systems: Doubles, right_sides: Doubles
) -> None:
    """ZᵀZ (B, F + 1, F + 1) and Zᵀx (B, F + 1) of each row, Z being [1, v] of its columns and x its targets."""
    width = table.shape[1]
    for row in range(len(indptr) - 1):
        system, right = systems[row], right_sides[row]
        for n in range(indptr[row], indptr[row + 1]):
            values, target = table[columns[n]], np.float64(targets[n])
            system[0, 0] += 1.0
            right[0] += target
            for f in range(width):
                value = np.float64(values[f])
                system[f + 1, 0] += value
                right[f + 1] += value * target
                for g in range(f + 1):
                    system[f + 1, g + 1] += value * np.float64(values[g])
        for f in range(width + 1):
            for g in range(f):
                system[g, f] = system[f, g]
