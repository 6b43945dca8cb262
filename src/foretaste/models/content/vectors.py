"""Items as vectors: sparse over the tokens of their columns, and dense where texts are embedded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from foretaste.features import Column
from foretaste.features.embeddings import TextEmbedder, unit_rows

NUMBERS = frozenset({"numeric", "date"})
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Vectors:
    """Rows that have a sparse part (n, T) and a dense part (n, D), both float32; D = 0 without embeddings."""

    tokens: sparse.csr_array
    texts: Floats

    def __len__(self) -> int:
        return int(self.tokens.shape[0])

    def take(self, rows: npt.NDArray[np.integer]) -> "Vectors":
        """Rows by number."""
        return Vectors(sparse.csr_array(self.tokens[rows]), self.texts[rows])

    def combined(self, weights: sparse.csr_array) -> "Vectors":
        """Weighted sums of the rows: ``weights`` is (m, n)."""
        from foretaste.models.content.kernels import combine

        own, n = self.tokens, weights.shape[0]
        room = int((own.indptr[weights.indices + 1] - own.indptr[weights.indices]).sum())
        indptr, tokens, values = np.zeros(n + 1, np.int64), np.empty(room, np.int32), np.empty(room, np.float32)
        factors, sums = np.asarray(weights.data, np.float32), np.full(own.shape[1], np.nan, np.float32)
        combine(
            weights.indptr, weights.indices, factors, own.indptr, own.indices, own.data, sums, indptr, tokens, values
        )
        texts = np.zeros((n, 0), np.float32)
        if self.texts.shape[1]:
            texts = np.asarray(weights @ self.texts, dtype=np.float32).reshape(n, self.texts.shape[1])
        return Vectors(_csr(values[: indptr[-1]], tokens[: indptr[-1]], indptr, own.shape[1]), texts)

    def lengths(self) -> npt.NDArray[np.float64]:
        """Euclidean length of each row (n,)."""
        owners = np.repeat(np.arange(len(self)), np.diff(self.tokens.indptr))
        squares = np.bincount(owners, self.tokens.data.astype(np.float64) ** 2, len(self))
        return np.asarray(np.sqrt(squares + (self.texts.astype(np.float64) ** 2).sum(axis=1)))

    def scaled(self, factors: npt.NDArray[np.floating]) -> "Vectors":
        """Each row times its factor."""
        tokens = self.tokens
        data = (tokens.data * np.repeat(factors, np.diff(tokens.indptr))).astype(np.float32)
        scaled = _csr(data, tokens.indices.copy(), tokens.indptr, tokens.shape[1])
        return Vectors(scaled, (self.texts * factors[:, None]).astype(np.float32))

    def normalised(self) -> "Vectors":
        """Rows at length 1; empty rows stay empty."""
        lengths = self.lengths()
        return self.scaled(1.0 / np.where(lengths > 1e-15, lengths, 1.0))

    def sorted(self) -> "Vectors":
        """With the tokens of each row in order."""
        self.tokens.sort_indices()
        return self

    @classmethod
    def empty(cls, n: int, n_tokens: int, n_dimensions: int) -> "Vectors":
        """``n`` rows with nothing in them."""
        nothing = (np.zeros(0, np.float32), np.zeros(0, np.int32), np.zeros(n + 1, np.int32))
        tokens = sparse.csr_array(nothing, shape=(n, n_tokens))
        return cls(tokens, np.zeros((n, n_dimensions), dtype=np.float32))

    def __add__(self, other: "Vectors") -> "Vectors":
        return Vectors(sparse.csr_array(self.tokens + other.tokens), self.texts + other.texts)


def _csr(data: Floats, indices: npt.NDArray[Any], indptr: npt.NDArray[Any], n_columns: int) -> sparse.csr_array:
    """A sparse matrix of parts that are known to fit; SciPy would look at each of them, and copy some."""
    made: Any = sparse.csr_array((len(indptr) - 1, n_columns), dtype=np.float32)
    made.data, made.indices, made.indptr = data, indices, indptr
    matrix: sparse.csr_array = made
    return matrix


def stacked(first: Vectors, second: Vectors) -> Vectors:
    """The rows of both."""
    tokens = sparse.csr_array(sparse.vstack([first.tokens, second.tokens], format="csr"))
    return Vectors(tokens, np.concatenate([first.texts, second.texts]))


def encode_rows(
    typed: pl.DataFrame,
    columns: Sequence[Column],
    weights: Sequence[float],
    embedder: TextEmbedder | None,
    centre: Floats,
) -> Vectors:
    """Vectors of the rows of a frame, not normalised; with an embedder texts are dense and give no tokens.

    A column that ``typed`` lacks counts as missing. ``centre`` (D,) is what :func:`mean_text` found: subtracted from
    each text's vector, because the vectors of a catalogue share a large part that tells nothing apart.
    """
    n_rows = len(typed)
    blocks, texts = [], np.zeros((n_rows, len(centre)), dtype=np.float32)
    for column, weight in zip(columns, weights, strict=True):
        is_there = column.name in typed.columns
        if embedder is not None and column.kind == "text":
            if is_there:
                texts += weight * centred(embed(typed[column.name], column, embedder), centre)
            blocks.append(column.missing(n_rows))
        else:
            blocks.append(column.encode(typed[column.name]) * weight if is_there else column.missing(n_rows))
    tokens = sparse.csr_array(sparse.hstack(blocks, format="csr")).astype(np.float32)
    return Vectors(tokens, texts)


def mean_text(frame: pl.DataFrame, columns: Sequence[Column], embedder: TextEmbedder) -> Floats:
    """The mean vector (D,) of all texts of a catalogue that have one; zeros for fewer than two different texts."""
    found = [embed(frame[column.name], column, embedder) for column in columns if column.kind == "text"]
    if not found:
        return np.zeros(0, dtype=np.float32)
    every = np.concatenate(found)
    known = every[(every != 0).any(axis=1)]
    if len(np.unique(known, axis=0)) < 2:
        return np.zeros(every.shape[1], dtype=np.float32)
    return np.asarray(known.mean(axis=0, dtype=np.float64), dtype=np.float32)


def embed(values: pl.Series, column: Column, embedder: TextEmbedder) -> Floats:
    """Vectors of a column's texts (n, D), words weighted by their idf in the catalogue."""
    idf = dict(zip(column.tokens, column.idf, strict=True))
    return embedder.encode(values.cast(pl.String).fill_null("").to_list(), idf, max(column.idf))


def centred(vectors: Floats, centre: Floats) -> Floats:
    """Vectors less the centre, at length 1; zeros stay."""
    known = (vectors != 0).any(axis=1, keepdims=True)
    return unit_rows(np.where(known, vectors - centre, 0.0).astype(np.float32))
