"""MovieLens in its original files: 100K, 1M (and 10M), and 1M as five folds."""

from pathlib import Path

import polars as pl

from foretaste.data.intake.columns import ColumnMap
from foretaste.data.readers.formats import Format, Table, Tables
from foretaste.data.readers.source import Source, head_bytes
from foretaste.data.readers.text import read_unquoted
from foretaste.data.report import BuildReport
from foretaste.errors import ConfigurationError, DataFileError

_RATINGS = ("user_id", "item_id", "rating", "timestamp")
_SETTINGS = {"value_kind": "rating", "rating_scale": (0.5, 5.0)}
_GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip


class MovieLens100K(Format):
    """``u.data``, ``u.item``, ``u.user`` and the five folds ``u1.base``, ``u1.test`` …"""

    name = "movielens_100k"
    description = "MovieLens 100K (u.data, u.item, u.user)"

    def detect(self, source: Source) -> bool:
        return source.has("u.data", "u.item")

    def read(self, source: Source, report: BuildReport, columns: ColumnMap | None) -> Tables:
        return self._tables(source, report, source.named("u.data"))

    def has_split(self, source: Source) -> bool:
        return source.has("u.item", "u1.base", "u1.test")

    def read_split(self, source: Source, fold: int, report: BuildReport) -> tuple[Tables, Tables]:
        if not source.has(f"u{fold}.base", f"u{fold}.test"):
            raise ConfigurationError(f"fold {fold} is not there", hint="MovieLens 100K has folds 1 to 5")
        train = self._tables(source, report, source.named(f"u{fold}.base"))
        test = Tables([_table(source.named(f"u{fold}.test"), "\t", _RATINGS, report)], settings=dict(_SETTINGS))
        return train, test

    def _tables(self, source: Source, report: BuildReport, ratings: Path) -> Tables:
        tables = Tables([_table(ratings, "\t", _RATINGS, report)], settings=dict(_SETTINGS))
        movies = source.named("u.item")
        tables.items.append(Table.of(_flagged_movies(movies, _genre_names(source, report), report)))
        report.files = [str(ratings), str(movies)]
        people = source.file("u.user")
        if people is not None:
            names = ("user_id", "age", "gender", "occupation", "zip_code")
            tables.users.append(_table(people, "|", names, report))
            report.files.append(str(people))
        return tables


class MovieLens1M(Format):
    """``ratings.dat`` and ``movies.dat`` with ``::`` between the fields (10M is written alike)."""

    name = "movielens_1m"
    description = "MovieLens 1M and 10M (ratings.dat, movies.dat, users.dat)"

    def detect(self, source: Source) -> bool:
        ratings = source.file("ratings.dat")
        return ratings is not None and source.has("movies.dat") and b"::" in head_bytes(ratings).split(b"\n")[0]

    def read(self, source: Source, report: BuildReport, columns: ColumnMap | None) -> Tables:
        ratings, movies, people = source.named("ratings.dat"), source.named("movies.dat"), source.file("users.dat")
        report.files = [str(path) for path in (ratings, movies, people) if path is not None]
        tables = Tables([_table(ratings, "::", _RATINGS, report)], settings=dict(_SETTINGS))
        tables.items.append(Table.of(titled_movies(read_unquoted(
            movies, "::", ("item_id", "title", "genres"), header=False, report=report
        ))))  # fmt: skip
        if people is not None:
            names = ("user_id", "gender", "age", "occupation", "zip_code")
            tables.users.append(_table(people, "::", names, report))
        return tables


class MovieLensFolds(Format):
    """Ratings in ``fold1.dat`` … (user, item, rating), with ``items.dat`` and ``users.dat`` separated by tabs."""

    name = "movielens_folds"
    description = "MovieLens 1M in disjoint test folds (fold1.dat …, items.dat, users.dat)"

    def detect(self, source: Source) -> bool:
        return source.has("fold1.dat", "fold2.dat", "items.dat")

    def read(self, source: Source, report: BuildReport, columns: ColumnMap | None) -> Tables:
        return self._tables(source, report, self._folds(source))

    def has_split(self, source: Source) -> bool:
        return self.detect(source)

    def read_split(self, source: Source, fold: int, report: BuildReport) -> tuple[Tables, Tables]:
        folds = self._folds(source)
        held_out = source.file(f"fold{fold}.dat")
        if held_out is None:
            raise ConfigurationError(f"fold {fold} is not there", hint=f"there are folds 1 to {len(folds)}")
        train = self._tables(source, report, [path for path in folds if path != held_out])
        return train, Tables([_table(held_out, ",", _RATINGS[:3], report)], settings=dict(_SETTINGS))

    @staticmethod
    def _folds(source: Source) -> list[Path]:
        return [path for path in source.ending(".dat") if path.name.startswith("fold")]

    @staticmethod
    def _tables(source: Source, report: BuildReport, folds: list[Path]) -> Tables:
        movies, people = source.named("items.dat"), source.file("users.dat")
        report.files = [str(path) for path in (*folds, movies, people) if path is not None]
        tables = Tables([_table(path, ",", _RATINGS[:3], report) for path in folds], settings=dict(_SETTINGS))
        names = ("item_id", "title", "genres")
        tables.items.append(Table.of(titled_movies(read_unquoted(movies, "\t", names, header=False, report=report))))
        if people is not None:
            names_of_people = ("user_id", "gender", "age", "occupation", "zip_code")
            tables.users.append(_table(people, "\t", names_of_people, report))
        return tables


def titled_movies(movies: pl.DataFrame) -> pl.DataFrame:
    """Movies with ``genres`` as lists and the ``year`` out of the title, which keeps it."""
    genres = pl.col("genres").str.split("|").list.eval(pl.element().filter(pl.element() != "(no genres listed)"))
    return movies.with_columns(genres, _year(pl.col("title")))


def _year(title: pl.Expr) -> pl.Expr:
    return title.str.extract(r"\((\d{4})(?:[-–]\d{0,4})?\)\s*$").cast(pl.Int32).alias("year")


def _table(path: Path, delimiter: str, names: tuple[str, ...], report: BuildReport) -> Table:
    return Table(lambda: [read_unquoted(path, delimiter, names, header=False, report=report)])


def _genre_names(source: Source, report: BuildReport) -> list[str]:
    path = source.file("u.genre")
    if path is None:
        return list(_GENRES)
    table = read_unquoted(path, "|", ("genre", "number"), header=False, report=report).drop_nulls()
    return table.sort(pl.col("number").cast(pl.Int32, strict=False))["genre"].to_list()


def _flagged_movies(path: Path, genres: list[str], report: BuildReport) -> pl.DataFrame:
    """``u.item``: title, dates, address, and a 0/1 flag for each genre."""
    fixed = ("item_id", "title", "release_date", "video_release_date", "imdb_url")
    # The names are written in Latin-1, which read_unquoted falls back to; that is so by design, hence no warning.
    movies = read_unquoted(path, "|", (*fixed, *genres), header=False, report=BuildReport())
    if movies.width != len(fixed) + len(genres):
        raise DataFileError(f"{path} has {movies.width} columns, expected {len(fixed) + len(genres)}")
    flags = [pl.when(pl.col(genre) == "1").then(pl.lit(genre)) for genre in genres]
    listed = pl.concat_list(flags).list.drop_nulls().alias("genres")
    released = pl.col("release_date").str.to_date("%d-%b-%Y", strict=False)
    report.warn("movies_without_a_release_date", movies["release_date"].null_count())
    return movies.select("item_id", "title", listed, _year(pl.col("title")), released, "imdb_url")
