"""Numbers and times out of columns of any type, with a mask of what could not be read."""

import polars as pl

from foretaste.errors import DataFormatError

_NO_VALUE = ("", "nan", "null", "none", "na", "n/a", "-")
_ISO = (
    r"^(\d{4})[-/](\d{1,2})[-/](\d{1,2})"
    r"(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?)?"
    r"\s*(?:(Z|UTC|GMT)|([+-])(\d{2}):?(\d{2})?)?$"
)
_COMPACT_DATE = r"^[12]\d{3}[01]\d[0-3]\d$"
_MAGNITUDES = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
"""Numbers of at least the first are in units of which the second make a second (ns, µs, ms)."""


def numbers(column: pl.Series, *, role: str) -> tuple[pl.Series, pl.Series]:
    """The column as Float64 (null where missing or NaN) and a mask of texts that are no number.

    Raises:
        DataFormatError: the column holds lists, dates or the like.
    """
    dtype = column.dtype
    if dtype == pl.Null:
        return pl.Series(column.name, [None] * len(column), dtype=pl.Float64), _nothing(column)
    if dtype.is_numeric() or dtype == pl.Boolean:
        return column.cast(pl.Float64).fill_nan(None), _nothing(column)
    if dtype in {pl.String, pl.Categorical, pl.Enum}:
        text = column.cast(pl.String).str.strip_chars()
        parsed = text.cast(pl.Float64, strict=False)
        is_text = parsed.is_null() & text.is_not_null() & ~text.str.to_lowercase().is_in(_NO_VALUE)
        return parsed.fill_nan(None), is_text
    raise DataFormatError(f"column {column.name!r}, used as the {role}, holds {dtype}, not numbers")


def timestamps(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Seconds since 1970 UTC (null where missing) and a mask of values that are no time.

    Numbers are seconds, milliseconds, microseconds or nanoseconds, told apart by their size. Text is such a number,
    eight digits of a date (``20260101``), or ISO 8601, taken as UTC where it names no zone.

    Raises:
        DataFormatError: the column holds lists, times of day or the like.
    """
    dtype = column.dtype
    if dtype == pl.Date or isinstance(dtype, pl.Datetime):
        micros = column.cast(pl.Datetime("us")) if dtype == pl.Date else column.dt.cast_time_unit("us")
        return micros.to_physical().cast(pl.Float64) / 1e6, _nothing(column)
    parsed, is_text = numbers(column, role="timestamp")
    seconds = _as_seconds(parsed)
    if dtype == pl.String:
        compact = _compact_dates(column)
        seconds = compact.zip_with(compact.is_not_null(), seconds)
    if is_text.any():
        text = column.cast(pl.String).str.strip_chars()
        seconds = seconds.zip_with(~is_text, _iso_seconds(text.zip_with(is_text, _all_null(text))))
        is_text = is_text & seconds.is_null()
    infinite = seconds.is_infinite().fill_null(value=False)
    return seconds, is_text | infinite


def _as_seconds(values: pl.Series) -> pl.Series:
    name = values.name
    expression = pl.col(name)
    size = expression.abs()
    chosen = expression
    for least, per_second in reversed(_MAGNITUDES):
        chosen = pl.when(size >= least).then(expression / per_second).otherwise(chosen)
    return values.to_frame().select(chosen.alias(name)).to_series()


def _compact_dates(column: pl.Series) -> pl.Series:
    """Seconds of texts such as 20260101; null for all others."""
    text = column.str.strip_chars()
    has_form = text.str.contains(_COMPACT_DATE).fill_null(value=False)
    if not has_form.any():
        return _all_null(column, pl.Float64)
    days = text.zip_with(has_form, _all_null(text)).str.to_date("%Y%m%d", strict=False).to_physical()
    return days.cast(pl.Float64) * 86_400.0


def _iso_seconds(text: pl.Series) -> pl.Series:
    fast = text.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us")
    if fast.null_count() == text.null_count():
        return fast.to_physical().cast(pl.Float64) / 1e6
    part = pl.col("part").struct
    names = [f"field_{i}" for i in range(10)]
    year, month, day, hour, minute, second, _zone, sign, zone_h, zone_m = (part.field(name) for name in names)
    zone_minutes = zone_h.cast(pl.Int32).fill_null(0) * 60 + zone_m.cast(pl.Int32).fill_null(0)
    offset = pl.when(sign == "-").then(-zone_minutes).otherwise(zone_minutes)
    date = pl.concat_str([year, month.str.zfill(2), day.str.zfill(2)], separator="-").str.to_date(
        "%Y-%m-%d", strict=False
    )
    hours, minutes, seconds = (x.cast(pl.Float64).fill_null(0.0) for x in (hour, minute, second))
    whole = date.to_physical().cast(pl.Float64) * 86_400.0 + hours * 3600.0 + minutes * 60.0 + seconds - offset * 60.0
    is_clock = (hours < 24) & (minutes < 60) & (seconds < 61)
    groups = text.str.extract_groups(_ISO).struct.rename_fields(names).alias("part")
    return groups.to_frame().select(pl.when(is_clock).then(whole).alias(text.name)).to_series()


def truths(column: pl.Series) -> pl.Series:
    """A yes/no column as Boolean; null where it says neither."""
    if column.dtype == pl.Boolean:
        return column
    if column.dtype.is_numeric():
        return column.cast(pl.Float64).fill_nan(None) > 0
    text = column.cast(pl.String, strict=False).str.strip_chars().str.to_lowercase()
    yes, no = text.is_in(["true", "1", "yes", "y", "t"]), text.is_in(["false", "0", "no", "n", "f"])
    return yes.zip_with(yes | no, _all_null(column, pl.Boolean))


def _nothing(column: pl.Series) -> pl.Series:
    return pl.Series(column.name, [False], dtype=pl.Boolean).new_from_index(0, len(column))


def _all_null(column: pl.Series, dtype: type[pl.DataType] = pl.String) -> pl.Series:
    return pl.Series(column.name, [None], dtype=dtype).new_from_index(0, len(column))
