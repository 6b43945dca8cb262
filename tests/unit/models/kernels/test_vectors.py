import numpy as np
import pytest

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


@kernel
def combine(a, b, c, factor, out):
    prefetch(a, 0)
    for offset in range(0, len(out), WIDTH):
        scaled = multiply(splat(factor), load(a, offset))
        store(out, offset, add(multiply_add(load(a, offset), load(b, offset), load(c, offset)), scaled))


@kernel
def four_sums(rows, out):
    sums = sums_of_four(load(rows, 0), load(rows, WIDTH), load(rows, 2 * WIDTH), load(rows, 3 * WIDTH))
    for n in range(4):
        out[n] = sums[n]


@pytest.mark.parametrize("shift", [0, 1, 5])
def test_vectors_compute_lane_by_lane_wherever_the_array_begins(shift):
    rng = np.random.default_rng(0)
    a, b, c, out = (rng.standard_normal(3 * WIDTH + shift).astype(np.float32)[shift:] for _ in range(4))
    combine(a, b, c, np.float32(0.5), out)
    np.testing.assert_allclose(out, a * b + c + 0.5 * a, rtol=1e-5, atol=1e-6)


def test_four_vectors_are_summed_each_into_its_own_place():
    rows = np.random.default_rng(1).standard_normal((4, WIDTH)).astype(np.float32)
    out = np.empty(4, np.float32)
    four_sums(rows.reshape(-1), out)
    np.testing.assert_allclose(out, rows.sum(axis=1), rtol=1e-5, atol=1e-6)
