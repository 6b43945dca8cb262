"""The hash functions of a MinHash, and how many to put in a band for a threshold."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from foretaste.errors import ConfigurationError
from foretaste.models.threads import map_threads, n_threads

Hashes = npt.NDArray[np.uint32]
PARTS_PER_THREAD = 4
FEW = 64
"""So few sets are not worth starting threads for."""


@dataclass(frozen=True)
class MinHash:
    """Hash functions of sets of whole numbers below ``n_elements``, in ``bands`` bands of ``rows`` functions each.

    Two sets agree in one function with the probability of their Jaccard similarity J, so in all functions of a band
    with J^rows, and in at least one band with 1 - (1 - J^rows)^bands.

    Source: Broder 1997, doi:10.1109/SEQUEN.1997.666900; the functions are linear permutations (see
    :mod:`foretaste.models.kernels.minhash`).
    """

    bands: int
    rows: int
    keys: Hashes  # (n_elements,)
    factors: Hashes  # (bands * rows,)
    offsets: Hashes  # (bands * rows,)
    mixers: Hashes  # (rows,)

    @classmethod
    def of(cls, bands: int, rows: int, n_elements: int, seed: int) -> "MinHash":
        """The functions of a seed; a function gives the same hashes for more elements."""
        from foretaste.models.kernels.minhash import element_keys

        rng = np.random.default_rng(seed)
        start = np.uint32(rng.integers(2**32, dtype=np.uint32))
        factors, offsets = (rng.integers(2**32, size=bands * rows, dtype=np.uint32) for _ in range(2))
        mixers = rng.integers(2**32, size=rows, dtype=np.uint32)
        odd = np.uint32(1)
        return cls(bands, rows, element_keys(n_elements, start), factors | odd, offsets, mixers | odd)

    @property
    def functions(self) -> tuple[Hashes, Hashes, Hashes, Hashes]:
        """What the kernels want: keys, factors, offsets, mixers."""
        return self.keys, self.factors, self.offsets, self.mixers

    def hashes(self, sets: sparse.csr_array) -> Hashes:
        """Band hashes (bands, n) of n sets, the rows of a sparse matrix, on all threads."""
        from foretaste.models.kernels.minhash import hash_sets

        n = sets.shape[0]
        indptr, elements = csr_parts(sets)
        out: Hashes = np.empty((self.bands, n), np.uint32)
        map_threads(
            lambda part: hash_sets(part[0], part[1], indptr, elements, *self.functions, out), even_parts(indptr)
        )
        return out


def csr_parts(sets: sparse.csr_array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """``indptr`` as int64 and ``indices`` as int32."""
    return np.asarray(sets.indptr, np.int64), np.asarray(sets.indices, np.int32)


def even_parts(indptr: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Ranges of sets with about equally many elements, several for each thread."""
    n = len(indptr) - 1
    if n < FEW:
        return [(0, n)]
    n_parts = PARTS_PER_THREAD * n_threads()
    work = indptr + 8 * np.arange(n + 1)  # a set costs something even when it is small
    edges = np.searchsorted(work, np.linspace(0, int(work[-1]), n_parts + 1)[1:-1])
    bounds = np.unique(np.concatenate([[0], edges, [n]])).tolist()
    return list(pairwise(bounds))


@lru_cache(maxsize=64)
def bands_for(threshold: float, n_permutations: int, false_negative_weight: float = 0.5) -> tuple[int, int]:
    """Bands and rows, at most ``n_permutations`` in all, that tell apart best what is above and below a threshold.

    Minimises (1-w)·∫₀ᵗ p(s) ds + w·∫ₜ¹ (1 - p(s)) ds with p(s) = 1 - (1 - s^rows)^bands, w being the weight of what is
    missed. Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3.

    >>> bands_for(0.5, 128)
    (25, 5)

    Raises:
        ConfigurationError: a threshold outside 0 … 1 or no permutation.
    """
    if not 0 <= threshold <= 1 or n_permutations < 1:
        raise ConfigurationError(
            f"no bands for threshold {threshold} and {n_permutations} permutations",
            hint="a threshold lies in 0 … 1 and at least one permutation is needed",
        )
    pairs = np.array([(b, r) for b in range(1, n_permutations + 1) for r in range(1, n_permutations // b + 1)])
    bands, rows = pairs[:, :1].astype(float), pairs[:, 1:].astype(float)
    nodes, weights = np.polynomial.legendre.leggauss(96)
    half = (nodes + 1) / 2

    def missed(s: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        return np.asarray((1 - s**rows) ** bands, dtype=np.float64)

    false_positives = (1 - missed(half * threshold)) @ weights * threshold / 2
    false_negatives = missed(threshold + half * (1 - threshold)) @ weights * (1 - threshold) / 2
    errors = (1 - false_negative_weight) * false_positives + false_negative_weight * false_negatives
    best = pairs[int(np.argmin(errors))]
    return int(best[0]), int(best[1])
