"""JSON in its usual shapes: lines, an array of records, columns, or one object with several tables."""

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from foretaste.data.intake.columns import TableKind
from foretaste.data.intake.frames import as_frame
from foretaste.data.readers.source import check_text, decoded, head_bytes, read_bytes
from foretaste.data.report import MAX_EXAMPLES, BuildReport
from foretaste.errors import DataFileError, DataInsufficientError

_KINDS: Mapping[str, TableKind] = {
    "interactions": "interactions",
    "events": "interactions",
    "ratings": "interactions",
    "users": "users",
    "items": "items",
    "products": "items",
    "links": "links",
}
_TWO_RECORDS = re.compile(r"\}\s*\n\s*\{")


def read_json(path: Path, report: BuildReport) -> dict[TableKind | None, pl.DataFrame]:
    """The tables of a JSON file by kind; the kind is None where the file does not say it.

    Lines that are no JSON objects are dropped and counted.

    Raises:
        DataInsufficientError: the file is empty.
        DataFileError: no JSON, or nothing in it that could be a table.
    """
    head = head_bytes(path)
    if not head.strip():
        raise DataInsufficientError(f"{path} is empty", hint="give at least one record")
    check_text(path, head)
    text, encoding = decoded(read_bytes(path))
    if encoding == "latin-1":
        report.warn("file_is_not_UTF-8_and_was_read_as_latin-1", 1, [path.name])
    start = text.lstrip()[:1]
    is_lines = start == "{" and bool(_TWO_RECORDS.search(text[:1_000_000]))
    if not is_lines and path.name.lower().removesuffix(".gz").endswith((".jsonl", ".ndjson")):
        is_lines = start != "["
    if is_lines:
        return {None: _lines(path, text, report)}
    try:
        return _tables(path, orjson.loads(text))
    except orjson.JSONDecodeError as exc:
        if "\n" in text.strip():
            return {None: _lines(path, text, report)}
        raise DataFileError(f"{path} is not JSON: {exc}") from exc


def _lines(path: Path, text: str, report: BuildReport) -> pl.DataFrame:
    try:
        return pl.read_ndjson(io.BytesIO(text.encode()), infer_schema_length=None)
    except pl.exceptions.PolarsError:
        pass  # some line is not as the others: read them one by one
    records, bad = [], []
    for line in text.splitlines():
        if not line.strip():
            continue
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            record = _with_nan(line)
        if isinstance(record, dict):
            records.append(record)
        else:
            bad.append(line)
    if not records:
        raise DataFileError(f"{path} holds no JSON object on any of its {len(bad)} lines")
    report.interactions.read += len(bad)
    report.interactions.drop("line_is_no_JSON_object", len(bad), bad[:MAX_EXAMPLES])
    return as_frame(records, what=f"lines of {path.name}")


def _with_nan(line: str) -> Any:
    """A line that only lacks validity because of NaN, which some writers emit; None when that is not all."""
    try:
        return orjson.loads(re.sub(r":\s*(NaN|-?Infinity)\b", ": null", line))
    except orjson.JSONDecodeError:
        return None


def _tables(path: Path, content: Any) -> dict[TableKind | None, pl.DataFrame]:
    if isinstance(content, list):
        if not content:
            raise DataInsufficientError(f"{path} is an empty list", hint="give at least one record")
        return {None: as_frame(content, what=f"records of {path.name}")}
    if isinstance(content, dict):
        named = {kind: content[key] for key, kind in _KINDS.items() if isinstance(content.get(key), list)}
        if named:
            return {kind: as_frame(rows, what=f"{kind} of {path.name}") for kind, rows in named.items() if rows}
        if content and all(isinstance(column, list) for column in content.values()):
            return {None: as_frame(content, what=f"columns of {path.name}")}
        if content and not any(isinstance(value, dict | list) for value in content.values()):
            return {None: as_frame([content], what=f"record of {path.name}")}
    raise DataFileError(
        f"{path} is JSON, but no table",
        hint='give a list of objects, lines of objects, or an object with "interactions", "users", "items"',
    )
