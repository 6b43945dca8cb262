"""Comparisons of lists and data that the contract tests share."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from foretaste.data import Dataset, Interactions, Query, RecLists, Values


def assert_same_lists(one: RecLists, other: RecLists, *, tolerance: float) -> None:
    """The same items with the same scores in the same order; items may change places only where scores are equal."""
    assert one.item_rows.shape == other.item_rows.shape
    np.testing.assert_array_equal(one.lengths, other.lengths)
    np.testing.assert_allclose(one.scores, other.scores, rtol=tolerance, atol=tolerance)
    for b in np.flatnonzero((one.item_rows != other.item_rows).any(axis=1)).tolist():
        first, second = list(one[b]), list(other[b])
        scores, cut = dict(first), first[-1][1]
        for item_id, score in second:
            near = scores.get(item_id, cut)
            assert abs(near - score) <= tolerance * max(1.0, abs(score)), (
                f"list {b} holds item {item_id!r} with score {score}, expected {first}"
            )


def overlap(one: RecLists, other: RecLists) -> float:
    """Mean share of the items of ``one`` that are in ``other``; a list that is empty in both agrees."""
    shares = []
    for b in range(len(one)):
        first, second = set(one[b].item_ids), set(other[b].item_ids)
        shares.append(len(first & second) / len(first) if first else float(not second))
    return float(np.mean(shares))


def fingerprint(data: Dataset) -> str:
    """A digest over all arrays and frames of a data set, the cached matrices included."""
    digest = hashlib.sha256()
    interactions = data.interactions
    arrays: list[npt.NDArray[np.generic]] = [
        interactions.user_rows,
        interactions.item_rows,
        interactions.weights,
        interactions.timestamps,
        interactions.types,
    ]
    kinds: tuple[Values, ...] = ("binary", "weight")
    for values in kinds:
        matrix = data.matrix(values)
        arrays += [matrix.data, matrix.indices, matrix.indptr]
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    for frame in (data.user_frame, data.item_frame):
        if frame is not None:
            digest.update(repr(frame.schema).encode() + repr(frame.to_dicts()).encode())
    digest.update((data.users.digest + data.items.digest).encode())
    return digest.hexdigest()


def small_data(
    rows: Sequence[tuple[int, int, float]], *, n_users: int, n_items: int, is_explicit: bool = False
) -> Dataset:
    """A data set with titles and categories from (user row, item row, weight), a minute apart."""
    from foretaste.data import Vocabulary
    from foretaste.testing.toy import START

    n = len(rows)
    interactions = Interactions(
        np.array([row[0] for row in rows], dtype=np.int32),
        np.array([row[1] for row in rows], dtype=np.int32),
        np.array([row[2] for row in rows], dtype=np.float32),
        START + 60.0 * np.arange(n, dtype=np.float64),
        np.zeros(n, dtype=np.uint8),
    ).sorted()
    items = [f"i{row}" for row in range(n_items)]
    frame = pl.DataFrame(
        {
            "item_id": items,
            "title": [f"thing number {row}" for row in range(n_items)],
            "category": [("red", "blue")[row % 2] for row in range(n_items)],
        }
    )
    return Dataset(
        Vocabulary([f"u{row}" for row in range(n_users)]),
        Vocabulary(items),
        interactions,
        name="small",
        is_explicit=is_explicit,
        duplicates="last" if is_explicit else "sum",
        item_frame=frame,
        item_features={"title": "text", "category": "categorical"},
    )


def assert_sound(lists: RecLists) -> None:
    """Best first, finite, padded at the end with -1 and NaN, no item twice."""
    rows, scores = lists.item_rows, lists.scores
    assert rows.dtype == np.int32
    assert scores.dtype == np.float32
    filled = rows >= 0
    np.testing.assert_array_equal(filled, np.arange(lists.k)[None, :] < lists.lengths[:, None])
    assert np.isfinite(scores[filled]).all()
    assert np.isnan(scores[~filled]).all()
    both = filled[:, 1:]
    assert (scores[:, :-1][both] >= scores[:, 1:][both]).all()
    assert (rows < len(lists.items)).all()
    for b in range(len(lists)):
        own = rows[b, : lists.lengths[b]]
        assert len(set(own.tolist())) == len(own)


def histories_as_queries(data: Dataset, rows: Sequence[int], *, named: bool, k: int) -> list[Query]:
    """The histories of known users as a stranger (or, ``named``, the user) would bring them."""
    queries = []
    for row in rows:
        part = data.histories.slice(row)
        queries.append(
            Query(
                user_id=data.users.id(row) if named else None,
                history=data.items.ids_of(data.histories.item_rows[part]),
                history_weights=data.histories.weights[part].tolist(),
                history_timestamps=data.histories.timestamps[part].tolist(),
                k=k,
            )
        )
    return queries
