"""Whatever the caller holds, as a polars frame: Arrow, polars, pandas, DuckDB, columns, records."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from foretaste.errors import DataFormatError

_ACCEPTED = "a polars, pandas or Arrow table, a DuckDB result, a dict of columns or a list of dicts"


def as_frame(source: Any, *, what: str) -> pl.DataFrame:
    """A polars frame of ``source``; ``what`` names it in errors. Copies only where the source's memory cannot be used.

    Raises:
        DataFormatError: not something with rows and named columns.
    """
    if isinstance(source, pl.DataFrame):
        return source
    if isinstance(source, pl.LazyFrame):
        return source.collect()
    try:
        if _is_pandas(source):
            return _from_pandas(source)
        if hasattr(source, "__arrow_c_stream__"):
            return pl.DataFrame(source)
        if isinstance(source, Mapping):
            return pl.DataFrame(dict(source), strict=False)
        if isinstance(source, Sequence) and not isinstance(source, str | bytes):
            return _from_records(source, what)
    except (pl.exceptions.PolarsError, TypeError, ValueError) as exc:
        raise DataFormatError(
            f"the {what} cannot be read as a table: {first_line(exc)}", hint=f"give {_ACCEPTED}"
        ) from exc
    raise DataFormatError(f"the {what} are of type {type(source).__name__}", hint=f"give {_ACCEPTED}")


def is_sparse_matrix(source: Any) -> bool:
    """Whether ``source`` is a SciPy sparse matrix or array."""
    return type(source).__module__.startswith("scipy.sparse")


def _is_pandas(source: Any) -> bool:
    return type(source).__module__.split(".")[0] == "pandas" and hasattr(source, "columns")


def _from_records(records: Sequence[Any], what: str) -> pl.DataFrame:
    wrong = next((r for r in records if not isinstance(r, Mapping)), None)
    if wrong is not None:
        raise DataFormatError(f"one of the {what} is {str(wrong)[:40]!r}, not a dict", hint=f"give {_ACCEPTED}")
    return pl.DataFrame([dict(r) for r in records], infer_schema_length=None, strict=False)


def _from_pandas(frame: Any) -> pl.DataFrame:
    """Column by column through NumPy, so that pyarrow is not needed."""
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    columns = []
    for name in frame.columns:
        column = frame[name]
        if len(getattr(column, "shape", ())) != 1:
            raise DataFormatError(f"the pandas frame has more than one column {name!r}", hint="rename them")
        columns.append(_pandas_column(str(name), column))
    return pl.DataFrame(columns)


def _pandas_column(name: str, column: Any) -> pl.Series:
    kind = getattr(column.dtype, "kind", "O")
    if isinstance(column.dtype, np.dtype) and kind in "iufb":
        return pl.Series(name, column.to_numpy())
    if kind == "M":
        if getattr(column.dtype, "tz", None) is not None:
            column = column.dt.tz_convert("UTC").dt.tz_localize(None)
        return pl.Series(name, column.to_numpy().astype("datetime64[us]"))
    missing = column.isna().to_numpy(dtype=bool)
    values = column.astype(object).to_numpy()
    if missing.any():
        values = values.copy()
        values[missing] = None
    return pl.Series(name, values.tolist(), strict=False)


def first_line(exc: BaseException) -> str:
    """What a driver's error says, in one short line."""
    return str(exc).strip().splitlines()[0][:200] if str(exc).strip() else type(exc).__name__
