"""Declared interests: what users say they like, in terms of the tokens of items."""

import re
from collections.abc import Sequence

import polars as pl

from foretaste.data import Dataset
from foretaste.features import Column, feature_table
from foretaste.features.embeddings import TextEmbedder
from foretaste.models.content.vectors import Floats, Vectors, encode_rows

_NAMES = re.compile(
    r"^(declared_?|user_?)?(interests?|preferences?|hobby|hobbies|likes|topics?|"
    r"(favou?rites?|preferred)(_?(categor(y|ies)|genres?|tags?|topics?|brands?))?)$"
)
_WORDY = frozenset({"categorical", "list", "text"})


def interest_columns(data: Dataset, named: Sequence[str] | None) -> list[str]:
    """The user columns that hold interests: the named ones, or those with a telling name."""
    if named is not None:
        return list(named)
    frame = data.user_frame
    return [] if frame is None else [name for name in frame.columns if _NAMES.match(name.lower())]


def interest_vectors(
    data: Dataset,
    named: Sequence[str] | None,
    columns: Sequence[Column],
    weights: Sequence[float],
    embedder: TextEmbedder | None,
    centre: Floats,
) -> Vectors | None:
    """Vectors of all users (U rows) of length 1, empty where an interest matches nothing; None without interests.

    An interest matches a category or tag that reads the same but for case and punctuation, and the words it shares
    with texts.

    Raises:
        DataFormatError: a named column is not there.
    """
    names = interest_columns(data, named)
    if not names:
        return None
    frame, kinds = feature_table(data, "user", names)
    wordy = [name for name in names if kinds.get(name) in _WORDY]
    if not wordy:
        return None
    parts = [_terms(frame[name]) for name in wordy]
    terms = [sorted(set().union(*row)) for row in zip(*parts, strict=True)]
    table = pl.DataFrame({column.name: _as_values(terms, column) for column in columns if column.kind in _WORDY})
    if table.width == 0:
        return None
    return encode_rows(table, columns, weights, embedder, centre).normalised().sorted()


def _terms(values: pl.Series) -> list[set[str]]:
    rows = values.to_list()
    return [
        set() if row is None else {str(term) for term in (row if isinstance(row, list) else [row]) if term is not None}
        for row in rows
    ]


def _as_values(terms: list[list[str]], column: Column) -> pl.Series:
    """The terms as if they were the content of an item column: texts, or lists of its own tokens."""
    if column.kind == "text":
        return pl.Series(column.name, [" . ".join(row) for row in terms], dtype=pl.String)
    known = {_plain(token): token for token in reversed(column.tokens)}
    matched = [sorted({known[_plain(term)] for term in row if _plain(term) in known}) for row in terms]
    return pl.Series(column.name, matched, dtype=pl.List(pl.String))


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[\W_]+", " ", text).casefold().split())
