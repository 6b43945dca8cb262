"""Sparse profile × items, item by item of the profile's tokens only."""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.integer]


@kernel
def add_postings(
    indptr: Indices,
    tokens: Indices,
    values: Floats,
    posting_indptr: Indices,
    posting_items: Indices,
    posting_values: Floats,
    out: Floats,
) -> None:
    """``out`` (B, I) += profiles (B, T, as CSR) @ items (T, I, as CSR): only items that share a token are touched.

    Cost: for each token of a profile, the number of items that have it.
    """
    for b in range(len(indptr) - 1):
        row = out[b]
        for n in range(indptr[b], indptr[b + 1]):
            token, value = tokens[n], values[n]
            for p in range(posting_indptr[token], posting_indptr[token + 1]):
                row[posting_items[p]] += value * posting_values[p]
