"""Histories against slow, obvious versions."""

from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretaste.data import Dataset, Histories, Interactions, Vocabulary
from foretaste.errors import DataFormatError
from foretaste.testing import tiny_shop

N_ITEMS = 5
weights = st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.25, -1.0, float("nan")])
entries = st.lists(st.tuples(st.integers(0, N_ITEMS - 1), weights), max_size=8)
people = st.lists(entries, max_size=6)


def build(users: list[list[tuple[int, float]]]) -> Histories:
    return Histories.from_lists(
        [[item for item, _ in one] for one in users],
        N_ITEMS,
        weights=[[weight for _, weight in one] for one in users],
        timestamps=[list(np.arange(len(one), dtype=float)) for one in users],
    )


def slow_matrix(users: list[list[tuple[int, float]]], values: str, duplicates: str) -> np.ndarray[Any, Any]:
    out = np.zeros((len(users), N_ITEMS))
    for row, one in enumerate(users):
        kept: dict[int, float] = {}
        for item, weight in one:
            if not weight > 0:
                continue
            before = kept.get(item)
            if before is None or duplicates == "last":
                kept[item] = weight
            else:
                kept[item] = before + weight if duplicates == "sum" else max(before, weight)
        for item, weight in kept.items():
            out[row, item] = 1.0 if values == "binary" else weight
    return out


@given(people, st.sampled_from(["binary", "weight"]), st.sampled_from(["sum", "max", "last"]))
def test_the_matrix_is_that_of_a_dictionary(
    users: list[list[tuple[int, float]]], values: Literal["binary", "weight"], duplicates: Literal["sum", "max", "last"]
) -> None:
    matrix = build(users).matrix(values, duplicates=duplicates)
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix.toarray(), slow_matrix(users, values, duplicates))
    assert (matrix.data > 0).all()
    for row in range(len(users)):
        columns = matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]
        assert (np.diff(columns) > 0).all()  # sorted and without repeats, as its flags promise


@given(people, st.lists(st.integers(-1, 5), max_size=8))
def test_taking_rows_is_picking_from_the_list(users: list[list[tuple[int, float]]], rows: list[int]) -> None:
    rows = [row for row in rows if row < len(users)]
    taken = build(users).take(np.array(rows, dtype=np.int32))
    picked = build([users[row] if row >= 0 else [] for row in rows])
    assert len(taken) == len(rows)
    np.testing.assert_array_equal(taken.indptr, picked.indptr)
    for name in ("item_rows", "weights", "timestamps"):
        np.testing.assert_array_equal(getattr(taken, name), getattr(picked, name))


@given(people, st.integers(0, 6), st.integers(0, 6))
def test_a_block_is_a_slice_of_the_list(users: list[list[tuple[int, float]]], a: int, b: int) -> None:
    start, stop = sorted((min(a, len(users)), min(b, len(users))))
    block, cut = build(users).block(start, stop), build(users[start:stop])
    np.testing.assert_array_equal(block.indptr, cut.indptr)
    np.testing.assert_array_equal(block.item_rows, cut.item_rows)
    np.testing.assert_array_equal(block.lengths, [len(one) for one in users[start:stop]])


def test_a_block_shares_the_memory_of_the_whole() -> None:
    whole = build([[(0, 1.0)], [(1, 1.0), (2, 1.0)]])
    assert np.shares_memory(whole.block(1, 2).item_rows, whole.item_rows)


def test_unknown_items_are_left_out_with_their_weights_and_times() -> None:
    got = Histories.from_lists([[3, -1, 1]], 4, weights=[[1.0, 2.0, 3.0]], timestamps=[None])
    assert got.item_rows.tolist() == [3, 1]
    assert got.weights.tolist() == [1.0, 3.0]
    assert np.isnan(got.timestamps).all()


def test_nobody_and_nothing_make_empty_matrices() -> None:
    assert Histories.from_lists([], 3).matrix().shape == (0, 3)
    assert Histories.empty(2, 3).matrix().nnz == 0
    assert Histories.empty(2, 0).matrix("binary").shape == (2, 0)


def test_the_histories_of_a_data_set_are_its_interactions_user_by_user() -> None:
    data = tiny_shop()
    for user in range(data.n_users):
        own = data.histories.slice(user)
        mine = data.interactions.user_rows == user
        np.testing.assert_array_equal(data.histories.item_rows[own], data.interactions.item_rows[mine])
        assert (np.diff(data.histories.timestamps[own]) >= 0).all()
    assert data.matrix() is data.matrix()


def interactions(users: list[int], items: list[int]) -> Interactions:
    n = len(users)
    return Interactions(
        np.array(users, np.int32), np.array(items, np.int32), np.ones(n, np.float32), np.arange(n, dtype=float),
        np.zeros(n, np.uint8),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("users", "items", "said"),
    [
        ([1, 0], [0, 0], "not sorted by user"),
        ([0, 2], [0, 0], "outside the 2 users"),
        ([-1, 0], [0, 0], "outside"),
        ([0, 1], [0, 3], "or the 3 items"),
        ([0, 1], [-1, 0], "outside"),
    ],
)
def test_interactions_that_are_unsorted_or_of_nobody_are_refused(users: list[int], items: list[int], said: str) -> None:
    data = Dataset(Vocabulary(["a", "b"]), Vocabulary(["x", "y", "z"]), interactions(users, items))
    with pytest.raises(DataFormatError, match=said):
        _ = data.histories


def test_sorting_puts_unknown_times_last_and_keeps_the_order_given() -> None:
    given_order = Interactions(
        np.array([1, 0, 0, 0], np.int32), np.array([9, 1, 2, 3], np.int32), np.ones(4, np.float32),
        np.array([0.0, np.nan, 5.0, 5.0]), np.zeros(4, np.uint8),
    )  # fmt: skip
    ordered = given_order.sorted()
    assert ordered.item_rows.tolist() == [2, 3, 1, 9]
    assert not ordered.has_times


def test_importance_scales_the_entries_and_travels_with_them() -> None:
    histories = Histories.from_lists(
        [[0, 1, 0], [2]], N_ITEMS, weights=[[1.0, 2.0, 3.0], [5.0]], importance=[[0.25, 0.5, 1.0], None]
    )
    assert histories.matrix("binary").toarray()[:, :3].tolist() == [[1.0, 0.5, 0.0], [0.0, 0.0, 1.0]]
    assert histories.matrix("weight").toarray()[0, :2].tolist() == [3.25, 1.0]
    assert histories.matrix("weight", duplicates="max").toarray()[0, :2].tolist() == [3.0, 1.0]
    assert histories.matrix("weight", duplicates="last").toarray()[0, :2].tolist() == [3.0, 2.0]  # ratings stay
    for part in (histories.take(np.array([0])), histories.block(0, 1)):
        np.testing.assert_array_equal(part.importance, np.float32([0.25, 0.5, 1.0]))
