"""From the columns of a frame to weighted tokens: the vocabulary of each column, and rows in its terms.

Every kind of column ends as tokens, so that one sparse matrix serves them all, and every match between two items has
a name that can be shown: a word, a tag, «category: shoes», «price: about 20».
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from foretaste.data import FeatureType

Csr = sparse.csr_array
Longs = npt.NDArray[np.int64]


Weighting = Literal["tfidf", "bm25", "plain"]
BM25_SATURATION, BM25_LENGTH = 1.2, 0.75


@dataclass(frozen=True)
class ColumnOptions:
    """How columns become weighted tokens."""

    ngrams: tuple[int, int] = (1, 2)
    """Shortest and longest run of words that makes a token of a text."""
    max_features: int | None = 20_000
    """Most tokens of one column, the most frequent ones."""
    min_df: int = 1
    """Rows that must have a token for it to count."""
    max_df: float = 1.0
    """Share of the rows above which a token is too common to count."""
    stop_words: Literal["english"] | tuple[str, ...] | None = "english"
    """Words that do not count."""
    n_bins: int = 8
    """Quantiles that a numeric or date column is cut at."""
    weighting: Weighting = "tfidf"
    """``tfidf`` and ``bm25`` (of texts) weigh rare tokens more and scale columns to each other; ``plain`` leaves
    categories at 1 and numbers as shares that sum to 1, for models that learn the weights.
    """


@dataclass(frozen=True)
class Column:
    """One fitted column: its tokens, and what each of them weighs.

    ``knots`` are the centres of a numeric or date column's bins (dates in days since 1970), else empty. ``scale``
    brings the mean square length of the column's vectors to 1, so that columns can be weighed against each other.
    """

    name: str
    kind: FeatureType
    tokens: tuple[str, ...]
    idf: tuple[float, ...]
    knots: tuple[float, ...]
    scale: float
    ngrams: tuple[int, int]
    weighting: Weighting = "tfidf"
    mean_length: float = 0.0
    """Mean number of tokens of a text, for BM25."""

    def encode(self, values: pl.Series) -> Csr:
        """Items × tokens of this column, float64; a missing value gives an empty row."""
        counts = _counts(values, self.kind, self.tokens, self.knots, self.ngrams)
        return self._weighted(counts)

    def missing(self, n_rows: int) -> Csr:
        """What :meth:`encode` gives for ``n_rows`` missing values."""
        return Csr(sparse.coo_array((n_rows, len(self.tokens)), dtype=np.float64))

    def _weighted(self, counts: Csr) -> Csr:
        """Texts at length 1 or as BM25, lists divided by the root of their length, all times ``scale``."""
        out = counts.astype(np.float64)
        lengths = np.diff(out.indptr)
        if self.kind == "text" and self.weighting == "bm25":
            totals = np.repeat(np.asarray(out.sum(axis=1)).ravel(), lengths)
            damped = BM25_SATURATION * (1.0 - BM25_LENGTH + BM25_LENGTH * totals / max(self.mean_length, 1e-12))
            out.data = out.data * (BM25_SATURATION + 1.0) / (out.data + damped)
        elif self.kind == "text":
            out.data = 1.0 + np.log(out.data)
        if self.kind == "text" or (self.kind in {"list", "categorical"} and self.weighting != "plain"):
            out.data = out.data * np.asarray(self.idf)[out.indices]
        if self.kind == "text" and self.weighting != "bm25":
            out = normalised(out)
        elif self.kind == "list":
            out.data = out.data / np.repeat(np.sqrt(np.maximum(lengths, 1)), lengths)
        out.data = out.data * self.scale
        return out

    def label(self, token: int) -> str:
        """What a person reads for one token."""
        text = self.tokens[token]
        return text if self.kind == "text" else f"{self.name.replace('_', ' ')}: {text}"

    def to_json(self) -> dict[str, Any]:
        """All but the tokens, which are saved as arrays."""
        return {key: value for key, value in asdict(self).items() if key not in {"tokens", "idf"}}

    @classmethod
    def from_json(cls, fields: dict[str, Any], tokens: Sequence[str], idf: Sequence[float]) -> Self:
        """The opposite of :meth:`to_json`."""
        lists = {"knots": tuple(fields["knots"]), "ngrams": tuple(fields["ngrams"])}
        return cls(**(fields | lists | {"tokens": tuple(tokens), "idf": tuple(idf)}))


def fit_column(values: pl.Series, kind: FeatureType, options: ColumnOptions) -> Column | None:
    """The vocabulary of one column; None when no token is left."""
    knots = _knots(values, options.n_bins) if kind in {"numeric", "date"} else ()
    if kind in {"numeric", "date"}:
        tokens = _knot_labels(knots, is_date=kind == "date")
    elif kind == "text":
        tokens = _text_tokens(values, options)
    else:
        tokens = _value_tokens(values, options)
    counts = _counts(values, kind, tokens, knots, options.ngrams) if tokens else None
    if counts is None or counts.nnz == 0:
        return None
    n_rows, df = counts.shape[0], np.bincount(counts.indices, minlength=len(tokens))
    filled = np.diff(counts.indptr) > 0
    if kind == "text" and options.weighting == "bm25":
        idf = np.log1p((n_rows - df + 0.5) / (df + 0.5))
    else:
        idf = np.log((1.0 + n_rows) / (1.0 + df)) + 1.0  # as in scikit-learn: smooth, never 0
    mean_length = float(counts.sum() / filled.sum())
    column = Column(
        values.name, kind, tokens, tuple(idf.tolist()), knots, 1.0, options.ngrams, options.weighting, mean_length
    )
    if options.weighting == "plain":
        return column
    squares = column.encode(values).power(2).sum(axis=1)
    return replace(column, scale=1.0 / float(np.sqrt(np.mean(np.asarray(squares).ravel()[filled]))))


def normalised(matrix: Csr) -> Csr:
    """Rows at length 1; empty rows stay empty."""
    squares = np.zeros(matrix.shape[0])
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    np.add.at(squares, rows, matrix.data.astype(np.float64) ** 2)
    out = matrix.copy()
    out.data = (matrix.data / np.sqrt(np.maximum(squares, 1e-30))[rows]).astype(matrix.dtype)
    return out


# --- tokens of a column -------------------------------------------------------------------------------------------


def _text_tokens(values: pl.Series, options: ColumnOptions) -> tuple[str, ...]:
    stop_words = list(options.stop_words) if isinstance(options.stop_words, tuple) else options.stop_words
    limits: dict[str, Any] = {
        "max_features": options.max_features,
        "min_df": options.min_df,
        "max_df": options.max_df,
        "stop_words": stop_words,
    }
    vectorizer = _vectorizer(options.ngrams, **limits)
    try:
        vectorizer.fit(_texts(values))
    except ValueError:  # scikit-learn's way to say that no token is left
        return ()
    return tuple(vectorizer.get_feature_names_out().tolist())


def _vectorizer(ngrams: tuple[int, int], **options: Any) -> Any:
    from sklearn.feature_extraction.text import CountVectorizer

    return CountVectorizer(ngram_range=ngrams, strip_accents="unicode", token_pattern=r"(?u)\b\w\w+\b", **options)  # noqa: S106


def _texts(values: pl.Series) -> list[str]:
    return values.cast(pl.String).fill_null("").to_list()


def _value_tokens(values: pl.Series, options: ColumnOptions) -> tuple[str, ...]:
    """The values of a categorical or list column that enough, and not too many, items have; the most frequent."""
    table = _value_table(values).group_by("token").agg(pl.col("row").n_unique().alias("df"))
    most = options.max_df * len(values)
    table = table.filter((pl.col("df") >= options.min_df) & (pl.col("df") <= max(most, 1.0)))
    table = table.sort(["df", "token"], descending=[True, False]).head(options.max_features or len(table))
    return tuple(table["token"].sort().to_list())


def _value_table(values: pl.Series) -> pl.DataFrame:
    """Columns ``row`` and ``token``, one row for each value that an item has."""
    frame = pl.DataFrame({"row": np.arange(len(values), dtype=np.int64), "token": values})
    if isinstance(values.dtype, pl.List):
        frame = frame.filter(pl.col("token").list.len() > 0).explode("token")
    frame = frame.with_columns(pl.col("token").cast(pl.String).str.strip_chars())
    return frame.filter(pl.col("token").is_not_null() & (pl.col("token") != "")).unique(maintain_order=True)


# --- counts in terms of known tokens ------------------------------------------------------------------------------


def _counts(
    values: pl.Series,
    kind: FeatureType,
    tokens: tuple[str, ...],
    knots: tuple[float, ...],
    ngrams: tuple[int, int],
) -> Csr:
    if kind in {"numeric", "date"}:
        return _hats(_numbers(values), np.asarray(knots))
    if kind == "text":
        found = _vectorizer(ngrams, vocabulary={token: n for n, token in enumerate(tokens)}).transform(_texts(values))
        return Csr(found)
    places = {token: n for n, token in enumerate(tokens)}
    table = _value_table(values)
    columns = np.fromiter((places.get(token, -1) for token in table["token"]), np.int64, len(table))
    rows, known = table["row"].to_numpy(), columns >= 0
    ones = np.ones(int(known.sum()))
    return Csr((ones, (rows[known], columns[known])), shape=(len(values), len(tokens)))


def _numbers(values: pl.Series) -> npt.NDArray[np.float64]:
    """Numbers, or days since 1970 for dates; NaN where missing."""
    if values.dtype.is_temporal():
        values = values.cast(pl.Datetime("us")).to_physical().cast(pl.Float64) / 86_400e6
    numbers = values.cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _knots(values: pl.Series, n_bins: int) -> tuple[float, ...]:
    """Distinct quantiles, so that each bin holds about as many items."""
    numbers = _numbers(values)
    numbers = numbers[~np.isnan(numbers)]
    if len(numbers) == 0:
        return ()
    return tuple(np.unique(np.quantile(numbers, np.linspace(0.0, 1.0, n_bins))).tolist())


def _knot_labels(knots: tuple[float, ...], *, is_date: bool) -> tuple[str, ...]:
    def date(days: float) -> str:
        return datetime.fromtimestamp(days * 86_400.0, tz=UTC).strftime("%B %Y")

    write: Callable[[float], str] = (
        date if is_date else (lambda value: f"{value:.3g}" if abs(value) < 1e3 else f"{value:.0f}")
    )
    return tuple(f"about {write(knot)}" for knot in knots)


def _hats(numbers: npt.NDArray[np.float64], knots: npt.NDArray[np.float64]) -> Csr:
    """Each number shared between the two knots around it, in proportion: near numbers are similar, far ones are not."""
    known = np.flatnonzero(~np.isnan(numbers))
    clipped = np.clip(numbers[known], knots[0], knots[-1])
    left = np.clip(np.searchsorted(knots, clipped, side="right") - 1, 0, max(len(knots) - 2, 0))
    right = np.minimum(left + 1, len(knots) - 1)
    width = np.where(right > left, knots[right] - knots[left], 1.0)
    share = np.where(right > left, (clipped - knots[left]) / width, 0.0)
    rows = np.concatenate([known, known])
    matrix = Csr(
        (np.concatenate([1.0 - share, share]), (rows, np.concatenate([left, right]))), shape=(len(numbers), len(knots))
    )
    matrix.eliminate_zeros()
    return matrix
