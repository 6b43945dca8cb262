"""Tables of users or items, joined into one frame with a row an id."""

from collections.abc import Sequence

import polars as pl

from foretaste.data.dataset import FeatureType
from foretaste.data.feature_types import infer_features
from foretaste.data.intake.columns import plain
from foretaste.data.intake.ids import PROBLEMS, IdTable, encode
from foretaste.data.report import MAX_EXAMPLES, BuildReport, TableReport
from foretaste.data.vocabulary import Vocabulary

_TITLE_NAMES = (
    "movietitle", "producttitle", "productname", "itemname", "itemtitle", "artistname", "bookname", "booktitle",
    "trackname", "songname", "originaltitle", "headline",
)  # fmt: skip


class Attributes:
    """Takes tables of one kind and makes one frame in vocabulary order.

    A later row of the same id in one table wins whole; a later table wins value by value where it has one.
    """

    def __init__(self, id_column: str, ids: IdTable, table: TableReport, report: BuildReport) -> None:
        self._id, self._ids, self._table, self._report = id_column, ids, table, report
        self._frames: list[pl.DataFrame] = []

    def take(self, frame: pl.DataFrame, id_source: str) -> None:
        """Check the ids of a table and keep its rows."""
        self._table.read += len(frame)
        self._table.use({self._id.removesuffix("_id"): id_source}, [id_source])
        encoded = encode(frame[id_source])
        problems = pl.Series(encoded.problems[encoded.codes])
        for number, problem in enumerate(PROBLEMS, start=1):
            wrong = problems == number
            self._table.drop(
                f"id_{problem}", int(wrong.sum()), frame[id_source].filter(wrong).head(MAX_EXAMPLES).to_list()
            )
        codes = self._ids.add(encoded)
        self._ids.declare(codes)
        ids = encoded.distinct.gather(encoded.codes).alias(self._id)
        others = [c for c in frame.get_columns() if c.name not in {id_source, self._id}]
        rows = pl.DataFrame([ids, *others]).filter(problems == 0)
        again = rows[self._id].is_duplicated() & ~rows[self._id].is_last_distinct()
        self._table.drop("id_again_the_last_kept", int(again.sum()), rows[self._id].filter(again).head(3).to_list())
        self._frames.append(_titled(rows.filter(~again), self._id))

    def frame(
        self, vocabulary: Vocabulary, declared: dict[str, FeatureType]
    ) -> tuple[pl.DataFrame | None, dict[str, FeatureType]]:
        """One row an id in vocabulary order, with its features' kinds; None when no table was given."""
        if not self._frames:
            return None, {}
        wanted = pl.DataFrame({self._id: vocabulary.ids})
        merged = wanted
        for frame in self._frames:
            merged = _merge(merged, frame, self._id)
        self._table.kept = len(wanted.join(self._known_ids(), on=self._id, how="semi"))
        return infer_features(merged, declared, skip=self._id)

    def _known_ids(self) -> pl.DataFrame:
        return pl.concat([frame.select(self._id) for frame in self._frames]).unique()


def _merge(left: pl.DataFrame, right: pl.DataFrame, key: str) -> pl.DataFrame:
    """Columns of ``right`` beside ``left``; where both have one, the right value unless it is missing."""
    both = [name for name in right.columns if name in left.columns and name != key]
    joined = left.join(right, on=key, how="left", maintain_order="left", suffix="\x00new")
    for name in both:
        new, old = joined[f"{name}\x00new"], joined[name]
        if new.dtype != old.dtype:
            new, old = new.cast(pl.String, strict=False), old.cast(pl.String, strict=False)
        joined = joined.with_columns(new.zip_with(new.is_not_null(), old).alias(name))
    return joined.drop([f"{name}\x00new" for name in both])


def _titled(frame: pl.DataFrame, id_column: str) -> pl.DataFrame:
    """The frame with the readable name in ``title``, where items have it under another well-known name."""
    if id_column != "item_id" or {"title", "name"} & set(frame.columns):
        return frame
    named = next((c for c in frame.columns if plain(c) in {"title", "name", *_TITLE_NAMES}), None)
    return frame.rename({named: "title"}) if named is not None else frame


def link_rows(
    frames: Sequence[pl.DataFrame], users: Vocabulary, report: BuildReport
) -> tuple[pl.Series, pl.Series] | None:
    """Distinct links between known users as two columns of rows; ``frames`` have ``user`` and ``friend`` (text)."""
    if not frames:
        return None
    table = report.links
    ends = pl.concat(frames)
    rows = pl.DataFrame({"user": users.rows(ends["user"]), "friend": users.rows(ends["friend"])})
    unknown = (rows["user"] < 0) | (rows["friend"] < 0)
    table.drop("unknown_user", int(unknown.sum()))
    rows = rows.filter(~unknown)
    itself = rows["user"] == rows["friend"]
    table.drop("link_to_oneself", int(itself.sum()))
    rows = rows.filter(~itself)
    distinct = rows.unique(maintain_order=True)
    table.drop("link_again", len(rows) - len(distinct))
    table.kept = len(distinct)
    return distinct["user"], distinct["friend"]
