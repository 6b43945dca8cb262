"""EASE for large catalogues: each item is predicted from the few items most like it."""

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveFloat, PositiveInt

from foretaste.data import Dataset
from foretaste.errors import ModelTrainingError
from foretaste.models.linear.item_weights import ItemWeights, ItemWeightsConfig, item_scale, scaled
from foretaste.models.linear.local import Floats, Longs, local_weights, nearest_items, norms

_TOLERANCE = 1e-3
"""The largest error of a small system, relative to its right side, that is taken for rounding."""


class SparseEASEConfig(ItemWeightsConfig):
    """Settings of :class:`SparseEASE`."""

    n_neighbours: PositiveInt = 300
    """K, the items that an item may be predicted from."""
    regularization: PositiveFloat = 500.0
    """Ridge term λ on the diagonal of XᵀX; larger means smoother weights."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """p: as if each entry of the input were missing with this chance, which adds p/(1-p) of the diagonal of XᵀX to λ,
    so that popular items shrink more; 0 is the plain model."""
    item_exponent: float = Field(default=0.0, ge=0.0, le=1.0)
    """β: items are divided by degree^β before solving and multiplied after, so popular ones shrink like others; 0 is
    the plain model."""
    user_exponent: float = Field(default=0.0, ge=0.0, le=1.0)
    """Users weigh degree^-this, in the regressions and in the search for neighbours; 0 is the plain model."""
    history_share: float = Field(default=0.5, ge=0.0, le=1.0)
    """a in the denominator ‖j‖^2a·‖i‖^2(1-a) of the similarity by which item i's neighbours j are chosen: 0.5 is the
    cosine, less prefers popular neighbours."""


class SparseEASE(ItemWeights):
    """EASE whose weights for item i are zero but for its K nearest items N(i): one ridge regression for each item.

    Minimises ||x_i - X_N w||² + λ||w||², so w = (X_NᵀX_N + λI)⁻¹ X_Nᵀx_i; with K = I - 1 this is EASE exactly. The
    products of the neighbours are made anew for each item from their users, so no matrix of all items is ever held.

    Source: Steck 2019, arXiv:1905.03375, restricted to neighbours like the column-wise regressions of Ning and Karypis
    2011, doi:10.1109/ICDM.2011.134.
    Cost: I·(2K³/3) operations beside what each item's neighbours have in common; keeps 8·I·K bytes, about three times
    that while fitting.
    """

    name = "sparse_ease"
    config: SparseEASEConfig
    config_class = SparseEASEConfig

    def _fit(self, data: Dataset) -> None:
        config = self.config
        users = data.matrix(config.values)
        scale = item_scale(users, config.item_exponent)  # (I,)
        matrix = scaled(users, scale, config.user_exponent)
        length = norms(matrix)
        own, others = length ** (2 - 2 * config.history_share), length ** (2 * config.history_share)
        members, _, counts = nearest_items(matrix, config.n_neighbours, own=own, others=others)
        weights = local_weights(matrix, members, counts, self._ridge, report=self._report)
        if config.item_exponent:
            weights.data *= np.repeat(scale, np.diff(weights.indptr)) / scale[weights.indices]
        self.weights = weights

    def _ridge(self, grams: Floats, products: Floats, counts: Longs) -> Floats:
        """Weights (N, K) of N ridge regressions; places beyond the count get zero."""
        places = np.arange(grams.shape[1])
        solved = self._solve(grams, products)
        if solved is None:  # float32 was not enough
            solved = self._solve(grams.astype(np.float64), products.astype(np.float64))
        if solved is None:
            raise ModelTrainingError("sparse_ease: an item's neighbours are alike", hint="raise regularization")
        return np.asarray(np.where(places < counts[:, None], solved, 0), np.float32)

    def _solve(self, grams: npt.NDArray[Any], products: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
        """Solutions (N, K) of the systems with the ridge added; None where one does not solve its system."""
        p, places = self.config.dropout, np.arange(grams.shape[1])
        systems = grams.copy()
        systems[:, places, places] = grams[:, places, places] / (1 - p) + self.config.regularization
        try:
            solved = np.linalg.solve(systems, products[:, :, None])
        except np.linalg.LinAlgError:
            return None
        errors = np.linalg.norm((systems @ solved)[:, :, 0] - products, axis=1)
        return solved[:, :, 0] if (errors <= _TOLERANCE * np.linalg.norm(products, axis=1)).all() else None
