"""Scores of different models brought to one scale, user by user."""

from typing import Literal

import numpy as np
import numpy.typing as npt

Normalization = Literal["zscore", "minmax", "rank", "none"]
Floats = npt.NDArray[np.float32]


def normalize(scores: Floats, how: Normalization) -> Floats:
    """Scores (B, I) on one scale for each user; -inf and NaN («no evidence») become that user's lowest value.

    - ``zscore``: (s - mean) / standard deviation; all 0 where all are equal.
    - ``minmax``: from 0 (lowest, and no evidence) to 1; all 1 where all are equal.
    - ``rank``: (n - place) / n, the best of n items 1, no evidence 0; ties by the smaller row, as in lists.
    - ``none``: as they are.

    A user of whom the model knows nothing at all gets 0 everywhere. Statistics are over all items with evidence, those
    of the history included.
    """
    if how == "zscore":
        return _zscores(scores)
    known = np.isfinite(scores)
    if how == "rank":
        return _ranks(scores, known)
    counts = known.sum(axis=1, keepdims=True)
    values = np.where(known, scores, 0.0).astype(np.float32)
    lowest = np.min(np.where(known, scores, np.inf), axis=1, keepdims=True)
    if how == "minmax":
        width = np.max(np.where(known, scores, -np.inf), axis=1, keepdims=True) - lowest
        with np.errstate(invalid="ignore", divide="ignore"):
            out = np.where(width > 0, (values - lowest) / width, 1.0)
        return np.where(known, out, 0.0).astype(np.float32)
    floor = np.where(counts > 0, lowest, 0.0)
    return np.where(known, values, floor).astype(np.float32)


def _zscores(scores: Floats) -> Floats:
    from foretaste.models.kernels.blending import zscore_rows

    block = np.ascontiguousarray(scores, dtype=np.float32)
    out = np.empty_like(block)
    zscore_rows(block, out)
    return out


def _ranks(scores: Floats, known: npt.NDArray[np.bool_]) -> Floats:
    order = np.argsort(np.where(known, -scores, np.inf), axis=1, kind="stable")
    places = np.empty(scores.shape, dtype=np.float32)
    np.put_along_axis(places, order, np.arange(scores.shape[1], dtype=np.float32)[None, :], axis=1)
    counts = np.maximum(known.sum(axis=1, keepdims=True), 1)
    return np.where(known, (counts - places) / counts, 0.0).astype(np.float32)
