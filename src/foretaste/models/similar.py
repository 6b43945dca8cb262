"""What resembles an item or a user: the part of every model that compares items, or users, with each other."""

from collections.abc import Callable, Sequence
from typing import ClassVar, final

import numpy as np
import numpy.typing as npt

from foretaste.data import Histories, RecLists, Vocabulary
from foretaste.errors import UnsupportedError
from foretaste.models.batches import Rows, check_length, check_mask, rows_asked_for
from foretaste.models.fitted import Fitted
from foretaste.models.ranking import rank_blocks

FloatBlock = npt.NDArray[np.float32]


class FindsSimilar(Fitted):
    """A fitted model that may know similarities; one that does sets the flag and writes the method."""

    finds_similar_items: ClassVar[bool] = False
    """``similar_items`` works."""
    finds_similar_users: ClassVar[bool] = False
    """``similar_users`` works."""

    @final
    def similar_items(
        self,
        item_ids: Sequence[str] | None = None,
        k: int = 10,
        *,
        allowed: npt.NDArray[np.bool_] | None = None,
    ) -> RecLists:
        """The ``k`` items most similar to each of ``item_ids`` (all by default), the item itself left out.

        ``user_ids`` of the result hold the item asked for; ``allowed`` is (I,) or (n, I).

        Raises:
            UnsupportedError: the model knows no item similarity.
            UnknownItemError: an id that was not in training.
            ConfigurationError: k below 1, a mask of the wrong shape, or one id where a list of ids belongs.
        """
        if not self.finds_similar_items:
            raise UnsupportedError(f"model {self.name!r} knows no item similarity", hint="use item_knn, ease or ials")
        ids, rows = rows_asked_for("item", self.items, item_ids)
        return self._alike(self._item_similarity, self.items, ids, rows, k, allowed)

    @final
    def similar_users(self, user_ids: Sequence[str] | None = None, k: int = 10) -> RecLists:
        """The ``k`` users most similar to each of ``user_ids`` (all by default), the user left out.

        ``item_rows`` and ``items`` of the result are rows and ids of users; its ``user_ids`` hold the user asked for.

        Raises:
            UnsupportedError: the model knows no user similarity.
            UnknownUserError: an id that was not in training.
            ConfigurationError: k below 1, or one id where a list of ids belongs.
        """
        if not self.finds_similar_users:
            raise UnsupportedError(f"model {self.name!r} knows no user similarity", hint="use user_knn or ials")
        ids, rows = rows_asked_for("user", self.users, user_ids)
        return self._alike(self._user_similarity, self.users, ids, rows, k, None)

    def _alike(
        self,
        similarity: Callable[[Rows], FloatBlock],
        all_of_them: Vocabulary,
        ids: list[str],
        rows: Rows,
        k: int,
        allowed: npt.NDArray[np.bool_] | None,
    ) -> RecLists:
        """The ``k`` best of ``similarity(rows)`` (n, all), each row itself left out."""
        check_length(k)
        n = len(all_of_them)
        check_mask(allowed, len(rows), n)
        found, scores = rank_blocks(
            lambda start, stop: similarity(rows[start:stop]),
            n_users=len(rows),
            n_items=n,
            k=min(k, n),
            seen=Histories.from_lists([[row] for row in rows], n),
            allowed=allowed,
        )
        return RecLists(found, scores, all_of_them, ids)

    def _item_similarity(self, rows: Rows) -> FloatBlock:
        """Similarity (n, I) of items ``rows`` to all items, -inf where none."""
        raise UnsupportedError(f"model {self.name!r} knows no item similarity")

    def _user_similarity(self, rows: Rows) -> FloatBlock:
        """Similarity (n, U) of users ``rows`` to all users, -inf where none."""
        raise UnsupportedError(f"model {self.name!r} knows no user similarity")
