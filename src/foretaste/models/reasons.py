"""From contributions to reasons: which items of the history brought an item into the list."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from foretaste.data import Reason


def because_items(
    history_ids: Sequence[str], contributions: npt.NDArray[np.floating], *, exact: bool, most: int = 3
) -> list[Reason | None]:
    """One reason for each of n items, None where nothing in the history speaks for it.

    Args:
        history_ids: the H items of the history; a repeated one has its contributions added up.
        contributions: (H, n), how much each history entry adds to each item's score.
        exact: the contributions of a column sum to the score itself.
        most: items named in a reason.
    """
    totals = np.abs(contributions).sum(axis=0)
    reasons: list[Reason | None] = []
    for column in range(contributions.shape[1]):
        shares: dict[str, float] = {}
        for place in np.flatnonzero(contributions[:, column] > 0).tolist():
            item_id = history_ids[place]
            shares[item_id] = shares.get(item_id, 0.0) + float(contributions[place, column] / totals[column])
        top = sorted(shares.items(), key=lambda pair: -pair[1])[:most]
        ids, parts = tuple(i for i, _ in top), tuple(share for _, share in top)
        reasons.append(Reason("because_items", ids, parts, exact=exact) if top else None)
    return reasons


def to_history(
    item_rows: npt.NDArray[np.int32], columns: npt.NDArray[np.integer], shares: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """Contributions (H, n) of history entries from those of distinct items: a repeated item's go to its first entry.

    ``item_rows`` (H,) is the history; ``shares`` (m, n) belong to the items ``columns`` (m,), all of them in it.
    """
    out = np.zeros((len(item_rows), shares.shape[1]))
    items, first = np.unique(item_rows, return_index=True)
    out[first[np.searchsorted(items, columns)]] = shares
    return out
