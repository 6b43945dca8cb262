"""RecBole atomic files: tab-separated tables whose headers carry types (``user_id:token``)."""

from pathlib import Path

import polars as pl

from foretaste.data.intake.columns import ColumnMap, plain, resolve
from foretaste.data.readers.formats import Format, Table, Tables
from foretaste.data.readers.source import Source, decoded, head_bytes
from foretaste.data.readers.text import read_unquoted
from foretaste.data.report import BuildReport
from foretaste.errors import DataFormatError

_TYPES = ("token", "float", "token_seq", "float_seq")
_TITLES = ("title", "name")


class RecBole(Format):
    """``*.inter`` with ``*.user``, ``*.item``, ``*.net`` beside it; benchmark files ``*.train.inter`` give a split."""

    name = "recbole"
    description = "RecBole atomic files (.inter, .user, .item, .net)"

    def detect(self, source: Source) -> bool:
        return bool(source.ending(".inter"))

    def read(self, source: Source, report: BuildReport, columns: ColumnMap | None) -> Tables:
        files = source.ending(".inter")
        return _tables(source, files, report, columns)

    def has_split(self, source: Source) -> bool:
        return bool(source.ending(".train.inter")) and bool(source.ending(".test.inter"))

    def read_split(self, source: Source, fold: int, report: BuildReport) -> tuple[Tables, Tables]:
        train = _tables(source, source.ending(".train.inter", ".valid.inter"), report, None)
        return train, Tables([_interactions(path, report, None) for path in source.ending(".test.inter")])


def _tables(source: Source, inter: list[Path], report: BuildReport, columns: ColumnMap | None) -> Tables:
    tables = Tables([_interactions(path, report, columns) for path in inter])
    sides = [path for path in _beside(source, inter) if path.name.endswith((".user", ".item", ".net"))]
    report.files = [str(path) for path in (*inter, *sides)]
    for path in sides:
        frame, types = _frame(path, report)
        tokens = [name for name, kind in types.items() if kind == "token"]
        if path.suffix == ".net":
            if len(tokens) < 2:
                raise DataFormatError(f"{path} needs two columns of type token; it has {', '.join(types)}")
            tables.links.append(Table.of(frame, ColumnMap(user=tokens[0], friend=tokens[1])))
        elif path.suffix == ".user":
            tables.users.append(Table.of(frame, ColumnMap(user=_first(tokens, path))))
        else:
            tables.items.append(Table.of(frame, ColumnMap(item=_first(tokens, path))))
    return tables


def _beside(source: Source, inter: list[Path]) -> list[Path]:
    """The side files: those of the folder, or those beside the one file that was given."""
    if source.folder is not None or len(source.files) > 1:
        return list(source.files)
    stem = inter[0].name.partition(".")[0]
    return sorted(path for path in inter[0].parent.iterdir() if path.name.partition(".")[0] == stem)


def _interactions(path: Path, report: BuildReport, columns: ColumnMap | None) -> Table:
    types = _header(path)
    tokens = [name for name, kind in types.items() if kind == "token"]
    given = columns or ColumnMap()
    if len(tokens) >= 2:
        try:
            resolve(list(types), given, "interactions")
        except DataFormatError:  # names that nobody knows: users come first, then items
            given = given.model_copy(update={"user": given.user or tokens[0], "item": given.item or tokens[1]})
    return Table(lambda: [_frame(path, report)[0]], given)


def _header(path: Path) -> dict[str, str]:
    """Column → type of an atomic file.

    Raises:
        DataFormatError: a column without a type.
    """
    first = decoded(head_bytes(path).split(b"\n")[0])[0].strip("\r\n")
    types = {}
    for cell in first.split("\t"):
        name, _, kind = cell.rpartition(":")
        if not name or kind not in _TYPES:
            raise DataFormatError(
                f"{path}: column {cell[:60]!r} has no type",
                hint=f"write it as name:type, type being {', '.join(_TYPES)}",
            )
        types[name] = kind
    return types


def _frame(path: Path, report: BuildReport) -> tuple[pl.DataFrame, dict[str, str]]:
    types = _header(path)
    table = read_unquoted(path, "\t", tuple(types), header=True, report=report)
    wanted = []
    for name, kind in types.items():
        column = pl.col(name)
        if kind == "token_seq" and not plain(name).endswith(_TITLES):  # a title of several words stays one text
            column = column.str.split(" ")
        elif kind == "float_seq":
            column = column.str.split(" ").list.eval(pl.element().cast(pl.Float64, strict=False))
        wanted.append(column)
    return table.select(wanted), types


def _first(tokens: list[str], path: Path) -> str:
    if not tokens:
        raise DataFormatError(f"{path} has no column of type token for the id")
    return tokens[0]
