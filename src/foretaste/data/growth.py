"""A population that grows: new events go to the end of their users' histories, known rows stay where they are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from foretaste.data.dataset import Population
from foretaste.data.histories import Histories

Rows = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Growth:
    """A population with new events in it, and the rows that they are about (sorted, each once)."""

    population: Population
    users: Rows
    items: Rows


def grown(
    population: Population,
    user_ids: Sequence[str],
    item_ids: Sequence[str],
    weights: Sequence[float],
    timestamps: Sequence[float],
) -> Growth:
    """``population`` with more events (N of each, in the order in which they happened).

    Unknown users and items get the next rows. ``timestamps`` are seconds since 1970 UTC, NaN where unknown.
    Cost: one copy of all histories.
    """
    users, items = population.users.extended(user_ids), population.items.extended(item_ids)
    user_rows, item_rows = users.rows(list(user_ids)), items.rows(list(item_ids))
    old = population.histories
    n_new = len(users) - len(old)
    indptr = np.concatenate([old.indptr, np.full(n_new, old.indptr[-1])])
    order = np.argsort(user_rows, kind="stable")
    places = indptr[user_rows[order] + 1]
    added = np.cumsum(np.bincount(user_rows, minlength=len(users)))
    histories = Histories(
        np.concatenate([indptr[:1], indptr[1:] + added]),
        np.insert(old.item_rows, places, item_rows[order]),
        np.insert(old.weights, places, np.asarray(weights, np.float32)[order]),
        np.insert(old.timestamps, places, np.asarray(timestamps, np.float64)[order]),
        len(items),
    )
    return Growth(
        replace(population, users=users, items=items, histories=histories), np.unique(user_rows), np.unique(item_rows)
    )
