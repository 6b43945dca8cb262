"""Sparse profile × items, item by item of the profile's tokens only."""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
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


@kernel
def combine(
    indptr: Indices,
    rows: Indices,
    weights: Floats,
    row_indptr: Indices,
    tokens: Indices,
    values: Floats,
    sums: Floats,
    out_indptr: Longs,
    out_tokens: Ints,
    out_values: Floats,
) -> None:
    """For each b, the weighted sum of the sparse rows ``rows[indptr[b]:indptr[b + 1]]``, as CSR with unsorted tokens.

    ``out_tokens`` and ``out_values`` have room for all entries of these rows; ``sums`` (T,) of NaN is scratch.
    """
    count = 0
    for b in range(len(indptr) - 1):
        first = count
        for n in range(indptr[b], indptr[b + 1]):
            for p in range(row_indptr[rows[n]], row_indptr[rows[n] + 1]):
                token = tokens[p]
                if np.isnan(sums[token]):
                    sums[token] = np.float32(0)
                    out_tokens[count] = token
                    count += 1
                sums[token] += weights[n] * values[p]
        for p in range(first, count):
            out_values[p] = sums[out_tokens[p]]
            sums[out_tokens[p]] = np.nan
        out_indptr[b + 1] = count
