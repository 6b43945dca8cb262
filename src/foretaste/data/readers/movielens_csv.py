"""MovieLens as CSV: latest, latest-small, 20M, 25M, 32M."""

import polars as pl

from foretaste.data.intake.columns import ColumnMap
from foretaste.data.readers.formats import Format, Table, Tables
from foretaste.data.readers.movielens import titled_movies
from foretaste.data.readers.source import Source, head_bytes
from foretaste.data.readers.text import read_table, sniff
from foretaste.data.report import BuildReport

_MAX_TAGS = 20
_ROLES = ColumnMap(user="userId", item="movieId", value="rating", timestamp="timestamp")


class MovieLensCSV(Format):
    """``ratings.csv`` and ``movies.csv``; what people wrote in ``tags.csv`` becomes a list feature of the movies."""

    name = "movielens_csv"
    description = "MovieLens latest, 20M, 25M, 32M (ratings.csv, movies.csv, tags.csv)"

    def detect(self, source: Source) -> bool:
        ratings, movies = source.file("ratings.csv"), source.file("movies.csv")
        if ratings is None or movies is None:
            return False
        return _header(head_bytes(ratings)) == "userid,movieid,rating,timestamp" and _header(
            head_bytes(movies)
        ).startswith("movieid,title,genres")

    def read(self, source: Source, report: BuildReport, columns: ColumnMap | None) -> Tables:
        ratings, movies = source.named("ratings.csv"), source.named("movies.csv")
        report.files = [str(ratings), str(movies)]
        tables = Tables(settings={"value_kind": "rating", "rating_scale": (0.5, 5.0)})
        tables.interactions.append(Table(lambda: read_table(ratings, sniff(ratings), report), _ROLES))
        catalogue = pl.concat(list(read_table(movies, sniff(movies), report)))
        tables.items.append(Table.of(titled_movies(catalogue.rename({"movieId": "item_id"}))))
        tags = source.file("tags.csv")
        if tags is not None:
            report.files.append(str(tags))
            written = pl.concat(list(read_table(tags, sniff(tags), report)))
            tables.items.append(Table.of(_frequent_tags(written, catalogue["movieId"])))
        return tables


def _frequent_tags(tags: pl.DataFrame, movies: pl.Series) -> pl.DataFrame:
    """The most frequent tags of each movie, at most 20, ties in alphabetical order."""
    counted = (
        tags.select(pl.col("movieId").alias("item_id"), pl.col("tag").str.strip_chars().str.to_lowercase())
        .filter(pl.col("tag").is_not_null() & (pl.col("tag") != "") & pl.col("item_id").is_in(movies.implode()))
        .group_by("item_id", "tag")
        .len()
    )
    best_first = counted.sort(["item_id", "len", "tag"], descending=[False, True, False])
    return best_first.group_by("item_id", maintain_order=True).agg(pl.col("tag").head(_MAX_TAGS).alias("tags"))


def _header(head: bytes) -> str:
    return head.removeprefix(b"\xef\xbb\xbf").split(b"\n")[0].strip().decode("latin-1").lower().replace('"', "")
