"""The features that a profile and an item share, in words."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

from foretaste.data import FeatureType
from foretaste.features import Column
from foretaste.models.content.vectors import NUMBERS

FEATURES_NAMED = 3


def shared_features(
    columns: Sequence[Column], profile: npt.NDArray[np.float32], vectors: sparse.csr_array, item_row: int
) -> tuple[str, ...]:
    """Labels of the tokens that add most to the score of one item, numbers last and only where nothing else is."""
    part = slice(vectors.indptr[item_row], vectors.indptr[item_row + 1])
    tokens = vectors.indices[part]
    gains = profile[tokens] * vectors.data[part]
    best = [int(tokens[n]) for n in np.argsort(-gains, kind="stable") if gains[n] > 0]
    labels: list[str] = []
    told = sorted((label_of(columns, token) for token in best), key=lambda pair: pair[0] in NUMBERS)
    for kind, label in told:
        is_part = kind == "text" and any(label in other.split() or other in label.split() for other in labels)
        if not is_part and label not in labels and not (labels and kind in NUMBERS):
            labels.append(label)  # «wool» beside «wool socks» says nothing more
        if len(labels) == FEATURES_NAMED:
            break
    return tuple(labels)


def label_of(columns: Sequence[Column], token: int) -> tuple[FeatureType, str]:
    """The kind of a token's column, and what a person reads."""
    for column in columns:
        if token < len(column.tokens):
            return column.kind, column.label(token)
        token -= len(column.tokens)
    raise IndexError(token)
