"""What items have to do with each other: taken by the same people, or one after the other."""

import numpy as np
import polars as pl
from scipy import sparse

from foretaste.data import Dataset
from foretaste.errors import ConfigurationError
from foretaste.features.context import SESSION_GAP_S, session_table


def co_occurrence(data: Dataset, *, k: int = 50, block: int = 4096) -> pl.DataFrame:
    """The ``k`` items that most users of each item also took, most first (ties in vocabulary order).

    Columns ``item_id``, ``other_id``, ``n_users`` (who took both) and ``lift``, n_users · users / (users of the one ·
    users of the other): above 1, they are taken together more often than chance would have it. An item that nobody
    took with another has no row. Memory grows with ``block`` items at a time, not with all pairs.

    Raises:
        ConfigurationError: k or block below 1.
    """
    if k < 1 or block < 1:
        raise ConfigurationError(f"k = {k} and block = {block} must be at least 1")
    taken = sparse.csc_array(data.matrix("binary"))  # (U, I)
    counts = np.diff(taken.indptr)
    n_active = max(int((np.diff(data.matrix("binary").indptr) > 0).sum()), 1)
    rows, others, together = [], [], []
    by_item = sparse.csr_array(taken.T)
    for start in range(0, data.n_items, block):
        part = sparse.csr_array(by_item[start : start + block] @ taken)
        for n in range(part.shape[0]):
            a, b = part.indptr[n], part.indptr[n + 1]
            columns, values = part.indices[a:b], part.data[a:b]
            apart = columns != start + n
            columns, values = columns[apart], values[apart]
            best = np.lexsort((columns, -values))[:k]
            rows.append(np.full(len(best), start + n))
            others.append(columns[best])
            together.append(values[best])
    row, other = np.concatenate(rows).astype(np.int64), np.concatenate(others).astype(np.int64)
    n_users = np.concatenate(together).astype(np.int64)
    lift = n_users * n_active / np.maximum(counts[row] * counts[other], 1)
    return pl.DataFrame(
        {
            "item_id": data.items.ids.gather(row),
            "other_id": data.items.ids.gather(other),
            "n_users": n_users,
            "lift": lift,
        }
    )


def transitions(data: Dataset, *, gap_s: float = SESSION_GAP_S) -> pl.DataFrame:
    """How often one item came right after another in the same visit, most often first.

    Columns ``item_id``, ``next_id``, ``n`` and ``share`` of all that came after ``item_id``. An item after itself does
    not count. Visits are those of :func:`session_table`.
    """
    items = data.interactions.item_rows
    sessions = session_table(data, gap_s=gap_s)["session"].to_numpy()
    follows = (sessions[1:] == sessions[:-1]) & (items[1:] != items[:-1])
    steps = pl.DataFrame({"item": items[:-1][follows], "next": items[1:][follows]})
    found = steps.group_by("item", "next").agg(n=pl.len().cast(pl.Int64))
    found = found.with_columns(share=pl.col("n") / pl.col("n").sum().over("item"))
    found = found.sort(["n", "item", "next"], descending=[True, False, False])
    return found.select(
        item_id=data.items.ids.gather(found["item"]), next_id=data.items.ids.gather(found["next"]), n="n", share="share"
    )
