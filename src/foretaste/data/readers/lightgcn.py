"""The files that graph recommenders are compared on: ``train.txt`` and ``test.txt``, and triples with trust links."""

from pathlib import Path

import polars as pl

from foretaste.data.intake.columns import ColumnMap
from foretaste.data.readers.formats import Format, Table, Tables
from foretaste.data.readers.sequences import is_adjacency, read_adjacency
from foretaste.data.readers.source import Source
from foretaste.data.readers.text import read_unquoted, sniff
from foretaste.data.report import BuildReport


class LightGCN(Format):
    """A line a user (``user item item…``), divided into ``train.txt`` and ``test.txt``; no times, no weights."""

    name = "lightgcn"
    description = "LightGCN split: train.txt and test.txt, a line a user"

    def detect(self, source: Source) -> bool:
        return self.has_split(source)

    def read(self, source: Source, report: BuildReport, columns: ColumnMap | None) -> Tables:
        train, test = self.read_split(source, 1, report)
        return Tables([*train.interactions, *test.interactions])

    def has_split(self, source: Source) -> bool:
        train, test = source.file("train.txt"), source.file("test.txt")
        if train is None or test is None:
            return False
        return is_adjacency(train) and is_adjacency(test, unlike=False)  # one held-out item each is common

    def read_split(self, source: Source, fold: int, report: BuildReport) -> tuple[Tables, Tables]:
        paths = source.named("train.txt"), source.named("test.txt")
        report.files = [str(path) for path in paths]
        return Tables([_adjacency(paths[0])]), Tables([_adjacency(paths[1])])


class SocialSplit(Format):
    """``data1.txt`` and ``test1.txt`` (user, item, count) with ``trustnetwork.txt`` (user, trusted user)."""

    name = "social_split"
    description = "LastFM split with trust: data1.txt, test1.txt, trustnetwork.txt"

    def detect(self, source: Source) -> bool:
        return self.has_split(source)

    def read(self, source: Source, report: BuildReport, columns: ColumnMap | None) -> Tables:
        train, test = self.read_split(source, 1, report)
        return Tables([*train.interactions, *test.interactions], links=train.links, settings=train.settings)

    def has_split(self, source: Source) -> bool:
        return source.has("data1.txt", "test1.txt")

    def read_split(self, source: Source, fold: int, report: BuildReport) -> tuple[Tables, Tables]:
        paths = source.named("data1.txt"), source.named("test1.txt")
        trust = source.file("trustnetwork.txt")
        report.files = [str(path) for path in (*paths, trust) if path is not None]
        settings = {"value_kind": "weight"}
        train = Tables([_triples(paths[0], report)], settings=settings)
        if trust is not None:
            names = ("user_id", "friend_id", "weight")
            train.links.append(Table.of(_columns(trust, names, report)))
        return train, Tables([_triples(paths[1], report)], settings=settings)


def _adjacency(path: Path) -> Table:
    return Table(lambda: [read_adjacency(path)])


def _triples(path: Path, report: BuildReport) -> Table:
    return Table(lambda: [_columns(path, ("user_id", "item_id", "weight"), report)])


def _columns(path: Path, names: tuple[str, ...], report: BuildReport) -> pl.DataFrame:
    """A headerless table with as many of the names as it has columns."""
    form = sniff(path, header=False)
    used = names[: len(form.columns)]
    return read_unquoted(path, form.delimiter, used, header=False, report=report)
