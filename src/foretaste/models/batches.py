"""From what a caller names (ids, queries, rows) to the batch that a model scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
        return UserBatch(
            self.rows[start:stop],
            self.histories.block(start, stop),
            self.folded[start:stop],
            self.contexts and self.contexts[start:stop],
            self.attributes and self.attributes[start:stop],
        )


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
        return _query_batch(population, queries), [query.user_id for query in queries]
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
    known = population.histories.take(rows)
    folded = np.array([query.history is not None for query in queries], dtype=bool)
    contexts = [query.context for query in queries] if any(query.context for query in queries) else None
    attributes = [query.attributes for query in queries] if any(query.attributes for query in queries) else None
    if not folded.any():
        return UserBatch(rows, known, folded, contexts, attributes)
    item_rows: list[Rows] = []
    weights: list[npt.NDArray[np.floating]] = []
    times: list[npt.NDArray[np.floating]] = []
    importance: list[Sequence[float] | None] = []
    for b, query in enumerate(queries):
        part = known.slice(b)
        if query.history is None:
            item_rows.append(known.item_rows[part])
            weights.append(known.weights[part])
            times.append(known.timestamps[part])
            importance.append(None)
        else:
            item_rows.append(population.items.rows(list(query.history)))
            weights.append(_floats(query.history_weights, len(query.history), 1.0))
            times.append(_floats(query.history_timestamps, len(query.history), np.nan))
            importance.append(query.history_importance)
    histories = Histories.from_lists(
        item_rows,
        len(population.items),
        weights=weights,
        timestamps=times,
        importance=importance if any(shares is not None for shares in importance) else None,
    )
    return UserBatch(rows, histories, folded, contexts, attributes)


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


def _floats(values: Sequence[float] | None, n: int, default: float) -> npt.NDArray[np.floating]:
    return np.full(n, default) if values is None else np.asarray(values, dtype=np.float64)
