"""Text tables whose form nobody declared: encoding, delimiter, quotes and header are found out."""

import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from foretaste.data.intake.columns import NAMES, plain
from foretaste.data.intake.frames import first_line
from foretaste.data.readers.source import check_text, decoded, file_errors, head_bytes, read_bytes
from foretaste.data.report import BuildReport
from foretaste.errors import DataFileError, DataFormatError, DataInsufficientError

_DELIMITERS = ("::", "\t", ",", ";", "|")
_SAMPLE_LINES = 60
_EAGER_BYTES = 256 * 2**20
_BATCH_ROWS = 1_000_000
_KNOWN = {name for names in NAMES.values() for name in names} | {"title", "name", "genres", "category", "price"}
_NUMBER = re.compile(r"^\s*-?\d+(\.\d+)?([eE][+-]?\d+)?\s*$")


@dataclass(frozen=True)
class TextForm:
    """How a text table is written."""

    delimiter: str
    columns: tuple[str, ...]
    has_header: bool
    is_quoted: bool = True


def sniff(path: Path, *, header: bool | None = None) -> TextForm:
    """The form of a text table, judged by its first lines; ``header`` says it outright.

    Raises:
        DataInsufficientError: the file is empty.
        DataFileError: binary, or an archive.
    """
    head = head_bytes(path)
    if not head.strip(b"\xef\xbb\xbf \r\n\t"):
        raise DataInsufficientError(f"{path} is empty", hint="give a file with a header and at least one row")
    check_text(path, head)
    text, _ = decoded_head(head)
    lines = _lines(text)
    delimiter = _delimiter(lines)
    rows = [split_line(line, delimiter) for line in lines]
    has_header = _has_header(rows) if header is None else header
    names = [cell.strip() for cell in rows[0]] if has_header else [f"column_{i + 1}" for i in range(_width(rows))]
    return TextForm(delimiter, tuple(_distinct(names)), has_header, is_quoted=delimiter != "::")


def decoded_head(head: bytes) -> tuple[str, str]:
    """Text of a file's beginning, which may end within a character."""
    whole = head
    for cut in range(4):
        text, encoding = decoded(whole[: len(whole) - cut] if cut else whole)
        if encoding != "latin-1":
            return text, encoding
    return decoded(head)


def read_table(
    path: Path, form: TextForm, report: BuildReport, *, only: Sequence[str] | None = None
) -> Iterable[pl.DataFrame]:
    """The table in frames of text columns; ``only`` leaves the other columns out.

    Files up to 256 MB are read at once, and lines that do not fit their form are mended and counted; larger ones
    stream.

    Raises:
        DataFileError: it cannot be read as a table.
    """
    with file_errors(path):
        is_small = path.stat().st_size <= _EAGER_BYTES
    if not is_small and len(form.delimiter) == 1:
        return _streamed(path, form, only)
    frame = _read_eagerly(path, form, report)
    return [frame if only is None else frame.select(only)]


def read_unquoted(
    path: Path, delimiter: str, columns: Sequence[str], *, header: bool, report: BuildReport
) -> pl.DataFrame:
    """A table whose form is known, quotes taken as they stand; all columns are text."""
    form = TextForm(delimiter, tuple(columns), header, is_quoted=False)
    return _read_eagerly(path, form, report)


def _streamed(path: Path, form: TextForm, only: Sequence[str] | None) -> Iterable[pl.DataFrame]:
    lazy = pl.scan_csv(path, **_options(form), truncate_ragged_lines=True, glob=False)
    if only is not None:
        lazy = lazy.select(only)
    try:
        yield from lazy.collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True)
    except (pl.exceptions.PolarsError, OSError) as exc:
        raise DataFileError(
            f"{path} cannot be read as a table: {first_line(exc)}", hint="save it as UTF-8 CSV"
        ) from exc


def _read_eagerly(path: Path, form: TextForm, report: BuildReport) -> pl.DataFrame:
    raw = read_bytes(path)
    text: str | None = None
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        text, encoding = decoded(raw)
        report.warn(f"file_is_not_UTF-8_and_was_read_as_{encoding}", 1, [path.name])
        raw = text.encode()
    if len(form.delimiter) > 1:
        raw = raw.replace(form.delimiter.encode(), b"\x1f")
        form = replace(form, delimiter="\x1f")
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        return _parsed(raw, form)
    except pl.exceptions.PolarsError as exc:
        first = exc
    for changed, mended in (
        (form, True),
        (replace(form, is_quoted=False), False),
        (replace(form, is_quoted=False), True),
    ):
        try:
            frame = _parsed(raw, changed, truncate=mended)
        except pl.exceptions.PolarsError:
            continue
        if mended:
            report.warn("lines_with_too_many_fields_the_surplus_was_cut", _count_long(raw, form), [path.name])
        if not changed.is_quoted:
            report.warn("quotes_do_not_match_and_were_taken_as_they_stand", 1, [path.name])
        return frame
    raise DataFileError(f"{path} cannot be read as a table: {first_line(first)}") from first


def _parsed(raw: bytes, form: TextForm, *, truncate: bool = False) -> pl.DataFrame:
    frame = pl.read_csv(io.BytesIO(raw), **_options(form), truncate_ragged_lines=truncate)
    blank = pl.all_horizontal(pl.all().is_null())
    return frame.filter(~blank)


def _options(form: TextForm) -> dict[str, Any]:
    return {
        "separator": form.delimiter,
        "has_header": form.has_header,
        "new_columns": list(form.columns),
        "quote_char": '"' if form.is_quoted else None,
        "infer_schema": False,
    }


def _count_long(raw: bytes, form: TextForm) -> int:
    """Lines with more delimiters than the header has; lines with quotes are left out, so it is a lower bound of 1."""
    sign = form.delimiter.encode()
    most = len(form.columns) - 1
    return max(1, sum(line.count(sign) > most for line in raw.split(b"\n") if b'"' not in line))


def _lines(text: str) -> list[str]:
    """The first records; line ends within quotes do not end one."""
    records: list[str] = []
    pending = ""
    for line in text.splitlines():
        pending = f"{pending}\n{line}" if pending else line
        if pending.count('"') % 2 and len(pending) < 20_000:
            continue
        if pending.strip():
            records.append(pending)
        pending = ""
        if len(records) >= _SAMPLE_LINES:
            break
    return records or [text.splitlines()[0]]


def split_line(line: str, delimiter: str) -> list[str]:
    """Cells of one line, quotes understood and removed."""
    cells, cell, quoted = [], "", False
    for piece in line.split(delimiter):
        cell = f"{cell}{delimiter}{piece}" if quoted else piece
        quoted = cell.startswith('"') and cell.count('"') % 2 == 1
        if not quoted:
            cells.append(cell[1:-1].replace('""', '"') if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell)
    if quoted:
        cells.append(cell)
    return cells


def _delimiter(lines: Sequence[str]) -> str:
    """The sign that divides most lines into the same number of cells, and the header into the most."""
    best, best_score = ",", (0.0, 0)
    for sign in _DELIMITERS:
        counts = [len(split_line(line, sign)) for line in lines]
        if counts[0] < 2:
            continue
        share = round(sum(count == counts[0] for count in counts) / len(counts), 1)
        score = (share, counts[0])
        if share >= 0.3 and score > best_score:
            best, best_score = sign, score
        if sign == "::" and share >= 0.9:
            return sign
    return best


def _width(rows: Sequence[Sequence[str]]) -> int:
    return Counter(len(row) for row in rows).most_common(1)[0][0]


def _has_header(rows: Sequence[Sequence[str]]) -> bool:
    first = rows[0]
    if any(plain(cell) in _KNOWN for cell in first if not _NUMBER.match(cell)):
        return True
    if any(_NUMBER.match(cell) for cell in first):
        return False
    below = [row for row in rows[1:] if len(row) == len(first)]
    if not below:
        return True
    return any(all(_NUMBER.match(row[i]) for row in below) for i in range(len(first))) or len(set(first)) == len(first)


def _distinct(names: Sequence[str]) -> list[str]:
    """Names made different: an empty one becomes ``column_3``, a repeated one gets a number."""
    seen: dict[str, int] = {}
    result = []
    for place, name in enumerate(names, start=1):
        name = name or f"column_{place}"
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return result


def guessed_names(frame: pl.DataFrame) -> list[str]:
    """Names for the columns of a headerless table of interactions: user, item, then rating or weight, and time.

    Raises:
        DataFormatError: fewer than two columns.
    """
    if frame.width < 2:
        raise DataFormatError("a table of interactions needs a user and an item, but it has one column only")
    names = ["user_id", "item_id"]
    for column in frame.get_columns()[2:]:
        values = column.head(10_000).cast(pl.Float64, strict=False).drop_nulls()
        if len(values) and float(values.median() or 0) > 1e8 and "timestamp" not in names:  # type: ignore[arg-type]
            names.append("timestamp")
        elif len(values) and not {"rating", "weight"} & set(names):
            names.append("rating" if _is_rating(values) else "weight")
        else:
            names.append(f"column_{len(names) + 1}")
    return names


def _is_rating(values: pl.Series) -> bool:
    low, high = float(values.min()), float(values.max())  # type: ignore[arg-type]
    halves = bool(((values * 2) == (values * 2).floor()).all())
    return 0 <= low < high <= 10 and halves
