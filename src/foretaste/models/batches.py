"""From what a caller names (ids, queries, rows) to the batch that a model scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from foretaste.data import Histories, Population, Query, Vocabulary
from foretaste.errors import ConfigurationError, UnknownItemError, UnknownUserError

Rows = npt.NDArray[np.int32]
Users = Sequence[str] | Sequence[Query] | Rows | None


@dataclass(frozen=True)
class UserBatch:
    """The users to score: known rows, current histories, and whether the history is newer than training.

    A model uses ``rows`` when it has learnt something of the user and ``folded`` is False; else it scores from
    ``histories``.
    """

    rows: Rows  # (B,) row in the fitted population, -1 for an unseen user
    histories: Histories  # (B) complete histories, as known now
    folded: npt.NDArray[np.bool_]  # (B,) the history came with the query, so it must be folded in
    contexts: Sequence[Mapping[str, object]] | None = None  # (B) what the queries say of the moment
    attributes: Sequence[Mapping[str, object]] | None = None  # (B) what the queries say of the users
    kept: dict[str, tuple[Any, Any]] = field(default_factory=dict, repr=False, compare=False)
    """What was derived from the batch, by name: with what else it was made from, and the result."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def learnt(self) -> npt.NDArray[np.bool_]:
        """(B,) whether what was learnt of the user in training holds: no stranger, and no newer history."""
        return (self.rows >= 0) & ~self.folded

    def fresh(self) -> tuple[npt.NDArray[np.intp], Histories]:
        """Places of all others in the batch, and their histories, which are to be folded in."""
        places = np.flatnonzero(~self.learnt)
        return places, self.histories if len(places) == len(self) else self.histories.take(places)

    def block(self, start: int, stop: int) -> "UserBatch":
        """Users ``start:stop`` of the batch."""
        if start == 0 and stop == len(self):
            return self
        return UserBatch(
            self.rows[start:stop],
            self.histories.block(start, stop),
            self.folded[start:stop],
            self.contexts and self.contexts[start:stop],
            self.attributes and self.attributes[start:stop],
        )


class QueryBatch(tuple[Query, ...]):
    """Queries that several models are asked: the batch of users that they stand for is made once."""

    _made: tuple[Population, UserBatch] | None = None

    def users(self, population: Population) -> UserBatch:
        """The batch for models of this population."""
        made = self._made
        if made is None or made[0] is not population:
            made = self._made = (population, _query_batch(population, self))
        return made[1]


def known_batch(population: Population, rows: Rows) -> UserBatch:
    """Users of the population with the histories they were trained on; -1 gives an unseen user."""
    return UserBatch(rows, population.histories.take(rows), np.zeros(len(rows), dtype=bool))


def as_queries(users: Users) -> Sequence[Query] | None:
    """``users`` when they are queries, else None."""
    if isinstance(users, str | Query):
        raise ConfigurationError(f"users must be a list, not the single {users!r}", hint="pass [user]")
    if users is None or isinstance(users, np.ndarray) or len(users) == 0:
        return None
    return users if isinstance(users[0], Query) else None  # type: ignore[return-value]


def build_batch(
    population: Population, users: Users, queries: Sequence[Query] | None
) -> tuple[UserBatch, Sequence[str | None]]:
    """The batch of ``users`` (or of ``queries`` when given) and their outside ids.

    Raises:
        UnknownUserError: a row outside the population.
        ConfigurationError: an array of something else than whole numbers.
    """
    if queries is not None:
        made = queries.users(population) if isinstance(queries, QueryBatch) else _query_batch(population, queries)
        return made, [query.user_id for query in queries]
    n_users = len(population.users)
    if users is None:
        everybody = np.arange(n_users, dtype=np.int32)
        batch = UserBatch(everybody, population.histories, np.zeros(n_users, dtype=bool))
        return batch, population.users.ids.to_list()
    if isinstance(users, np.ndarray):
        if users.ndim != 1 or users.dtype.kind not in "iu":
            raise ConfigurationError(
                f"an array of users holds rows, whole numbers of shape (B,), not {users.dtype} of {users.shape}",
                hint="pass ids as a list of text",
            )
        if len(users) and not 0 <= int(users.min()) <= int(users.max()) < n_users:
            raise UnknownUserError(f"a user row is outside 0 … {n_users - 1}")
        rows = users.astype(np.int32)
        return known_batch(population, rows), population.users.ids_of(rows)
    ids = [str(user) for user in users]
    return known_batch(population, population.users.rows(ids)), ids


def _query_batch(population: Population, queries: Sequence[Query]) -> UserBatch:
    rows = population.users.rows([query.user_id or "" for query in queries])
    folded = np.array([query.history is not None for query in queries], dtype=bool)
    contexts = [query.context for query in queries] if any(query.context for query in queries) else None
    attributes = [query.attributes for query in queries] if any(query.attributes for query in queries) else None
    if folded.all():
        return UserBatch(rows, _given(population, queries), folded, contexts, attributes)
    known = population.histories.take(rows)
    if not folded.any():
        return UserBatch(rows, known, folded, contexts, attributes)
    given = _given(population, queries)
    pick = np.where(folded, len(known) + np.arange(len(queries)), np.arange(len(queries)))
    return UserBatch(rows, _both(known, given).take(pick), folded, contexts, attributes)


def _given(population: Population, queries: Sequence[Query]) -> Histories:
    """The histories that came with the queries, empty for those without one; items that are unknown are left out."""
    histories = [query.history or () for query in queries]
    ids = [item_id for history in histories for item_id in history]
    owners = np.repeat(np.arange(len(queries)), [len(history) for history in histories])
    rows = population.items.rows(ids)
    known = rows >= 0
    lengths = np.bincount(owners[known], minlength=len(queries))
    importance = None
    if any(query.history_importance is not None for query in queries):
        importance = _joined(histories, [query.history_importance for query in queries], 1.0)[known].astype(np.float32)
    return Histories(
        np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)]),
        rows[known],
        _joined(histories, [query.history_weights for query in queries], 1.0)[known].astype(np.float32),
        _joined(histories, [query.history_timestamps for query in queries], np.nan)[known],
        len(population.items),
        importance,
    )


def _both(first: Histories, second: Histories) -> Histories:
    """The users of one, then those of the other."""
    importance = None
    if first.importance is not None or second.importance is not None:
        each = (np.ones(len(h.weights), np.float32) if h.importance is None else h.importance for h in (first, second))
        importance = np.concatenate(list(each))
    return Histories(
        np.concatenate([first.indptr, first.indptr[-1] + second.indptr[1:]]),
        np.concatenate([first.item_rows, second.item_rows]),
        np.concatenate([first.weights, second.weights]),
        np.concatenate([first.timestamps, second.timestamps]),
        first.n_items,
        importance,
    )


def _joined(
    histories: Sequence[Sequence[str]], values: Sequence[Sequence[float] | None], otherwise: float
) -> npt.NDArray[np.float64]:
    """One value for each item of all histories, one after the other."""
    parts = [
        np.full(len(history), otherwise) if own is None else np.asarray(own, np.float64)
        for history, own in zip(histories, values, strict=True)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def left_out(
    items: Vocabulary, batch: UserBatch, queries: Sequence[Query] | None, *, exclude_seen: bool
) -> Histories | None:
    """The items that may not be in each user's list: the history and what the queries exclude."""
    histories = batch.histories
    if queries is None:
        return histories if exclude_seen else None
    if all(exclude_seen and query.exclude_seen and not query.exclude for query in queries):
        return histories
    lists: list[Rows] = []
    for b, query in enumerate(queries):
        excluded = items.rows(sorted(query.exclude))
        own = histories.item_rows[histories.slice(b)] if exclude_seen and query.exclude_seen else excluded[:0]
        lists.append(np.concatenate([own, excluded]))
    return Histories.from_lists(lists, histories.n_items)


def rows_asked_for(what: str, known: Vocabulary, ids: Sequence[str] | None) -> tuple[list[str], Rows]:
    """Ids and rows of the users or items (``what``) asked for; all of them when None.

    Raises:
        UnknownUserError, UnknownItemError: an id that is not known.
        ConfigurationError: one id where a list of ids belongs.
    """
    if isinstance(ids, str):
        raise ConfigurationError(f"{what}s must be a list, not the text {ids!r}", hint=f"pass [{ids!r}]")
    asked = known.ids.to_list() if ids is None else list(ids)
    rows = known.rows(asked)
    if (rows < 0).any():
        missing = asked[int(np.flatnonzero(rows < 0)[0])]
        error = UnknownItemError if what == "item" else UnknownUserError
        raise error(f"{what} {missing!r} is not among the model's {len(known)} {what}s")
    return asked, rows


def check_length(k: int) -> None:
    """Refuse a list length below 1.

    Raises:
        ConfigurationError
    """
    if k < 1:
        raise ConfigurationError(f"k = {k} is out of range", hint="ask for at least one")


def check_mask(allowed: npt.NDArray[np.bool_] | None, n_lists: int, n_items: int) -> None:
    """Refuse a mask of allowed items that is neither (I,) nor (lists, I) booleans.

    Raises:
        ConfigurationError
    """
    if allowed is None:
        return
    if allowed.dtype != np.bool_ or allowed.shape not in {(n_items,), (n_lists, n_items)}:
        raise ConfigurationError(
            f"the mask of allowed items is {allowed.dtype} of shape {allowed.shape}",
            hint=f"pass booleans of shape ({n_items},) or ({n_lists}, {n_items})",
        )
