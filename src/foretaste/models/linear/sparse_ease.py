"""EASE for large catalogues: each item is predicted from the few items most like it."""

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

from foretaste.data import Dataset
from foretaste.models.linear.item_weights import ItemWeights, ItemWeightsConfig, item_scale, scaled
from foretaste.models.linear.local import Floats, Longs, local_weights, nearest_items, norms

_STEPS = 1000
"""Most steps of conjugate gradients; ten or so are usual."""
_TOLERANCE = 1e-4
"""Error at which they end, relative to the right side."""


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
    Cost: I·K² operations for each step of conjugate gradients (about ten), beside what each item's neighbours have in
    common; keeps 8·I·K bytes, about three times that while fitting.
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
        """Weights (N, K) of N ridge regressions."""
        from foretaste.models.kernels.linear import ridges

        weights = np.zeros(products.shape, np.float32)
        share, ridge = np.float32(1 / (1 - self.config.dropout)), np.float32(self.config.regularization)
        ridges(grams, products, counts, share, ridge, _STEPS, np.float32(_TOLERANCE), weights)
        return weights
