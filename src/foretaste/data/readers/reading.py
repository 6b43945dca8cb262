"""From a path to a data set with its report."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from foretaste.data.builder import DatasetBuilder
from foretaste.data.dataset import Dataset
from foretaste.data.folder import is_dataset_folder, load_dataset
from foretaste.data.intake.columns import ColumnMap
from foretaste.data.intake.config import BuildConfig
from foretaste.data.readers.formats import Format, Tables, first_format, open_format
from foretaste.data.readers.source import Source
from foretaste.data.report import BuildReport
from foretaste.errors import DataFileError, UnsupportedError

SAVED = "saved"


@dataclass(frozen=True)
class Loaded:
    """A data set and what became of the rows it was read from."""

    dataset: Dataset
    report: BuildReport


def read_dataset(
    path_or_paths: Path | str | Sequence[Path | str],
    *,
    columns: ColumnMap | None = None,
    config: BuildConfig | None = None,
    kind: str = "auto",
    name: str | None = None,
) -> Loaded:
    """Read one file, several files or a folder.

    Text tables (CSV, TSV; delimiter and header are found out), JSON lines, JSON, Parquet and gzipped text are known by
    their content, users, items, interactions and links by their file names and columns. MovieLens, LightGCN splits,
    RecBole atomic files, item sequences and session lines are known by their files; ``kind`` names a format outright.
    A folder written by :func:`foretaste.data.save_dataset` is loaded as it is.

    Args:
        columns: names of the columns of the interactions, where they are not recognised.
        config: what counts and how much; see :class:`BuildConfig`.
        kind: ``auto``, ``saved`` or one of :func:`format_names`.
        name: name of the data set; by default the file's or folder's.

    Raises:
        DataFileError: missing, unreadable or of an unknown format.
        DataFormatError: wrong columns or types.
        DataInsufficientError: nothing is left to learn from.
        UnknownNameError: no such ``kind``.
    """
    started = time.perf_counter()
    source = Source.of(path_or_paths)
    saved = source.folder is not None and is_dataset_folder(source.folder)
    if kind == SAVED or (kind == "auto" and saved):
        return _load_saved(source, config, name)
    given = columns if columns is not None and columns != ColumnMap() else None
    chosen = _choose(source, kind, given)
    report = BuildReport(name=name or source.name, format=chosen.name)
    tables = chosen.read(source, report, given)
    builder = DatasetBuilder(_settings(config, tables), report=report)
    _fill(builder, tables)
    dataset = builder.build()
    report.seconds = time.perf_counter() - started
    return Loaded(dataset, report)


def read_split(
    folder: Path | str, *, fold: int = 1, config: BuildConfig | None = None, kind: str = "auto"
) -> tuple[Dataset, Dataset]:
    """Train and test of a data set that comes with its own split, with the same users and items in both.

    LightGCN files (``train.txt``, ``test.txt``), MovieLens-100K (``u1.base``, ``u1.test`` … by ``fold``), MovieLens-1M
    in five files (fold n is the test part), RecBole benchmark files (``.train.inter``, ``.test.inter``), ``data1.txt``
    and ``test1.txt`` with trust, session lines (a test session is its prefix and then the next item). Rules for
    minimum counts apply to train only; users and items that only test knows stay in both.

    Raises:
        UnsupportedError: no split is there.
        ConfigurationError: no such fold.
        DataFileError, DataFormatError, DataInsufficientError: as in :func:`read_dataset`.
    """
    source = Source.of(folder)
    chosen = first_format(source, lambda f, s: f.has_split(s)) if kind == "auto" else open_format(kind)
    if chosen is None:
        raise UnsupportedError(f"{source.shown} comes with no split that is known", hint="split the data set instead")
    report = BuildReport(name=source.name, format=chosen.name)
    train, test = chosen.read_split(source, fold, report)
    settings = _settings(config, train)
    everything = DatasetBuilder(_without_minimum(settings), name=source.name)
    _fill(everything, train)
    _fill(everything, test)
    whole = everything.build()
    parts = []
    for tables, rules, part in ((train, settings, "train"), (test, _without_minimum(settings), "test")):
        builder = DatasetBuilder(rules, name=f"{source.name}/{part}", users=whole.users, items=whole.items)
        _fill(builder, Tables(interactions=tables.interactions))
        built = builder.build()
        parts.append(replace(whole, interactions=built.interactions, name=built.name))
    return parts[0], parts[1]


def _choose(source: Source, kind: str, columns: ColumnMap | None) -> Format:
    if kind != "auto":
        return open_format(kind)
    if columns is not None:
        return open_format("tables")
    found = first_format(source, lambda f, s: f.detect(s))
    if found is None:
        listed = ", ".join(path.name for path in source.files[:10]) or "no files"
        raise DataFileError(
            f"{source.shown} holds no data in a known format ({listed})",
            hint="give CSV, TSV, JSON lines, JSON or Parquet tables, or name the format with kind=…",
        )
    return found


def _settings(config: BuildConfig | None, tables: Tables) -> BuildConfig:
    """The caller's settings, completed by what the format knows."""
    given = config or BuildConfig()
    missing = {key: value for key, value in tables.settings.items() if key not in given.model_fields_set}
    return given.model_copy(update=missing)


def _without_minimum(config: BuildConfig) -> BuildConfig:
    return config.model_copy(update={"min_user_interactions": 0, "min_item_interactions": 0})


def _fill(builder: DatasetBuilder, tables: Tables) -> None:
    for table in tables.users:
        builder.add_users(table.whole(), columns=table.columns)
    for table in tables.items:
        builder.add_items(table.whole(), columns=table.columns)
    for table in tables.interactions:
        builder.add_interaction_batches(table.batches(), columns=table.columns)
    for table in tables.links:
        builder.add_links(table.whole(), columns=table.columns)


def _load_saved(source: Source, config: BuildConfig | None, name: str | None) -> Loaded:
    if source.folder is None:
        raise DataFileError(f"{source.shown} is not a folder", hint="a saved data set is a folder")
    dataset = load_dataset(source.folder)
    if name is not None:
        dataset = replace(dataset, name=name)
    report = BuildReport(name=dataset.name, format=SAVED, files=[str(source.folder)])
    report.interactions.read = report.interactions.kept = len(dataset.interactions)
    for table, frame in ((report.users, dataset.user_frame), (report.items, dataset.item_frame)):
        table.read = table.kept = 0 if frame is None else len(frame)
    if config is not None:
        report.warn("a_saved_data_set_is_taken_as_it_is_the_settings_were_not_applied")
    return Loaded(dataset, report)
