"""What kind of feature each column is, judged by its values, and the column in the form that kind needs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from foretaste.data.dataset import FeatureType
from foretaste.data.intake.values import timestamps
from foretaste.errors import DataFormatError

_SEPARATORS = ("|", ";", ",")
_SAMPLE = 20_000
_CODE_NAME = re.compile(r"(^|_)(id|code|zip|zipcode|postcode|phone|sku|isbn|ean|occupation|gender|sex)$|[a-z]Id$")
_TEXT_NAME = re.compile(
    r"(^|_)(title|name|description|summary|content|text|body|abstract|plot|overview)$", re.IGNORECASE
)


@dataclass(frozen=True)
class TypedColumn:
    """A column and what it is; ``kind`` None means that it is kept but is no feature (a web address, a structure)."""

    values: pl.Series
    kind: FeatureType | None


def infer_features(
    frame: pl.DataFrame, declared: Mapping[str, FeatureType], *, skip: str
) -> tuple[pl.DataFrame, dict[str, FeatureType]]:
    """The frame with its columns in the form of their kinds, and the kinds; ``skip`` is the id column.

    ``numeric`` columns become numbers, ``date`` columns dates, ``list`` columns lists of text, the others text. Numbers
    that name something (``zip_code``, ``category_id``) are categories.

    Raises:
        DataFormatError: a declared column is not there, or cannot be what it was declared.
    """
    unknown = [name for name in declared if name not in frame.columns]
    if unknown:
        raise DataFormatError(
            f"feature {unknown[0]!r} is declared but no such column is there; columns: {', '.join(frame.columns)}"
        )
    columns, kinds = [], {}
    for column in frame.get_columns():
        if column.name == skip:
            columns.append(column)
            continue
        typed = _declared(column, declared[column.name]) if column.name in declared else _inferred(column)
        columns.append(typed.values.alias(column.name))
        if typed.kind is not None:
            kinds[column.name] = typed.kind
    return pl.DataFrame(columns), kinds


def _inferred(column: pl.Series) -> TypedColumn:
    dtype = column.dtype
    if dtype == pl.Boolean or dtype in {pl.Categorical, pl.Enum}:
        return TypedColumn(column.cast(pl.String), "categorical")
    if dtype.is_numeric():
        return _numeric(column)
    if dtype.is_temporal():
        return TypedColumn(column, "date" if dtype == pl.Date or isinstance(dtype, pl.Datetime) else None)
    if isinstance(dtype, pl.List | pl.Array):
        return _as_list(column)
    if dtype == pl.String:
        return _from_text(column)
    return TypedColumn(column, None)


def _numeric(column: pl.Series) -> TypedColumn:
    if _CODE_NAME.search(column.name) and not column.dtype.is_float():
        return TypedColumn(column.cast(pl.String), "categorical")
    return TypedColumn(column, "numeric")


def _as_list(column: pl.Series) -> TypedColumn:
    inner = getattr(column.dtype, "inner", pl.String)
    if inner.is_nested() or inner.is_float():
        return TypedColumn(column, None)
    return TypedColumn(column.cast(pl.List(pl.String)), "list")


def _from_text(column: pl.Series) -> TypedColumn:
    text = column.str.strip_chars()
    text = text.set(text == "", None)
    known = text.drop_nulls().head(_SAMPLE)
    if len(known) == 0:
        return TypedColumn(text, None)
    is_code = bool(_CODE_NAME.search(column.name))
    if not is_code and known.cast(pl.Float64, strict=False).null_count() == 0:
        whole = text.cast(pl.Int64, strict=False)
        numbers = (
            whole if whole.null_count() == text.null_count() else text.cast(pl.Float64, strict=False).fill_nan(None)
        )
        return TypedColumn(numbers, "numeric")
    dates = _dates(text)
    if dates is not None:
        return TypedColumn(dates, "date")
    if known.str.contains(r"^https?://").mean() > 0.5:  # type: ignore[operator]
        return TypedColumn(text, None)
    if is_code:
        return TypedColumn(text, "categorical")
    if _TEXT_NAME.search(column.name):
        return TypedColumn(text, "text")
    separator = _list_separator(known)
    if separator is not None:
        return TypedColumn(_split(text, separator), "list")
    return TypedColumn(text, "categorical" if _is_categorical(known) else "text")


def _list_separator(known: pl.Series) -> str | None:
    """The sign between the parts, where most values hold it and their parts come back in others."""
    for separator in _SEPARATORS:
        if known.str.contains(separator, literal=True).mean() <= 0.4:  # type: ignore[operator]
            continue
        parts = known.str.split(separator).explode(empty_as_null=True, keep_nulls=True).str.strip_chars().drop_nulls()
        parts = parts.filter(parts != "")
        short = parts.str.len_chars().mean() <= 30  # type: ignore[operator]
        if short and len(known) >= 3 and parts.n_unique() <= 0.5 * len(parts):
            return separator
    return None


def _split(text: pl.Series, separator: str) -> pl.Series:
    parts = pl.element().str.strip_chars()
    return text.str.split(separator).list.eval(parts.filter(parts != ""))


def _is_categorical(known: pl.Series) -> bool:
    distinct = known.n_unique()
    words = float(known.str.count_matches(r"\S+").mean())  # type: ignore[arg-type]
    return words <= 4 and (distinct <= 20 or distinct <= 0.2 * len(known) or words <= 1.2)


_DATE_FORMS = ("%Y-%m-%d", "%d-%b-%Y", "%Y/%m/%d")
_TIME_FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.fZ")
_MAY_FAIL = 0.05


def _dates(text: pl.Series) -> pl.Series | None:
    """The column as dates or times when (nearly) every value is one; None otherwise."""
    for form in (*_DATE_FORMS, *_TIME_FORMS):
        if _parsed_share(text.drop_nulls().head(200), form) is not None:
            parsed = _parsed_share(text, form)
            if parsed is not None:
                return parsed
    return None


def _parsed_share(text: pl.Series, form: str) -> pl.Series | None:
    """The dates of one form; None when more than a few of the texts have another one."""
    if form in _DATE_FORMS:
        parsed = text.str.to_date(form, strict=False)
    else:
        parsed = text.str.to_datetime(form, strict=False, time_unit="us")
    n_known = len(text) - text.null_count()
    return parsed if parsed.null_count() - text.null_count() <= _MAY_FAIL * n_known else None


def _declared(column: pl.Series, kind: FeatureType) -> TypedColumn:
    if kind == "numeric":
        values = column.cast(pl.Float64, strict=False) if not column.dtype.is_numeric() else column
    elif kind == "date":
        values = column if column.dtype.is_temporal() else _declared_dates(column)
    elif kind == "list":
        values = _declared_list(column)
    else:
        values = column.cast(pl.String, strict=False)
    if values.null_count() == len(column) and column.null_count() < len(column):
        example = column.drop_nulls().head(1).to_list()[0]
        raise DataFormatError(
            f"column {column.name!r} is declared {kind}, but no value is, such as {str(example)[:40]!r}"
        )
    return TypedColumn(values, kind)


def _declared_dates(column: pl.Series) -> pl.Series:
    text_dates = _dates(column) if column.dtype == pl.String else None
    if text_dates is not None:
        return text_dates
    seconds, _bad = timestamps(column)
    return (seconds * 1e6).cast(pl.Int64, strict=False).cast(pl.Datetime("us"))


def _declared_list(column: pl.Series) -> pl.Series:
    if isinstance(column.dtype, pl.List | pl.Array):
        return column.cast(pl.List(pl.String))
    text = column.cast(pl.String)
    known = text.drop_nulls()
    most = max(_SEPARATORS, key=lambda s: int(known.str.contains(s, literal=True).sum()))
    return _split(text, most)


__all__ = ["TypedColumn", "infer_features"]
