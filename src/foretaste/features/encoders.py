"""Typed columns of users or items as one sparse matrix of numbers that a model can learn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import polars as pl
from scipy import sparse

from foretaste.data import FeatureType
from foretaste.data.feature_types import infer_features
from foretaste.errors import CorruptStateError, DataFormatError
from foretaste.features.columns import Column, ColumnOptions, Csr, fit_column

PLAIN = ColumnOptions(max_features=2_000, min_df=2, weighting="plain")
"""Options for models that learn a weight for each feature."""


@dataclass(frozen=True)
class FeatureEncoder:
    """Turns rows of a frame into features that were fixed by :meth:`fit`.

    A category is 1 at its value, a list 1/√n at each of its n values, a number or date is shared between the two
    quantiles around it, a text is TF-IDF of length 1 (all with ``weighting="plain"``; see :class:`ColumnOptions`).
    What is missing (null, NaN, infinite, empty) or was never seen gives no entry; a column that a later frame lacks
    counts as missing.

    >>> frame = pl.DataFrame({"item_id": ["a", "b", "c"], "category": ["x", "y", "x"], "price": [1.0, 3.0, None]})
    >>> kinds = {"category": "categorical", "price": "numeric"}
    >>> encoder = FeatureEncoder.fit(frame, kinds, ColumnOptions(n_bins=2, weighting="plain"))
    >>> encoder.names
    ('category: x', 'category: y', 'price: about 1', 'price: about 3')
    >>> new = pl.DataFrame({"item_id": ["d"], "category": ["y"], "price": [1.5]})
    >>> encoder.transform(new).toarray().tolist()
    [[0.0, 1.0, 0.75, 0.25]]
    """

    columns: tuple[Column, ...]

    @classmethod
    def fit(cls, frame: pl.DataFrame, kinds: Mapping[str, FeatureType], options: ColumnOptions = PLAIN, /) -> Self:
        """Fix the features of the columns named in ``kinds`` (as :func:`feature_table` gives both).

        A column without any usable value is left out; there may be none at all.
        """
        found = (fit_column(frame[name], kind, options) for name, kind in kinds.items())
        return cls(tuple(column for column in found if column is not None))

    def typed(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The columns of ``frame`` that have features, each in the form of its kind.

        Raises:
            DataFormatError: no value of a column is of the kind it was when fitted.
        """
        declared = {column.name: column.kind for column in self.columns if column.name in frame.columns}
        return infer_features(frame.select(list(declared)), declared, skip="")[0]

    def transform(self, frame: pl.DataFrame) -> Csr:
        """Rows × features (n, F), float32.

        Raises:
            DataFormatError: no value of a column is of the kind it was when fitted.
        """
        if not self.columns:
            return Csr(sparse.coo_array((len(frame), 0), dtype=np.float32))
        typed = self.typed(frame)
        blocks = [
            column.encode(typed[column.name]) if column.name in typed.columns else column.missing(len(frame))
            for column in self.columns
        ]
        joined = Csr(sparse.hstack(blocks, format="csr")).astype(np.float32)
        joined.sort_indices()
        return joined

    def transform_records(self, records: Sequence[Mapping[str, object]]) -> Csr:
        """Records (as JSON brings them) × features; a value that cannot be read as its column's kind counts as missing.

        >>> frame = pl.DataFrame({"user_id": ["a", "b"], "country": ["DE", "PT"]})
        >>> encoder = FeatureEncoder.fit(frame, {"country": "categorical"}, ColumnOptions(weighting="plain"))
        >>> encoder.transform_records([{"country": "PT", "age": 3}, {"country": ["?"]}, {}]).toarray().tolist()
        [[0.0, 1.0], [0.0, 0.0], [0.0, 0.0]]
        """
        columns = [_encoded(column, [record.get(column.name) for record in records]) for column in self.columns]
        if not columns:
            return Csr(sparse.coo_array((len(records), 0), dtype=np.float32))
        joined = Csr(sparse.hstack(columns, format="csr")).astype(np.float32)
        joined.sort_indices()
        return joined

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What each feature says (F), as ``column: value``."""
        return tuple(f"{column.name}: {token}" for column in self.columns for token in column.tokens)

    @property
    def n_features(self) -> int:
        """Columns of the matrix, F."""
        return sum(len(column.tokens) for column in self.columns)

    def to_json(self) -> list[dict[str, Any]]:
        """The encoder as plain values, to be saved in a model's state."""
        return [c.to_json() | {"tokens": list(c.tokens), "idf": list(c.idf)} for c in self.columns]

    @classmethod
    def from_json(cls, saved: list[dict[str, Any]]) -> Self:
        """The opposite of :meth:`to_json`.

        Raises:
            CorruptStateError: values that are not as they were saved.
        """
        columns = []
        try:
            for fields in saved:
                rest = {key: value for key, value in fields.items() if key not in {"tokens", "idf"}}
                columns.append(Column.from_json(rest, fields["tokens"], fields["idf"]))
        except (AttributeError, KeyError, TypeError) as exc:
            raise CorruptStateError(f"the saved features cannot be read: {exc}", hint="train it again") from exc
        return cls(tuple(columns))


def _encoded(column: Column, values: list[object]) -> Csr:
    """A column's features of single values, each read by itself, so that a wrong one spoils no other."""
    one = FeatureEncoder((column,))
    blocks = []
    for value in values:
        try:
            frame = pl.DataFrame({column.name: pl.Series([value], strict=False)})
            blocks.append(column.encode(one.typed(frame)[column.name]) if value is not None else column.missing(1))
        except (DataFormatError, pl.exceptions.PolarsError, TypeError, ValueError, OverflowError):
            blocks.append(column.missing(1))
    return Csr(sparse.vstack(blocks, format="csr"))
