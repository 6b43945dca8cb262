"""The formats that can be read: each one a class in its own file, found by name."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, ClassVar

import polars as pl

from foretaste.data.intake.columns import ColumnMap
from foretaste.data.readers.source import Source
from foretaste.data.report import BuildReport
from foretaste.errors import ConfigurationError, UnknownNameError, UnsupportedError


@dataclass(frozen=True)
class Table:
    """One table; ``batches`` gives its frames anew each time, so that large ones need not stay in memory."""

    batches: Callable[[], Iterable[pl.DataFrame]]
    columns: ColumnMap | None = None

    @classmethod
    def of(cls, frame: pl.DataFrame, columns: ColumnMap | None = None) -> "Table":
        """A table that is in memory."""
        return cls(lambda: [frame], columns)

    def whole(self) -> pl.DataFrame:
        """All rows in one frame."""
        return pl.concat(list(self.batches()), how="diagonal_relaxed")


@dataclass
class Tables:
    """What a format found: any number of tables of each kind."""

    interactions: list[Table] = field(default_factory=list)
    users: list[Table] = field(default_factory=list)
    items: list[Table] = field(default_factory=list)
    links: list[Table] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of ``BuildConfig`` that the format knows better than the general defaults; the caller's own win."""


class Format(ABC):
    """A way in which data lie in files."""

    name: ClassVar[str]
    description: ClassVar[str]

    @abstractmethod
    def detect(self, source: Source) -> bool:
        """Whether ``source`` looks like it, judged quickly by names and first lines."""

    @abstractmethod
    def read(self, source: Source, report: BuildReport, columns: ColumnMap | None) -> Tables:
        """All interactions with what belongs to them; oddities go into ``report``."""

    def has_split(self, source: Source) -> bool:
        """Whether ``source`` comes with a division into train and test."""
        return False

    def read_split(self, source: Source, fold: int, report: BuildReport) -> tuple[Tables, Tables]:
        """Train (with users, items and links) and test (interactions only).

        Raises:
            UnsupportedError: the format has no split of its own.
            ConfigurationError: there is no such fold.
        """
        raise UnsupportedError(f"format {self.name!r} has no split of its own", hint="split the data set instead")


BUILT_IN = {
    "movielens_100k": "foretaste.data.readers.movielens:MovieLens100K",
    "movielens_1m": "foretaste.data.readers.movielens:MovieLens1M",
    "movielens_folds": "foretaste.data.readers.movielens:MovieLensFolds",
    "movielens_csv": "foretaste.data.readers.movielens_csv:MovieLensCSV",
    "recbole": "foretaste.data.readers.recbole:RecBole",
    "social_split": "foretaste.data.readers.lightgcn:SocialSplit",
    "lightgcn": "foretaste.data.readers.lightgcn:LightGCN",
    "sessions": "foretaste.data.readers.sequences:Sessions",
    "sequences": "foretaste.data.readers.sequences:Sequences",
    "tables": "foretaste.data.readers.tables:AnyTables",
}
"""Name → module:class of our formats, in the order in which they are tried; the general one comes last."""

GROUP = "foretaste.formats"


@cache
def _third_party() -> dict[str, str]:
    return {entry.name: entry.value for entry in entry_points(group=GROUP)}


def format_names() -> list[str]:
    """All names that ``kind`` takes, in the order in which formats are tried; ``auto`` left out."""
    return [*(name for name in _third_party() if name not in BUILT_IN), *BUILT_IN]


@cache
def open_format(name: str) -> Format:
    """The format of that name.

    Raises:
        UnknownNameError: no such format.
        ConfigurationError: what is registered is no :class:`Format`.
    """
    target = (_third_party() | BUILT_IN).get(name)
    if target is None:
        near = get_close_matches(name, format_names(), n=1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        raise UnknownNameError(f"there is no format {name!r}", hint=f"{guess}valid: auto, {', '.join(format_names())}")
    module, _, attribute = target.partition(":")
    found = getattr(import_module(module), attribute, None)
    if not (isinstance(found, type) and issubclass(found, Format)):
        raise ConfigurationError(f"{target!r}, registered as format {name!r}, is not a Format class")
    return found()


def first_format(
    source: Source, test: Callable[[Format, Source], bool], names: Sequence[str] | None = None
) -> Format | None:
    """The first format that passes ``test``; None when there is none."""
    for name in names or format_names():
        candidate = open_format(name)
        if test(candidate, source):
            return candidate
    return None
