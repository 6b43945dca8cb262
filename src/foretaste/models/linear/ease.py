"""EASE: a linear item-item model with a closed-form solution."""

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveFloat

from foretaste.data import Dataset
from foretaste.errors import ModelTrainingError
from foretaste.models.linear.inverse import invert
from foretaste.models.linear.item_weights import ItemWeights, ItemWeightsConfig, dense_gram, item_scale, scaled
from foretaste.models.memory import check_fits

_COPIES = 1.35
"""Dense item-item matrices in memory at the worst moment of fitting: one, the panels of the inverse, and a mask."""


class EASEConfig(ItemWeightsConfig):
    """Settings of :class:`EASE`."""

    regularization: PositiveFloat = 500.0
    """Ridge term λ on the diagonal of XᵀX; larger means smoother weights."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """p: as if each entry of the input were missing with this chance, which adds p/(1-p) of the diagonal of XᵀX to λ,
    so that popular items shrink more; 0 is the plain model."""
    item_exponent: float = Field(default=0.0, ge=0.0, le=1.0)
    """β: items are divided by degree^β before solving and multiplied after, so popular ones shrink like others; 0 is
    the plain model."""
    user_exponent: float = Field(default=0.0, ge=0.0, le=1.0)
    """Users weigh degree^-this in the Gram matrix, so that people who took everything say less; 0 is the plain
    model."""


class EASE(ItemWeights):
    """Linear item-item model with a closed-form solution: no epochs, no seed.

    Minimises ||X - XB||² + λ||B||² with diag(B) = 0, X being users × items: with P = (XᵀX + λI)⁻¹, B_ij = -P_ij / P_jj.

    Source: Steck 2019, arXiv:1905.03375; dropout as in Steck 2020 ("Autoencoders that don't overfit towards the
    identity", NeurIPS). Differs: float32 (float64 where that fails), and optional scaling by degrees.
    Cost: I³ multiply-adds, as a blocked sweep on all threads; keeps 4·I² bytes (40 981 items: 6.7 GB), 1.35 times that
    while fitting, three times in float64.
    """

    name = "ease"
    config: EASEConfig
    config_class = EASEConfig

    def _fit(self, data: Dataset) -> None:
        _check_room(_COPIES, data.n_items)
        config = self.config
        matrix = data.matrix(config.values)
        scale = item_scale(matrix, config.item_exponent)  # (I,)
        gram = dense_gram(scaled(matrix, scale, config.user_exponent))  # (I, I)
        P = _inverse(gram, gram.diagonal().astype(np.float64) / (1 - config.dropout) + config.regularization)
        P /= -P.diagonal()  # column j divided by -P[j, j]
        np.fill_diagonal(P, 0.0)  # an item may not predict itself
        if config.item_exponent:
            P *= scale[:, None]
            P /= scale
        self.weights = P


def _inverse(gram: npt.NDArray[np.float32], diagonal: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The inverse of a symmetric positive definite matrix with another diagonal (I,); the matrix is overwritten.

    Raises:
        ModelTrainingError: it is singular to working precision.
    """
    np.fill_diagonal(gram, diagonal)
    if invert(gram):
        return gram
    # float32 was not enough; the untouched upper triangle still holds the matrix
    _check_room(2, len(gram))
    double = gram.T.astype(np.float64)  # its lower triangle is the only one read
    np.fill_diagonal(double, diagonal)
    if not invert(double):
        raise ModelTrainingError("EASE: the item-item matrix is singular", hint="raise regularization")
    return double.astype(np.float32)


def _check_room(copies: float, n_items: int) -> None:
    """Refuse what memory cannot hold: so many float32 matrices of items × items."""
    check_fits(
        int(copies * 4 * n_items**2),
        f"EASE on {n_items} items",
        hint="raise min_item_interactions, or use sparse_ease, rp3beta, item_knn or ials",
    )
