"""Items in the order in which they were used: a line a user, or a line a session."""

import re
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from foretaste.data.intake.columns import ColumnMap
from foretaste.data.readers.formats import Format, Table, Tables
from foretaste.data.readers.source import Source, check_text, decoded, head_bytes, read_bytes, stem
from foretaste.data.report import MAX_EXAMPLES, BuildReport
from foretaste.errors import DataFileError

_NUMBERS = re.compile(r"^\d+( \d+)+\s*$")


def is_adjacency(path: Path, *, unlike: bool = True) -> bool:
    """Whether the first lines are ``user item item…``: whole numbers between single blanks; with ``unlike``, lines of
    different length (else it could be a table).
    """
    lines = head_bytes(path).split(b"\n")[:50]
    lines = lines[:-1] if len(lines) > 1 else lines  # the last one may be cut off
    texts = [line.decode("latin-1").strip() for line in lines if line.strip()]
    lengths = {text.count(" ") for text in texts}
    is_numbers = bool(texts) and all(_NUMBERS.match(text) or text.isdigit() for text in texts)
    return is_numbers and (not unlike or len(texts) <= 2 or len(lengths) > 1)


def read_adjacency(path: Path) -> pl.DataFrame:
    """Lines ``user item item…`` as pairs ``user_id``, ``item_id`` in the order of the file.

    Raises:
        DataFileError: unreadable or binary.
    """
    check_text(path, head_bytes(path))
    text, _ = decoded(read_bytes(path))
    lines = pl.Series("line", text.splitlines()).str.strip_chars()
    cells = lines.filter(lines != "").str.split(" ")
    table = pl.DataFrame({"user_id": cells.list.first(), "item_id": cells.list.slice(1)})
    pairs = table.filter(pl.col("item_id").list.len() > 0).explode("item_id")
    return pairs.filter(pl.col("item_id") != "")


class Sequences(Format):
    """S3-Rec files: a line a user, items in time order; ``…_item2attributes.json`` gives attributes of items."""

    name = "sequences"
    description = "a line a user: user item item … in time order (S3-Rec)"

    def detect(self, source: Source) -> bool:
        return self._file(source) is not None

    def read(self, source: Source, report: BuildReport, columns: ColumnMap | None) -> Tables:
        path = self._file(source) or source.files[0]
        report.files = [str(path)]
        tables = Tables([Table(lambda: [read_adjacency(path)])])
        attributes = path.with_name(f"{stem(path)}_item2attributes.json")
        if attributes.is_file():
            report.files.append(str(attributes))
            tables.items.append(Table.of(_attributes(attributes)))
        return tables

    @staticmethod
    def _file(source: Source) -> Path | None:
        """The one text file with sequences; None where there is none, or more than one."""
        found = [path for path in source.ending(".txt", ".txt.gz") if is_adjacency(path)]
        return found[0] if len(found) == 1 else None


class Sessions(Format):
    """JSON lines of item lists: ``[item, …]``; in test files ``[[item, …], next]``. Each line is a user of its own."""

    name = "sessions"
    description = "JSON lines: a list of items a session (train.jsonl, test.jsonl)"

    def detect(self, source: Source) -> bool:
        return self._train(source) is not None

    def read(self, source: Source, report: BuildReport, columns: ColumnMap | None) -> Tables:
        path = self._train(source) or source.files[0]
        report.files = [str(path)]
        return Tables([Table.of(_sessions(path, "session", report))])

    def has_split(self, source: Source) -> bool:
        return source.has("train.jsonl", "test.jsonl") and self.detect(source)

    def read_split(self, source: Source, fold: int, report: BuildReport) -> tuple[Tables, Tables]:
        train, test = source.named("train.jsonl"), source.named("test.jsonl")
        report.files = [str(train), str(test)]
        return (
            Tables([Table.of(_sessions(train, "session", report))]),
            Tables([Table.of(_sessions(test, "test", BuildReport()))]),
        )

    @staticmethod
    def _train(source: Source) -> Path | None:
        found = [path for path in source.ending(".jsonl", ".jsonl.gz") if head_bytes(path).lstrip()[:1] == b"["]
        named = [path for path in found if stem(path) == "train"]
        return next(iter(named or found), None)


def _sessions(path: Path, prefix: str, report: BuildReport) -> pl.DataFrame:
    """Sessions of a file as pairs; the user ids are the prefix and the line's number."""
    text, _ = decoded(read_bytes(path))
    names: list[str] = []
    items: list[list[str]] = []
    bad: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        found = _session(line)
        if found is None:
            bad.append(line)
        else:
            names.append(f"{prefix}-{number}")
            items.append(found)
    if not names and bad:
        raise DataFileError(f"{path} holds no list of items on any of its lines")
    report.interactions.read += len(bad)
    report.interactions.drop("line_is_no_list_of_items", len(bad), bad[:MAX_EXAMPLES])
    table = pl.DataFrame(
        {"user_id": names, "item_id": items}, schema={"user_id": pl.String, "item_id": pl.List(pl.String)}
    )
    return table.filter(pl.col("item_id").list.len() > 0).explode("item_id")


def _session(line: str) -> list[str] | None:
    try:
        content: Any = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(content, list):
        return None
    if len(content) == 2 and isinstance(content[0], list):
        content = [*content[0], content[1]]
    if not all(isinstance(item, str | int) and not isinstance(item, bool) for item in content):
        return None
    return [str(item) for item in content]


def _attributes(path: Path) -> pl.DataFrame:
    """``{"item": [attribute, …]}`` as a list feature."""
    try:
        content: Any = orjson.loads(read_bytes(path))
    except orjson.JSONDecodeError as exc:
        raise DataFileError(f"{path} is not JSON: {exc}") from exc
    if not isinstance(content, dict) or not all(isinstance(value, list) for value in content.values()):
        raise DataFileError(f"{path} must map each item to a list of attributes")
    listed = [[str(part) for part in value] for value in content.values()]
    return pl.DataFrame(
        {"item_id": list(content), "attributes": listed},
        schema={"item_id": pl.String, "attributes": pl.List(pl.String)},
    )
