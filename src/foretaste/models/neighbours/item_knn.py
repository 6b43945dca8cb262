"""Item-based neighbourhoods: what was taken by the same people."""

from typing import Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator
from scipy import sparse

from foretaste.data import Dataset
from foretaste.models.base import ModelConfig, Rows
from foretaste.models.growing import with_rows
from foretaste.models.nearest import as_matrix
from foretaste.models.neighbours.similarity import CENTRED, Similarity, Weighted, nearest, refreshed, weighted
from foretaste.models.neighbours.votes import ItemVotes


class ItemKNNConfig(ModelConfig):
    """Settings of :class:`ItemKNN`."""

    n_neighbours: PositiveInt = 100
    """Neighbours kept of each item."""
    similarity: Similarity = "cosine"
    """``cosine``, ``jaccard``, or the cosine after ``tfidf`` or ``bm25`` weighting; of ratings also ``pearson`` (less
    the item's mean) and ``adjusted_cosine`` (less the mean of the user who took it), which need ``values="weight"``."""
    shrinkage: NonNegativeFloat = 1.0
    """Added to the denominator, so that similarities that rest on few users count less."""
    user_exponent: float = Field(default=1.0, ge=0.0, le=2.0)
    """A user's vote for a pair of items is divided by (items taken)^this: who took everything says little. 0 turns it
    off; Jaccard has no such weights."""
    history_share: float = Field(default=0.6, ge=0.0, le=1.0)
    """a in the denominator ‖j‖^2a·‖i‖^2(1-a), j being the history's item and i the scored one: 0.5 is the cosine, less
    holds back popular scored items. Jaccard has no such exponent."""
    values: Literal["binary", "weight"] = "binary"
    """Every interaction counts the same, or by its weight."""

    @model_validator(mode="after")
    def _heights_to_centre(self) -> Self:
        if self.similarity in CENTRED and self.values == "binary":
            raise ValueError(f'similarity {self.similarity!r} compares heights: set values="weight"')
        return self


class ItemKNN(ItemVotes):
    """Scores an item by the similarities that the items of the history have to it.

    s_ui = Σ_j r_uj·s_ji over the history's items j that have i among their K nearest, with the cosine
    s_ji = Σ_u r_uj r_ui n_u^-e / (‖j‖‖i‖ + shrinkage) and norms weighted alike.

    Source: Sarwar et al. 2001, doi:10.1145/371920.372071; shrinkage as in Bell and Koren 2007.
    Cost: Σ over users of (items taken)² products on all threads; keeps 8·I·K bytes, never all pairs.
    """

    name = "item_knn"
    config: ItemKNNConfig
    config_class = ItemKNNConfig
    updates_in_part = True
    _taken: sparse.csr_array | None = None
    """What the users took (U, I), kept by a model that was updated in part."""

    def _fit(self, data: Dataset) -> None:
        self._taken = None
        compared = self._compared(data.matrix(self.config.values))
        found = nearest(compared, self.config.n_neighbours, shrinkage=self.config.shrinkage)
        self.neighbours = as_matrix(*found, data.n_items)  # (I, I), K entries a row

    def _compared(self, users: sparse.csr_array) -> Weighted:
        return weighted(
            sparse.csr_array(users.T.tocsr()),  # (I, U)
            users,
            self.config.similarity,
            feature_exponent=self.config.user_exponent,
            own_share=self.config.history_share,
        )

    def _learn_part(self, users: Rows, items: Rows) -> None:
        """Compare the items of the new events with all others anew; see :func:`refreshed`.

        All new co-occurrences are in it. Exact for ``user_exponent=0`` with the plain cosine or Jaccard and lists that
        were not full; else pairs of untouched items keep the weight that their users had before they took more.
        """
        known = self.population
        shape = (len(known.users), len(known.items))
        fresh = known.histories.take(users).matrix(self.config.values, duplicates=known.duplicates)
        if self._taken is None:
            self._taken = known.histories.matrix(self.config.values, duplicates=known.duplicates)
        else:
            self._taken = with_rows(self._taken, users, fresh, shape)
        compared = self._compared(self._taken)
        k, shrinkage = self.config.n_neighbours, self.config.shrinkage
        self.neighbours = refreshed(self.neighbours, compared, items, k, shrinkage=shrinkage)
