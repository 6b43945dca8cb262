"""Neighbourhoods found by MinHash and locality-sensitive hashing: for more users or items than can all be compared."""

from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveInt, model_validator
from scipy import sparse

from foretaste.data import Dataset
from foretaste.models.base import FloatBlock, ModelConfig, Rows, UserBatch
from foretaste.models.nearest import as_matrix
from foretaste.models.neighbours.lsh import Measure, MinHashLSH
from foretaste.models.neighbours.votes import ItemVotes, UserVotes, dense_similarity, shares_of_items, summed


class LSHConfig(ModelConfig):
    """Settings of :class:`LSHItemKNN` and :class:`LSHUserKNN`."""

    n_neighbours: PositiveInt = 100
    """Neighbours kept of each item, or asked for each user."""
    threshold: float = Field(default=0.05, ge=0.0, le=1.0)
    """The similarity from which on neighbours should be found; chooses bands and rows. Lower finds more and takes
    longer. People who have much in common often share less than a tenth of all that they took, so it is low."""
    n_permutations: int = Field(default=128, ge=1, le=4096)
    """Hash functions of a signature, at most."""
    bands: PositiveInt | None = None
    """Bands of the signature, set by hand together with ``rows`` instead of by the threshold."""
    rows: PositiveInt | None = None
    """Hash functions in a band."""
    false_negative_weight: float = Field(default=0.5, ge=0.0, le=1.0)
    """How much worse it is to miss a neighbour than to compare one in vain, when the threshold chooses the bands."""
    similarity: Measure = "jaccard"
    """What candidates are ranked by, exactly: ``jaccard`` |A∩B| / |A∪B| or ``cosine`` |A∩B| / √(|A||B|) of the sets."""
    max_bucket: PositiveInt = 64
    """Sets read of one bucket; a crowded one is sampled."""
    max_candidates: PositiveInt = 2000
    """Candidates compared exactly, those met in the most bands first."""
    values: Literal["binary", "weight"] = "binary"
    """Every interaction votes the same, or by its weight. Similarities are those of the sets."""
    seed: int = 0
    """Of the hash functions."""

    @model_validator(mode="after")
    def _bands_and_rows(self) -> Self:
        if (self.bands is None) != (self.rows is None):
            raise ValueError("bands and rows are set together or not at all")
        return self

    def index(self) -> MinHashLSH:
        """An empty index of these settings."""
        return MinHashLSH(
            threshold=self.threshold,
            n_permutations=self.n_permutations,
            bands=self.bands,
            rows=self.rows,
            false_negative_weight=self.false_negative_weight,
            max_bucket=self.max_bucket,
            max_candidates=self.max_candidates,
            seed=self.seed,
        )


class LSHUserKNN(UserVotes):
    """Scores an item by how alike the people are who took it, like ``user_knn``, finding those people by hashing.

    s_ui = Σ_v sim(u, v)·r_vi over the K most similar users v among those that share a bucket with u, similarities being
    exact (see :class:`~foretaste.models.neighbours.lsh.MinHashLSH`). Fitting and asking take a time that does not
    depend on how many users there are; a user never seen is looked up in the same way.

    The index is made from the histories again when a model was loaded: it depends on them and the seed alone.

    Source: Das et al. 2007, “Google news personalization”, doi:10.1145/1242572.1242610 (MinHash of users).
    Cost: Σ over users of (items taken · permutations) to fit; to ask, two look-ups a band and at most
    ``max_candidates`` comparisons. Keeps 8·U·bands bytes.
    """

    name = "lsh_user_knn"
    config: LSHConfig
    config_class = LSHConfig
    state_fields = ()
    updates_incrementally = True

    def _fit(self, data: Dataset) -> None:
        self._forget("_index")
        self._index  # noqa: B018 - built now, not when the first user asks

    def _update(self, data: Dataset) -> None:
        """Only users whose set of items changed are hashed."""
        known = self.__dict__.get("_matrix"), self.__dict__.get("_index")
        self._forget("_index")
        if known[0] is None or known[1] is None:
            self._fit(data)
            return
        changed = _changed_rows(known[0], self._matrix)
        known[1].insert(self._matrix[changed], changed)
        self.__dict__["_index"] = known[1]

    @cached_property
    def _index(self) -> MinHashLSH:
        return self.config.index().build(self._matrix)

    def _nearest(self, sets: sparse.csr_array, rows: Rows, k: int) -> sparse.csr_array:
        found = self._index.query(sets, k, measure=self.config.similarity, excluded=rows)
        return as_matrix(*found, len(self.users))

    def _scores(self, batch: UserBatch) -> FloatBlock:
        near = self._nearest(self._taken(batch.histories), batch.rows, self.config.n_neighbours)
        return summed(near, self._matrix)

    def _contributions(self, batch: UserBatch, item_rows: Rows) -> npt.NDArray[np.floating] | None:
        """A similarity is split evenly among the shared items, each of which passes on its part of the votes."""
        own = self._taken(batch.histories)
        near = self._nearest(own, batch.rows, self.config.n_neighbours)
        if not near.nnz:
            return None
        return shares_of_items(batch.histories.item_rows, own, near, self._matrix, item_rows)

    def _user_similarity(self, rows: Rows) -> FloatBlock:
        return dense_similarity(self._nearest(self._matrix[rows], rows, self.config.n_neighbours))


class LSHItemKNN(ItemVotes):
    """Scores an item by its similarity to the items of the history, like ``item_knn``, finding the pairs by hashing.

    s_ui = Σ_j r_uj·sim(j, i) over the history's items j that have i among their K most similar items; sim is exact
    (Jaccard or cosine of the sets of users), but only items that share a bucket are compared (see
    :class:`~foretaste.models.neighbours.lsh.MinHashLSH`).

    Updating looks again at items with other users than before, and at those that had or get one of them as neighbour.

    Source: Broder 1997, doi:10.1109/SEQUEN.1997.666900; Sarwar et al. 2001, doi:10.1145/371920.372071.
    Cost: interactions · permutations to fit; keeps 8·I·K bytes, and 8·I·bands while fitted.
    """

    name = "lsh_item_knn"
    config: LSHConfig
    config_class = LSHConfig
    updates_incrementally = True

    def _fit(self, data: Dataset) -> None:
        self._sets = _users_of_items(data)
        self._index = self.config.index().build(self._sets)
        self.neighbours = self._nearest(np.arange(data.n_items, dtype=np.int32))  # (I, I), K entries a row

    def _nearest(self, rows: Rows) -> sparse.csr_array:
        found = self._index.query(
            self._sets[rows], self.config.n_neighbours, measure=self.config.similarity, excluded=rows
        )
        return as_matrix(*found, self._sets.shape[0])

    def _update(self, data: Dataset) -> None:
        old: Any = getattr(self, "_sets", None)
        if old is None:  # loaded: there is no index to add to
            self._fit(data)
            return
        self._sets = _users_of_items(data)
        changed = _changed_rows(old, self._sets)
        self._index.insert(self._sets[changed], changed)
        n_items, before = data.n_items, _grown(self.neighbours, data.n_items)
        is_changed = np.zeros(n_items, bool)
        is_changed[changed] = True
        beside = is_changed.copy()
        beside[np.repeat(np.arange(n_items), np.diff(before.indptr))[is_changed[before.indices]]] = True
        beside[self._nearest(changed).indices] = True
        again = np.flatnonzero(beside).astype(np.int32)
        kept = np.flatnonzero(~beside)
        order = np.argsort(np.concatenate([kept, again]))
        self.neighbours = sparse.csr_array(sparse.vstack([before[kept], self._nearest(again)]))[order]


def _users_of_items(data: Dataset) -> sparse.csr_array:
    return sparse.csr_array(data.matrix("binary").T.tocsr())


def _grown(matrix: sparse.csr_array, n: int) -> sparse.csr_array:
    """The same entries in a matrix (n, n) that is as large or larger."""
    indptr = np.append(matrix.indptr, np.full(n - matrix.shape[0], matrix.indptr[-1]))
    return sparse.csr_array((matrix.data, matrix.indices, indptr), shape=(n, n))


def _changed_rows(old: sparse.csr_array, new: sparse.csr_array) -> Rows:
    """Rows of ``new`` that have other elements than in ``old``, or are not in it."""
    n = old.shape[0]
    grown = np.diff(new.indptr)
    changed = np.ones(new.shape[0], bool)
    changed[:n] = np.diff(old.indptr) != grown[:n]
    same = np.flatnonzero(~changed)
    before, after = old[same], new[same]  # of equal lengths, so their elements are aligned
    differs = np.repeat(np.arange(len(same)), grown[same])[before.indices != after.indices]
    changed[same[differs]] = True
    return np.flatnonzero(changed).astype(np.int32)
