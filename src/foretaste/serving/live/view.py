"""What rerankers know of the items: put together from the live models and the catalogue, once for each of them."""

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
from scipy import sparse

from foretaste.models.factors import unit_rows
from foretaste.rerank import ItemView, Labels
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.live.columns import Column, ItemColumns

Floats = npt.NDArray[np.float32]
N_DIMENSIONS = 64
"""Length of the vectors that are made from content."""
_WIDE = 256
_MOST_WIDE = 200_000
"""Largest catalogue whose content is first projected to more dimensions, of which the best are kept."""


class Views:
    """Makes item views and keeps what has not changed: vectors for a bundle, labels for a column of the catalogue."""

    def __init__(self) -> None:
        self._vectors: tuple[Bundle, Floats | None] | None = None
        self._popularity: tuple[Bundle, npt.NDArray[np.float64]] | None = None
        self._labels: dict[str, tuple[Column, Labels | None]] = {}
        self._view: tuple[Bundle, Catalogue, ItemView] | None = None

    def of(self, bundle: Bundle, catalogue: Catalogue) -> ItemView:
        """The view for these models and this catalogue; several threads may make it at once, the last one stays."""
        kept = self._view
        if kept is None or kept[0] is not bundle or kept[1] is not catalogue:
            kept = self._view = (bundle, catalogue, self._made(bundle, catalogue))
        return kept[2]

    def _made(self, bundle: Bundle, catalogue: Catalogue) -> ItemView:
        n = len(catalogue.items)
        vectors = self._vectors
        if vectors is None or vectors[0] is not bundle:
            vectors = self._vectors = (bundle, item_vectors(bundle))
        popularity = self._popularity
        if popularity is None or popularity[0] is not bundle:
            popularity = self._popularity = (bundle, training_popularity(bundle))
        own = catalogue.columns.numbers("created_at")
        taken = np.zeros(n)
        taken[: len(popularity[1])] = popularity[1]
        return ItemView(
            n,
            vectors[1],
            _Fields(catalogue.columns, self._labels),
            np.where(np.isnan(own), catalogue.created, own),
            taken,
        )


class _Fields(Mapping[str, Labels]):
    """Text attributes of a catalogue as labels, each made when first asked for."""

    def __init__(self, columns: ItemColumns, made: dict[str, tuple[Column, Labels | None]]) -> None:
        self._columns, self._made = columns, made

    def __getitem__(self, name: str) -> Labels:
        column = self._columns[name]
        kept = self._made.get(name)
        if kept is None or kept[0] is not column or (kept[1] is not None and kept[1].n_items != self._columns.n_rows):
            kept = self._made[name] = (column, labels_of(column, self._columns.n_rows))
        if kept[1] is None:
            raise KeyError(name)
        return kept[1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


def labels_of(column: Column, n_items: int) -> Labels | None:
    """The texts of an attribute, of lists each element; of an attribute without texts its numbers as texts. None where
    no item has any.
    """
    text, lists = column.text, column.lists
    if text is None and lists is None:
        return _numbers_as_labels(column, n_items)
    lengths = np.zeros(n_items, dtype=np.int64)
    names: list[str] = []
    if text is not None:
        lengths[: len(text.codes)] += text.codes >= 0
        names += map(str, text.words.words)
    n_texts = len(names)
    if lists is not None:
        lengths[: len(lists.lengths)] += lists.lengths
        names += map(str, lists.words.words)
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    codes = np.empty(int(indptr[-1]), dtype=np.int32)
    if text is not None:
        rows = np.flatnonzero(text.codes >= 0)
        codes[indptr[rows]] = text.codes[rows]
    if lists is not None:
        rows = np.flatnonzero(lists.lengths > 0)
        own = lists.lengths[rows].astype(np.int64)
        within = np.arange(int(own.sum())) - np.repeat(np.cumsum(own) - own, own)
        codes[np.repeat(indptr[rows + 1] - own, own) + within] = (
            n_texts + lists.codes[np.repeat(lists.starts[rows].astype(np.int64), own) + within]
        )
    return Labels(indptr, codes, tuple(names))


def _numbers_as_labels(column: Column, n_items: int) -> Labels | None:
    if column.numbers is None:
        return None
    known = np.flatnonzero(~np.isnan(column.numbers))
    values, codes = np.unique(column.numbers[known], return_inverse=True)
    lengths = np.zeros(n_items, dtype=np.int64)
    lengths[known] = 1
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    return Labels(indptr, codes.astype(np.int32), tuple(f"{value:.15g}" for value in values.tolist()))


# --- from the models ---------------------------------------------------------------------------------------------


def item_vectors(bundle: Bundle) -> Floats | None:
    """Vectors (M, d) of length one of the items that models rank: of the first model with item factors, else of the
    first with content; None where there is neither.
    """
    for model in bundle.models.values():
        factors = getattr(model, "item_factors", None)
        if isinstance(factors, np.ndarray) and factors.ndim == 2 and len(factors) == len(model.items):
            return unit_rows(np.asarray(factors, dtype=np.float32))
    for model in bundle.models.values():
        tokens = getattr(model, "vectors", None)
        if isinstance(tokens, sparse.csr_array) and tokens.shape[0] == len(model.items):
            texts = getattr(model, "texts", None)
            return content_vectors(tokens, texts if isinstance(texts, np.ndarray) else None)
    return None


def content_vectors(tokens: sparse.csr_array, texts: Floats | None) -> Floats:
    """Sparse content (I, T), and dense where there is any, in at most ``N_DIMENSIONS`` of nearly the same cosines.

    A random projection (fixed seed), of which the directions that hold most are kept.
    """
    n, width = tokens.shape[0], _WIDE if tokens.shape[0] <= _MOST_WIDE else N_DIMENSIONS
    parts = []
    if tokens.shape[1]:
        draws = np.random.default_rng(0).standard_normal(
            (tokens.shape[1], min(width, max(tokens.shape[1], 1))), np.float32
        )
        exact = tokens.shape[1] <= width
        parts.append(tokens.toarray() if exact else np.asarray(tokens @ draws) / np.float32(np.sqrt(draws.shape[1])))
    if texts is not None and texts.size:
        parts.append(texts)
    if not parts:
        return np.zeros((n, 1), dtype=np.float32)
    wide = np.concatenate(parts, axis=1).astype(np.float32)
    if wide.shape[1] > N_DIMENSIONS:
        _, directions = np.linalg.eigh((wide.T @ wide).astype(np.float64))
        wide = wide @ directions[:, -N_DIMENSIONS:].astype(np.float32)
    return unit_rows(wide)


def training_popularity(bundle: Bundle) -> npt.NDArray[np.float64]:
    """How many people took each item that models rank (interactions with a positive weight)."""
    histories = bundle.population.histories
    taken = histories.item_rows[histories.weights > 0]
    return np.bincount(taken, minlength=len(bundle.items)).astype(np.float64)
