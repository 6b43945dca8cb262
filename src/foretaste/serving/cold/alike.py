"""Users who resemble one user: by a model that knows user vectors, else by the items they share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from foretaste.data import Population
from foretaste.events import is_session_user
from foretaste.logs import get_logger
from foretaste.serving.live.bundle import Bundle

SHARED_ITEMS = "shared_items"
log = get_logger(__name__)


@dataclass(frozen=True)
class Alike:
    """Users like one user, most alike first."""

    user_ids: tuple[str, ...]
    scores: tuple[float, ...]
    source: str
    """The model that said so, or ``shared_items``."""
    model_version: str | None = None
    """The version that serves the user; None before the first training."""


class SimilarUsers:
    """Finds similar users; keeps what it derives from the population of the models of the moment."""

    def __init__(self) -> None:
        self._made: tuple[Population, sparse.csr_array, sparse.csr_array] | None = None

    def find(self, bundle: Bundle, user_id: str, history: Sequence[str], k: int) -> Alike:
        """The ``k`` users most like one, who may have come after the training: then ``history`` says what they took.

        Anonymous sessions are never among them. A model that fails is passed over.
        """
        for name, model in bundle.models.items():
            if not model.finds_similar_users or user_id not in model.users:
                continue
            try:
                found = model.similar_users([user_id], min(4 * k, max(1, len(model.users))))[0]
            except Exception as exc:  # noqa: BLE001 - shared items can still be counted; it is logged
                log.warning("source_failed", source=name, version=bundle.version, error=str(exc))
                continue
            pairs = [(i, s) for i, s in zip(found.item_ids, found.scores, strict=True) if not is_session_user(i)]
            if pairs:
                return _alike(bundle, pairs[:k], name)
        return _alike(bundle, self._by_items(bundle, user_id, history, k), SHARED_ITEMS)

    def _by_items(self, bundle: Bundle, user_id: str, history: Sequence[str], k: int) -> list[tuple[str, float]]:
        """By the cosine of what both took, an item that many took counting less (TF-IDF)."""
        population = bundle.population
        if not len(population.users):
            return []
        taken, takers = self._matrices(population)
        rows = np.unique(population.items.rows(list(dict.fromkeys(history))))
        rows = rows[rows >= 0]
        own = population.users.row(user_id)
        if own >= 0:
            rows = np.union1d(rows, taken.indices[taken.indptr[own] : taken.indptr[own + 1]])
        if not len(rows):
            return []
        n_takers = np.diff(takers.indptr)[rows]
        weights = np.log1p(len(population.users) / np.maximum(n_takers, 1)) ** 2
        shared = np.zeros(len(population.users))
        for row, weight in zip(rows.tolist(), weights.tolist(), strict=True):
            shared[takers.indices[takers.indptr[row] : takers.indptr[row + 1]]] += weight
        lengths = np.sqrt(np.maximum(np.diff(taken.indptr), 1))
        scores = shared / (lengths * np.sqrt(weights.sum()))
        if own >= 0:
            scores[own] = 0.0
        return _best(population, scores, k)

    def _matrices(self, population: Population) -> tuple[sparse.csr_array, sparse.csr_array]:
        """Users × items and items × users of the population."""
        made = self._made  # one reference, as other threads may replace it meanwhile
        if made is None or made[0] is not population:
            taken = population.histories.matrix("binary")
            made = self._made = (population, taken, sparse.csr_array(taken.T.tocsr()))
        return made[1:]


def _best(population: Population, scores: npt.NDArray[np.float64], k: int) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for row in np.argsort(-scores, kind="stable").tolist():
        if scores[row] <= 0 or len(found) == k:
            break
        other = population.users.id(row)
        if not is_session_user(other):
            found.append((other, float(scores[row])))
    return found


def _alike(bundle: Bundle, pairs: Sequence[tuple[str, float]], source: str) -> Alike:
    return Alike(tuple(user for user, _ in pairs), tuple(score for _, score in pairs), source, bundle.label)
