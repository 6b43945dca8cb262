"""Random numbers inside a kernel, one word of state at hand, and items drawn with them.

The generator is Marsaglia's xorshift (2003, doi:10.18637/jss.v008.i14), started by splitmix64.
"""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]


@kernel
def next_state(state: np.uint64) -> np.uint64:
    """Marsaglia's xorshift; the state may not be 0."""
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state


@kernel
def seeded_state(seed: np.uint64) -> np.uint64:
    """A state from a number that may be small or even (splitmix64)."""
    seed = (seed + np.uint64(0x9E3779B97F4A7C15)) & np.uint64(0xFFFFFFFFFFFFFFFF)
    seed = (seed ^ (seed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    seed = (seed ^ (seed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (seed ^ (seed >> np.uint64(31))) | np.uint64(1)


@kernel
def below(state: np.uint64, n: int) -> int:
    """A whole number 0 … n - 1 from the upper half of ``state``."""
    return int(((state >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))


@kernel
def draw_others(
    state: np.uint64, draws: Ints, marks: Ints, mark: int, group: Longs, start: int, wanted: int
) -> tuple[np.uint64, int]:
    """Put up to ``wanted`` drawn items that are not marked into ``group`` from ``start`` on; how many, after the state.

    An item that is marked is drawn again a few times, then given up.
    """
    count = start
    for _ in range(wanted):
        for _ in range(8):
            state = next_state(state)
            item = draws[below(state, len(draws))]
            if marks[item] != mark:
                group[count] = item
                count += 1
                break
    return state, count - start
