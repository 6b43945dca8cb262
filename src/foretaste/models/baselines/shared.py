"""One ranking for everybody: sorted once, and for each list only gone through until it is full."""

from abc import abstractmethod
from functools import cached_property

import numpy as np
import numpy.typing as npt

from foretaste.data import Histories
from foretaste.models.base import FloatBlock, Recommender, UserBatch
from foretaste.models.ranking import Floats, Ranked


class SharedList:
    """Items by the same scores (I,) for all users; -inf and NaN never qualify.

    A list costs about as many steps as it has items and left out ones before them, each compared with the history.
    """

    def __init__(self, scores: Floats) -> None:
        self.scores = np.ascontiguousarray(scores, dtype=np.float32)
        order = np.argsort(-self.scores, kind="stable")  # ties go to the smaller row
        self._order = order[self.scores[order] > -np.inf].astype(np.int32)

    def rank(self, n_users: int, k: int, seen: Histories | None, allowed: npt.NDArray[np.bool_] | None) -> Ranked:
        """The lists as :func:`foretaste.models.ranking.rank_blocks` gives them for such scores."""
        from foretaste.models.kernels.topk import first_of_order

        rows = np.full((n_users, k), -1, dtype=np.int32)
        scores = np.full((n_users, k), np.nan, dtype=np.float32)
        left_out = seen if seen is not None else Histories.empty(n_users, len(self.scores))
        mask = np.zeros((0, 0), dtype=bool) if allowed is None else np.ascontiguousarray(np.atleast_2d(allowed))
        first_of_order(self._order, self.scores, left_out.indptr, left_out.item_rows, mask, rows, scores)
        return rows, scores


class SameForAll(Recommender):
    """Base of models that give everybody the same list, less what each user had."""

    scores_new_users = True
    scores_without_history = True

    @abstractmethod
    def _for_all(self) -> Floats:
        """Scores (I,), -inf where there is no evidence for an item."""

    @cached_property
    def _shared(self) -> SharedList:
        return SharedList(self._for_all())

    def _forget(self) -> None:
        """Let go of the list that was made of earlier scores."""
        self.__dict__.pop("_shared", None)

    def _rank(self, batch: UserBatch, k: int, seen: Histories | None, allowed: npt.NDArray[np.bool_] | None) -> Ranked:
        return self._shared.rank(len(batch), k, seen, allowed)

    def _scores(self, batch: UserBatch) -> FloatBlock:
        return np.tile(self._shared.scores, (len(batch), 1))
