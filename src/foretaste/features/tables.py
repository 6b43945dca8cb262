"""The feature columns of a data set's users or items, each in the form of its kind."""

from collections.abc import Sequence
from typing import Literal

import polars as pl

from foretaste.data import Dataset, FeatureType
from foretaste.data.feature_types import infer_features
from foretaste.errors import DataFormatError, DataInsufficientError

Side = Literal["user", "item"]


def feature_table(
    data: Dataset, side: Side, columns: Sequence[str] | None = None
) -> tuple[pl.DataFrame, dict[str, FeatureType]]:
    """One row a user or item in vocabulary order (the id first), and the kinds of the other columns.

    ``columns`` names the ones to take; None takes all with a kind. Kinds come from the data set where it has them,
    else from the values.

    Raises:
        DataInsufficientError: there is no frame, or none of its columns can be a feature.
        DataFormatError: a named column is not there.
    """
    frame = data.item_frame if side == "item" else data.user_frame
    known = data.item_features if side == "item" else data.user_features
    key = f"{side}_id"
    if frame is None or frame.width < 2:
        what = "an item file with titles, categories, …" if side == "item" else "a user file with ages, interests, …"
        raise DataInsufficientError(f"{side}s of data set {data.name!r} have no features", hint=f"add {what}")
    missing = sorted(set(columns or ()) - set(frame.columns))
    if missing:
        raise DataFormatError(
            f"{side}s of data set {data.name!r} have no column {missing[0]!r}",
            hint=f"columns that are there: {', '.join(frame.columns)}",
        )
    declared = {name: kind for name, kind in known.items() if name in frame.columns}
    if columns is not None:
        frame = frame.select([key, *(name for name in columns if name != key)])
        declared = {name: kind for name, kind in declared.items() if name in columns}
    elif declared:
        frame = frame.select([key, *declared])
    typed, kinds = infer_features(frame, declared, skip=key)
    if not kinds:
        raise DataInsufficientError(f"no column of the {side}s of data set {data.name!r} can be used as a feature")
    return typed, kinds


def has_features(data: Dataset, side: Side) -> bool:
    """Whether :func:`feature_table` would find any column."""
    frame = data.item_frame if side == "item" else data.user_frame
    return frame is not None and bool(infer_features(frame, {}, skip=f"{side}_id")[1])
