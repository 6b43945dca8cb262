"""PureSVD: a history projected on the main singular vectors."""

from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveInt
from scipy import sparse

from foretaste.data import Dataset, Histories
from foretaste.models.base import FloatBlock, ModelConfig, Recommender, Rows, UserBatch
from foretaste.models.flat_index import FlatIndex
from foretaste.models.reasons import to_history
from foretaste.models.spectral import randomized_svd

Floats = npt.NDArray[np.float32]


class PureSVDConfig(ModelConfig):
    """Settings of :class:`PureSVD`."""

    n_factors: PositiveInt = 64
    """Singular vectors; fewer where the matrix has a lower rank."""
    user_exponent: float = Field(default=0.0, ge=0.0, le=1.0)
    """Users are divided by degree^this before the decomposition, so that people who took everything say less."""
    item_exponent: float = Field(default=0.0, ge=0.0, le=1.0)
    """Items are divided by degree^this before the decomposition, so that popular ones do not fill the first vectors."""
    score_exponent: float | None = Field(default=None, ge=-1.0, le=1.0)
    """Scores are multiplied by degree^this; by default with ``item_exponent``, which undoes the division."""
    values: Literal["binary", "weight"] = "binary"
    """Every interaction counts the same, or by its weight."""
    svd_iterations: PositiveInt = 4
    """Power iterations of the randomised decomposition; more are nearer to the exact one."""
    seed: int = 0
    """Seed of the randomised decomposition."""


class PureSVD(Recommender):
    """Scores an item by the history's projection on the k main right singular vectors.

    s = (r ∘ d^-e) V Vᵀ ∘ d^f with V of D_U^-c R D_I^-e: c, e, f the exponents, d the items' degrees (entries counted
    by their weights). All 0 is the plain model.

    Source: Cremonesi, Koren, Turrin 2010, doi:10.1145/1864708.1864721; scaled items as in Nikolakopoulos et al. 2019
    (EigenRec), arXiv:1511.06033. Differs: the decomposition is randomised, and users are folded in always, so that a
    list depends on the history alone.
    Cost: 2·iterations + 2 sparse products with k columns; keeps 4·I·k bytes.
    """

    name = "pure_svd"
    config: PureSVDConfig
    config_class = PureSVDConfig
    state_fields = ("item_factors", "read_scale", "score_scale", "degrees")
    scores_new_users = True
    explains_exactly = True
    finds_similar_items = True

    def _fit(self, data: Dataset) -> None:
        config = self.config
        matrix = data.matrix(config.values)
        self.degrees = np.asarray(matrix.sum(axis=0), np.float32)  # (I,)
        known = np.where(self.degrees > 0, self.degrees, 1.0)
        score_exponent = config.item_exponent if config.score_exponent is None else config.score_exponent
        self.read_scale = (known**-config.item_exponent).astype(np.float32)
        self.score_scale = (known**score_exponent).astype(np.float32)
        of_users = np.asarray(matrix.sum(axis=1), np.float64)
        user_scale = np.where(of_users > 0, of_users, 1.0) ** -config.user_exponent
        scaled = matrix.data * np.repeat(user_scale, np.diff(matrix.indptr)) * self.read_scale[matrix.indices]
        found = randomized_svd(
            sparse.csr_array((scaled.astype(np.float32), matrix.indices, matrix.indptr), shape=matrix.shape),
            config.n_factors,
            iterations=config.svd_iterations,
            seed=config.seed,
        )
        self.item_factors: Floats = np.ascontiguousarray(found.right)  # (I, k)
        self.__dict__.pop("_index", None)

    def _history(self, batch: UserBatch) -> sparse.csr_array:
        return batch.histories.matrix(self.config.values, duplicates=self.population.duplicates)

    def _projected(self, own: sparse.csr_array) -> Floats:
        """Histories (B, I) in the space of the singular vectors (B, k)."""
        read = sparse.csr_array((own.data * self.read_scale[own.indices], own.indices, own.indptr), shape=own.shape)
        return np.asarray(read @ self.item_factors, np.float32)

    def _scores(self, batch: UserBatch) -> FloatBlock:
        own = self._history(batch)
        scores: FloatBlock = self._projected(own) @ self.item_factors.T
        scores *= self.score_scale
        scores[np.diff(own.indptr) == 0] = -np.inf  # no history, no evidence
        scores[:, self.degrees <= 0] = -np.inf
        return scores

    def _rank(
        self, batch: UserBatch, k: int, seen: Histories | None, allowed: npt.NDArray[np.bool_] | None
    ) -> tuple[Rows, Floats]:
        own = self._history(batch)
        projected = self._projected(own)
        projected[np.diff(own.indptr) == 0] = np.nan  # an empty list
        return self._index.search(projected, k, seen=seen, allowed=allowed)

    @cached_property
    def _index(self) -> FlatIndex:
        return FlatIndex(self.item_factors * self.score_scale[:, None], offered=self.degrees > 0)

    def _item_similarity(self, rows: Rows) -> FloatBlock:
        """Cosine of the item vectors."""
        lengths = np.linalg.norm(self.item_factors, axis=1, keepdims=True)
        unit = self.item_factors / np.where(lengths > 0, lengths, 1.0)
        scores: FloatBlock = (unit[rows] @ unit.T).astype(np.float32)
        scores[:, self.degrees <= 0] = -np.inf
        return scores

    def _contributions(self, batch: UserBatch, item_rows: Rows) -> npt.NDArray[np.floating] | None:
        """Each history item's inner product with each listed item, scaled: the model is linear."""
        own = self._history(batch)
        products = self.item_factors[own.indices] @ self.item_factors[item_rows].T
        shares = (own.data * self.read_scale[own.indices])[:, None] * products * self.score_scale[item_rows]
        return to_history(batch.histories.item_rows, own.indices, shares)
