"""RP3beta: a random walk of three steps, popular items held back."""

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveInt
from scipy import sparse

from foretaste.data import Dataset
from foretaste.models.linear.item_weights import ItemWeights, ItemWeightsConfig
from foretaste.models.linear.local import nearest_items
from foretaste.models.nearest import as_matrix


class RP3betaConfig(ItemWeightsConfig):
    """Settings of :class:`RP3beta`."""

    n_neighbours: PositiveInt = 200
    """K, the weights kept of each item, those that a walk from it most likely ends in."""
    alpha: float = Field(default=1.0, ge=0.0, le=3.0)
    """Exponent of the steps' chances; 1 is the walk itself."""
    beta: float = Field(default=0.6, ge=0.0, le=2.0)
    """An item's score is divided by its degree to this power; larger lists less popular items."""


class RP3beta(ItemWeights):
    """Where a random walk from the items of the history, over a user, to another item ends.

    B_ji = Σ_u (r_uj/d_j)^α (r_ui/d_u)^α / d_i^β, d being the sums of rows and columns, the K largest of each j kept; a
    step from user to item has a chance in proportion to the entries, and the first one is the history itself.

    Source: Paudel et al. 2017, doi:10.1145/2955101, after Christoffel et al. 2015, doi:10.1145/2792838.2800180.
    Cost: Σ over users of (items taken)² products on all threads; keeps 8·I·K bytes, never all pairs.
    """

    name = "rp3beta"
    config: RP3betaConfig
    config_class = RP3betaConfig

    def _fit(self, data: Dataset) -> None:
        alpha = self.config.alpha
        users = data.matrix(self.config.values)
        of_users, of_items = (np.maximum(_sums(users, axis), np.float32(1e-12)) for axis in (1, 0))
        powers = users.data.astype(np.float64) ** alpha
        step = (powers * np.repeat(of_users**-alpha, np.diff(users.indptr))).astype(np.float32)
        walked = sparse.csr_array((step, users.indices, users.indptr), shape=users.shape)
        back = sparse.csr_array((powers.astype(np.float32), users.indices, users.indptr), shape=users.shape)
        found = nearest_items(
            walked,
            self.config.n_neighbours,
            entries=np.asarray(back.T.tocsr().data),
            own=(of_items**alpha).astype(np.float32),
            others=(of_items**self.config.beta).astype(np.float32),
        )
        self.weights = as_matrix(*found, data.n_items)


def _sums(matrix: sparse.csr_array, axis: int) -> npt.NDArray[np.float64]:
    return np.asarray(matrix.sum(axis=axis, dtype=np.float64)).ravel()
