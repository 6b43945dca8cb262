"""Random numbers that depend on what they are for, not on when they are drawn.

Every table and every block of users has a Philox stream of its own, keyed by the seed and a label. So a block can be
made alone and in any order, and the data do not depend on how many rows are written at a time.
"""

import hashlib

import numpy as np
import numpy.typing as npt


def stream(seed: int, *label: str | int) -> np.random.Generator:
    """The generator for one purpose.

    >>> bool(stream(7, "items").random() == stream(7, "items").random())
    True
    >>> bool(stream(7, "items").random() == stream(7, "users").random())
    False
    """
    digest = hashlib.blake2b("\x1f".join(map(str, (seed, *label))).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def choose(rng: np.random.Generator, shares: npt.ArrayLike, size: int | tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Numbers 0 … len(shares)-1, each in proportion to its share."""
    cumulative = np.cumsum(np.asarray(shares, dtype=np.float64))
    picks = np.searchsorted(cumulative, rng.random(size) * cumulative[-1], side="right")
    return np.asarray(np.minimum(picks, len(cumulative) - 1))


def unit_rows(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Each row scaled to length 1; a row of zeros stays."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(norms > 0, norms, 1.0), dtype=np.float32)
