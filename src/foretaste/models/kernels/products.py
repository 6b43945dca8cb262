"""Products of rows of a flat table with a vector, written into the kernels that use them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel
from foretaste.models.kernels.vectors import WIDTH, load, multiply, multiply_add, sums_of_four

Floats = npt.NDArray[np.float32]
Place = int | np.signedinteger[Any]


@kernel(inline="always")
def four_products(table: Floats, a: Place, b: Place, c: Place, d: Place, width: int, x: Floats) -> Any:
    """x · (each of the rows of the flat ``table`` that start at a, b, c and d)."""
    part = load(x, 0)
    s0, s1 = multiply(load(table, a), part), multiply(load(table, b), part)
    s2, s3 = multiply(load(table, c), part), multiply(load(table, d), part)
    for f in range(WIDTH, width, WIDTH):
        part = load(x, f)
        s0 = multiply_add(load(table, a + f), part, s0)
        s1 = multiply_add(load(table, b + f), part, s1)
        s2 = multiply_add(load(table, c + f), part, s2)
        s3 = multiply_add(load(table, d + f), part, s3)
    return sums_of_four(s0, s1, s2, s3)
