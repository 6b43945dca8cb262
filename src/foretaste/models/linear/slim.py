"""SLIM: sparse item-item weights by the elastic net."""

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from foretaste.data import Dataset
from foretaste.models.linear.item_weights import ItemWeights, ItemWeightsConfig, item_scale, scaled
from foretaste.models.linear.local import Floats, Longs, local_weights, nearest_items, norms


class SLIMConfig(ItemWeightsConfig):
    """Settings of :class:`SLIM`."""

    n_neighbours: PositiveInt = 300
    """K, the most similar items, of which the elastic net chooses."""
    l1: NonNegativeFloat = 1.0
    """What each unit of weight costs; larger means fewer weights."""
    l2: NonNegativeFloat = 100.0
    """Half of it is what each squared unit of weight costs; larger means smoother weights."""
    nonnegative: bool = True
    """No weight below zero, as in the paper."""
    user_exponent: float = Field(default=0.0, ge=0.0, le=1.0)
    """Users weigh degree^-this, in the regressions and in the search for neighbours; 0 is the plain model."""
    epochs: PositiveInt = 100
    """Most passes over an item's weights."""
    tolerance: PositiveFloat = 1e-3
    """An item is done when a pass moved no weight by more than this share of the largest."""


class SLIM(ItemWeights):
    """Each item is predicted from few others, chosen and weighed by the elastic net.

    Minimises ½||x_i - Xw||² + ½l2||w||² + l1||w||₁ with w_i = 0 and w ≥ 0, for each item i, over its K nearest items,
    by coordinate descent on their products.

    Source: Ning and Karypis 2011, doi:10.1109/ICDM.2011.134; covariance updates as in Friedman et al. 2010,
    doi:10.18637/jss.v033.i01. Differs: candidates are the K items of the largest cosine (their fsSLIM).
    Cost: I·K·(weights that move)·(passes) operations beside what each item's neighbours have in common; keeps 8 bytes a
    weight, about 24·I·K while fitting.
    """

    name = "slim"
    config: SLIMConfig
    config_class = SLIMConfig

    def _fit(self, data: Dataset) -> None:
        users = data.matrix(self.config.values)
        matrix = scaled(users, item_scale(users, 0.0), self.config.user_exponent)
        length = norms(matrix)
        members, _, counts = nearest_items(matrix, self.config.n_neighbours, own=length, others=length)
        self.weights = local_weights(matrix, members, counts, self._elastic_nets, report=self._report)

    def _elastic_nets(self, grams: Floats, products: Floats, counts: Longs) -> Floats:
        """Weights (N, K) of N elastic nets."""
        from foretaste.models.kernels.linear import elastic_nets

        config = self.config
        weights = np.zeros(products.shape, np.float32)
        penalties = (np.float32(config.l1), np.float32(config.l2), config.nonnegative)
        elastic_nets(grams, products, counts, *penalties, config.epochs, np.float32(config.tolerance), weights)
        return weights
