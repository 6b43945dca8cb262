"""Tables in any of the usual file formats, with the parts told apart by file names and columns."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from foretaste.data.intake.columns import ColumnMap, TableKind, kind_of, plain, resolve
from foretaste.data.intake.frames import first_line
from foretaste.data.readers.formats import Format, Table, Tables
from foretaste.data.readers.json_tables import read_json
from foretaste.data.readers.source import Source, stem
from foretaste.data.readers.text import TextForm, guessed_names, read_table, sniff
from foretaste.data.report import BuildReport
from foretaste.errors import DataFileError, DataFormatError

_TEXT = (".csv", ".tsv", ".tab", ".txt", ".dat", ".data")
_JSON = (".jsonl", ".ndjson", ".json")
_PARQUET = (".parquet", ".pq")
_BATCH_ROWS = 1_000_000
_STEMS: dict[str, TableKind] = {
    **dict.fromkeys(
        ("interactions", "interaction", "events", "event", "ratings", "rating", "actions", "clicks", "views",
         "purchases", "orders", "transactions", "reviews", "review", "history", "logs", "train", "feedback"),
        "interactions"),
    **dict.fromkeys(("users", "user", "customers", "customer", "members", "people", "visitors"), "users"),
    **dict.fromkeys(
        ("items", "item", "products", "product", "movies", "movie", "books", "articles", "artists", "songs", "tracks",
         "catalog", "catalogue", "business", "games", "news", "meta"), "items"),
    **dict.fromkeys(("links", "social", "trust", "friends", "userfriends", "follows", "trustnetwork"), "links"),
}  # fmt: skip
_SIDE_FILES = {"readme", "license", "manifest", "sample", "context", "config", "settings", "requirements", "package"}


@dataclass(frozen=True)
class Part:
    """One table of one file: its columns, its kind where that is known, and how to read it."""

    path: Path
    columns: tuple[str, ...]
    kind: TableKind | None
    form: TextForm | None = None
    frame: pl.DataFrame | None = None

    def batches(self, report: BuildReport, only: list[str]) -> Iterable[pl.DataFrame]:
        """Its rows, with these columns."""
        if self.frame is not None:
            return [self.frame.select(only)]
        if self.form is not None:
            return read_table(self.path, self.form, report, only=only)
        return _parquet_batches(self.path, only)


class AnyTables(Format):
    """CSV, TSV, JSON lines, JSON, Parquet: one file with interactions, or several with users, items and links."""

    name = "tables"
    description = "CSV, TSV, JSON lines, JSON or Parquet tables, one file or several"

    def detect(self, source: Source) -> bool:
        return bool(_data_files(source))

    def read(self, source: Source, report: BuildReport, columns: ColumnMap | None) -> Tables:
        files = _data_files(source)
        report.files = [str(path) for path in files]
        ignored = [path.name for path in source.files if path not in files]
        report.warn("files_not_used", len(ignored), ignored)
        parts = [part for path in files for part in _parts(path, report, columns)]
        tables = Tables()
        alone = len(parts) == 1
        for part in parts:
            kind = "interactions" if alone else _kind(part, columns)
            if kind is None:
                _refuse_or_skip(part, source, report)
            elif kind == "interactions":
                tables.interactions.append(_interactions(part, columns, report))
            else:
                _side(tables, kind).append(_whole(part, kind, columns, report))
        if not tables.interactions:
            listed = "; ".join(f"{part.path.name}: {', '.join(part.columns[:12])}" for part in parts[:6])
            raise DataFormatError(
                f"no table with users and items together is in {source.shown} ({listed})",
                hint="name the columns with ColumnMap(user=…, item=…), or the file interactions.csv",
            )
        return tables


def _data_files(source: Source) -> list[Path]:
    """Files that may hold tables. Those named outright are all taken, whatever their ending."""
    if source.folder is None:
        return list(source.files)
    endings = _TEXT + _JSON + _PARQUET
    found = []
    for path in source.files:
        name = path.name.lower().removesuffix(".gz")
        in_part = path.parent != source.folder and plain(path.parent.name) not in _STEMS
        if name.endswith(endings) and plain(stem(path)) not in _SIDE_FILES and not in_part:
            found.append(path)
    return found


def _parts(path: Path, report: BuildReport, columns: ColumnMap | None) -> list[Part]:
    ending = path.name.lower().removesuffix(".gz")
    named = _kind_by_name(path)
    if ending.endswith(_PARQUET):
        return [Part(path, tuple(_parquet_columns(path)), named)]
    if ending.endswith(_JSON):
        frames = read_json(path, report)
        return [Part(path, tuple(f.columns), kind or named, frame=f) for kind, f in frames.items() if f.width]
    form = sniff(path)
    wanted = set(columns.model_dump(exclude_none=True).values()) if columns is not None else set()
    if not form.has_header and wanted & set(sniff(path, header=True).columns):
        form = sniff(path, header=True)
    if not form.has_header and not wanted & set(form.columns):
        return [_headerless(path, form, named, report)]
    return [Part(path, form.columns, named, form=form)]


def _headerless(path: Path, form: TextForm, named: TableKind | None, report: BuildReport) -> Part:
    """A table without names: its columns are named by their place and their values."""
    if named in {"users", "items"}:
        first = "user_id" if named == "users" else "item_id"
        names = [first, *form.columns[1:]]
    else:
        head = next(iter(read_table(path, form, BuildReport())))
        names = guessed_names(head)
    report.warn(f"no_header_columns_taken_as_{'_'.join(n.replace('_', '') for n in names)}", 1, [path.name])
    named_form = TextForm(form.delimiter, tuple(names), has_header=False, is_quoted=form.is_quoted)
    return Part(path, tuple(names), named or "interactions", form=named_form)


def _kind_by_name(path: Path) -> TableKind | None:
    return _STEMS.get(plain(stem(path))) or _STEMS.get(plain(path.parent.name))


def _kind(part: Part, columns: ColumnMap | None) -> TableKind | None:
    """What a table is: by its columns where they are telling, else by its file's name."""
    by_columns = kind_of(part.columns, columns)
    if part.kind in {"users", "items", "links"} and by_columns != "interactions":
        return part.kind
    if part.kind in {"users", "items"} and by_columns == "interactions":
        return part.kind  # an item table may well name its seller or its author
    return by_columns or part.kind


def _refuse_or_skip(part: Part, source: Source, report: BuildReport) -> None:
    if source.folder is None:
        raise DataFormatError(
            f"{part.path} holds neither users nor items; columns found: {', '.join(part.columns[:30])}",
            hint="name its columns with ColumnMap(user=…, item=…)",
        )
    report.warn("tables_with_neither_users_nor_items_not_used", 1, [part.path.name])


def _interactions(part: Part, columns: ColumnMap | None, report: BuildReport) -> Table:
    """A table of interactions, read only as far as its columns have a role."""
    roles = resolve(part.columns, columns, "interactions")
    report.interactions.use(roles, part.columns)
    only = [column for column in part.columns if column in set(roles.values())]
    return Table(lambda: part.batches(report, only), ColumnMap(**roles))


def _whole(part: Part, kind: TableKind, columns: ColumnMap | None, report: BuildReport) -> Table:
    given = columns
    if columns is not None:
        named = {role: getattr(columns, role) for role in ("user", "item", "friend")}
        given = ColumnMap(**{role: column for role, column in named.items() if column in part.columns})
    return Table(lambda: part.batches(report, list(part.columns)), given)


def _side(tables: Tables, kind: TableKind) -> list[Table]:
    return {"users": tables.users, "items": tables.items, "links": tables.links}[kind]


def _parquet_columns(path: Path) -> list[str]:
    try:
        return pl.scan_parquet(path, glob=False).collect_schema().names()
    except (pl.exceptions.PolarsError, OSError) as exc:
        raise DataFileError(f"{path} is not a readable Parquet file: {first_line(exc)}") from exc


def _parquet_batches(path: Path, only: list[str]) -> Iterator[pl.DataFrame]:
    lazy = pl.scan_parquet(path, glob=False).select(only)
    try:
        yield from lazy.collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True)
    except (pl.exceptions.PolarsError, OSError) as exc:
        raise DataFileError(f"{path} is damaged: {first_line(exc)}") from exc
