"""The contract of every model, with a model so plain that every answer is known."""

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from foretaste.data import Dataset, Histories, Query, Reason
from foretaste.data.dataset import Interactions
from foretaste.data.vocabulary import Vocabulary
from foretaste.errors import (
    ColdStartError,
    ConfigurationError,
    CorruptStateError,
    DataInsufficientError,
    ModelTrainingError,
    NotFittedError,
    UnknownItemError,
    UnknownUserError,
    UnsupportedError,
)
from foretaste.models.base import FloatBlock, Recommender, Rows, UserBatch
from foretaste.models.reasons import because_items
from foretaste.testing import checkerboard

BOARD = checkerboard(6, 8, held_out=1)


class Together(Recommender):
    """Counts how often an item was taken together with those of the history."""

    name = "together"
    state_fields = ("counts", "matrix", "note")
    scores_new_users = True
    updates_incrementally = True
    explains_exactly = True
    finds_similar_items = True

    def _fit(self, data: Dataset) -> None:
        matrix = data.matrix("binary")
        self.matrix = matrix
        self.counts = np.asarray((matrix.T @ matrix).toarray(), dtype=np.float32)  # (I, I)
        np.fill_diagonal(self.counts, 0.0)
        self.note = {"fitted": True}
        self._report(1, 1)

    def _update(self, data: Dataset) -> None:
        self._fit(data)

    def _scores(self, batch: UserBatch) -> FloatBlock:
        scores = np.asarray(batch.histories.matrix("binary") @ self.counts, dtype=np.float32)
        scores[scores == 0] = -np.inf
        return scores

    def _item_similarity(self, rows: Rows) -> FloatBlock:
        return np.where(self.counts[rows] > 0, self.counts[rows], -np.inf).astype(np.float32)

    def _contributions(self, batch: UserBatch, item_rows: Rows) -> FloatBlock:
        return self.counts[np.ix_(batch.histories.item_rows, item_rows)]


class Fixed(Recommender):
    """Gives known users the scores it was told; knows nothing of anybody else."""

    name = "fixed"
    state_fields = ("table",)

    def __init__(self, table: Any = None) -> None:
        super().__init__()
        self.given = table

    def _fit(self, data: Dataset) -> None:
        self.table = np.asarray(self.given, dtype=np.float32)

    def _scores(self, batch: UserBatch) -> FloatBlock:
        return self.table[batch.rows].copy()


@pytest.fixture(scope="module")
def model() -> Together:
    return Together().fit(BOARD.data)


def data_of(pairs: list[tuple[int, int]], n_users: int = 3, n_items: int = 4) -> Dataset:
    n = len(pairs)
    return Dataset(
        Vocabulary([f"u{row}" for row in range(n_users)]),
        Vocabulary([f"i{row}" for row in range(n_items)]),
        Interactions(
            np.array([user for user, _ in pairs], np.int32), np.array([item for _, item in pairs], np.int32),
            np.ones(n, np.float32), np.arange(n, dtype=float), np.zeros(n, np.uint8),
        ),
    )  # fmt: skip


# --- who is asked for ----------------------------------------------------------------------------------------------


def test_the_board_is_completed(model: Together) -> None:
    lists = model.recommend(k=1)
    assert [set(one.item_ids) for one in lists] == [set(gone) for gone in BOARD.held_out]


def test_ids_rows_queries_and_everybody_get_the_same_lists(model: Together) -> None:
    everybody = model.recommend(k=8)
    ids = model.users.ids.to_list()
    for users in (ids, np.arange(6), np.arange(6, dtype=np.uint8), [Query(user_id=one, k=8) for one in ids]):
        lists = model.recommend(users, 8)
        np.testing.assert_array_equal(lists.item_rows, everybody.item_rows)
        assert [one.user_id for one in lists] == ids


def test_users_may_be_asked_for_in_any_order_and_twice(model: Together) -> None:
    lists = model.recommend(["u3", "u0", "u3"], 1)
    assert [one.user_id for one in lists] == ["u3", "u0", "u3"]
    assert lists[0].item_ids == lists[2].item_ids == tuple(BOARD.held_out[3])


@pytest.mark.parametrize("users", [[], np.zeros(0, np.int32)])
def test_nobody_asked_for_gives_no_lists(model: Together, users: Any) -> None:
    lists = model.recommend(users, 3)
    assert (len(lists), lists.item_rows.shape) == (0, (0, 3))


@pytest.mark.parametrize("users", ["u1", Query(user_id="u1")])
def test_a_single_user_in_place_of_a_list_is_refused_with_the_remedy(model: Together, users: Any) -> None:
    with pytest.raises(ConfigurationError, match="must be a list"):
        model.recommend(users)


@pytest.mark.parametrize("users", [np.array(["u1"]), np.array([0.5]), np.array([[0]]), np.array([True])])
def test_an_array_that_holds_no_rows_is_refused(model: Together, users: Any) -> None:
    with pytest.raises(ConfigurationError, match="holds rows"):
        model.recommend(users)


@pytest.mark.parametrize("row", [-1, 6, 10**6])
def test_a_row_of_nobody_is_refused(model: Together, row: int) -> None:
    with pytest.raises(UnknownUserError, match="0 … 5"):
        model.recommend(np.array([0, row]))


def test_an_unknown_user_is_refused_or_gets_an_empty_list(model: Together) -> None:
    with pytest.raises(UnknownUserError, match=r"'x'.*6 known"):
        model.recommend(["u1", "x"])
    lists = model.recommend(["u1", "x"], 3, unknown="empty")
    assert lists.lengths.tolist() == [1, 0]
    assert np.isnan(lists.scores[1]).all()


def test_an_unseen_user_with_a_history_is_folded_in(model: Together) -> None:
    lists = model.recommend([Query(history=["i0", "i2", "nonsense"]), Query(history=["i1"])], 8)
    assert {row % 2 for row in lists.item_rows[0] if row >= 0} == {0}
    assert "i0" not in lists[0].item_ids
    assert {row % 2 for row in lists.item_rows[1] if row >= 0} == {1}


def test_a_history_with_the_query_replaces_the_one_from_training(model: Together) -> None:
    changed = model.recommend([Query(user_id="u0", history=["i1", "i3"])], 8)[0]
    assert changed.item_ids
    assert {int(item[1:]) % 2 for item in changed.item_ids} == {1}


def test_a_model_without_fold_in_says_so_for_a_history() -> None:
    fixed = Fixed(np.ones((6, 8))).fit(BOARD.data)
    with pytest.raises(ColdStartError, match="from a history alone"):
        fixed.recommend([Query(history=["i0"])])
    assert len(fixed.recommend([Query(user_id="u0", history=["i0"])])[0]) == 7  # known, so it can be served
    with pytest.raises(UnknownUserError, match="without a history"):
        fixed.recommend([Query(history=["nonsense"])])


# --- what may be in a list --------------------------------------------------------------------------------------------


def test_what_was_seen_is_left_out_unless_asked_for(model: Together) -> None:
    assert model.recommend(["u0"], 8).lengths.tolist() == [1]
    assert model.recommend(["u0"], 8, exclude_seen=False).lengths.tolist() == [4]
    assert len(model.recommend([Query(user_id="u0", k=8, exclude_seen=False)])[0]) == 4


def test_each_query_has_its_own_length_exclusions_and_switch(model: Together) -> None:
    (gone,) = BOARD.held_out[2]
    lists = model.recommend(
        [
            Query(user_id="u2", k=1, exclude_seen=False),
            Query(user_id="u2", k=8, exclude=frozenset([gone, "nonsense"])),
            Query(user_id="u2", k=3, exclude=frozenset(["i2"]), exclude_seen=False),
        ]
    )
    assert (lists.k, lists.lengths.tolist()) == (8, [1, 0, 3])
    assert "i2" not in lists[2].item_ids
    assert np.isnan(lists.scores[0, 1:]).all()


def test_a_mask_leaves_only_what_is_allowed(model: Together) -> None:
    allowed = np.zeros(8, bool)
    allowed[[0, 1]] = True
    for mask in (allowed, np.tile(allowed, (6, 1))):
        lists = model.recommend(k=8, allowed=mask, exclude_seen=False)
        assert {row for row in lists.item_rows.ravel().tolist() if row >= 0} == {0, 1}
    assert model.recommend(k=8, allowed=np.zeros(8, bool)).lengths.sum() == 0


@pytest.mark.parametrize("mask", [np.ones(7, bool), np.ones((2, 8), bool), np.ones(8, np.int64), np.ones(8)])
def test_a_mask_of_another_shape_or_type_is_refused(model: Together, mask: Any) -> None:
    with pytest.raises(ConfigurationError, match="mask"):
        model.recommend(k=2, allowed=mask)
    with pytest.raises(ConfigurationError, match="mask"):
        model.similar_items(["i0"], allowed=mask)


@pytest.mark.parametrize("k", [0, -3])
def test_a_length_below_one_is_refused(model: Together, k: int) -> None:
    for ask in (model.recommend, lambda k: model.similar_items(k=k)):
        with pytest.raises(ConfigurationError, match=f"k = {k}"):
            ask(k=k)


def test_a_length_above_the_catalogue_gives_all_there_is(model: Together) -> None:
    assert model.recommend(["u0"], 10**9, exclude_seen=False).item_rows.shape == (1, 8)


def test_the_default_length_is_ten_or_the_longest_query() -> None:
    fixed = Fixed(np.random.default_rng(0).random((2, 30))).fit(data_of([(0, 0), (1, 1)], 2, 30))
    assert fixed.recommend().k == 10
    assert fixed.recommend([Query(user_id="u0", k=3), Query(user_id="u1", k=12)]).k == 12


def test_items_without_evidence_and_scores_that_are_no_numbers_are_left_out() -> None:
    table = [[1, -np.inf, np.nan, 3], [-np.inf] * 4, [np.nan] * 4]
    fixed = Fixed(table)
    fixed.table, fixed._population = np.asarray(table, np.float32), data_of([(0, 0)]).population
    lists = fixed.recommend(k=4, exclude_seen=False)
    assert lists.lengths.tolist() == [2, 0, 0]
    assert lists[0].item_ids == ("i3", "i0")


# --- pairs, similar items, reasons ------------------------------------------------------------------------------------


def test_scores_of_pairs_are_those_of_the_lists_and_nan_for_strangers(model: Together) -> None:
    users, items = ["u3", "u0", "x", "u3", "u0"], ["i1", "i2", "i0", "y", "i0"]
    got = model.score(users, items)
    batch_scores = model._scores(UserBatch(np.arange(6, dtype=np.int32), BOARD.data.histories, np.zeros(6, bool)))
    expected = [batch_scores[3, 1], batch_scores[0, 2], np.nan, np.nan, batch_scores[0, 0]]
    np.testing.assert_array_equal(got, np.array(expected, np.float32))
    assert model.score([], []).shape == (0,)
    with pytest.raises(ConfigurationError, match="2 users and 1 items"):
        model.score(["u0", "u1"], ["i0"])


def test_similar_items_leave_the_item_itself_out(model: Together) -> None:
    lists = model.similar_items(["i0", "i3"], 8)
    assert lists[0].user_id == "i0"
    assert set(lists[0].item_ids) == {"i2", "i4", "i6"}
    assert set(lists[1].item_ids) == {"i1", "i5", "i7"}
    assert len(model.similar_items(k=2)) == 8


def test_similar_items_of_a_stranger_or_a_model_that_cannot_are_refused(model: Together) -> None:
    with pytest.raises(UnknownItemError, match=r"'zzz'.*8 items"):
        model.similar_items(["i0", "zzz"])
    with pytest.raises(UnsupportedError, match="no item similarity"):
        Fixed(np.ones((6, 8))).fit(BOARD.data).similar_items(["i0"])
    with pytest.raises(ConfigurationError, match="must be a list"):
        model.similar_items("i0")


def test_every_item_of_a_list_gets_a_reason_and_padding_none(model: Together) -> None:
    lists = model.recommend(["u0", "u1"], 3, explain=True)
    for one in lists:
        assert len(one.reasons) == len(one)
        for reason in one.reasons:
            assert reason is not None
            assert reason.exact
            assert sum(reason.shares) == pytest.approx(1.0)  # three items in the history, all named
    assert model.explain("u0", list(lists[0].item_ids)) == lists[0].reasons


def test_explaining_for_strangers_is_refused(model: Together) -> None:
    with pytest.raises(UnknownItemError, match="zzz"):
        model.explain("u0", ["zzz"])
    with pytest.raises(UnknownUserError, match="nobody"):
        model.explain("nobody", ["i0"])
    assert model.explain(Query(history=["i0"]), ["i2"])[0] == Reason("because_items", ("i0",), (1.0,), exact=True)


def test_shares_add_up_repeats_and_count_what_speaks_against() -> None:
    contributions = np.array([[2.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [4.0, 0.0]])
    first, second = because_items(["a", "b", "c", "a"], contributions, exact=True)
    assert first == Reason("because_items", ("a", "b"), (6 / 8, 1 / 8), exact=True)
    assert second is None


# --- fitting and updating ---------------------------------------------------------------------------------------------


def test_a_model_that_is_not_fitted_says_so() -> None:
    for ask in (lambda m: m.recommend(), lambda m: m.score(["u"], ["i"]), lambda m: m.users, lambda m: m.state()):
        with pytest.raises(NotFittedError, match="'together' is not fitted"):
            ask(Together())


@pytest.mark.parametrize(("n_users", "n_items", "what"), [(0, 2, "users"), (2, 0, "items"), (2, 2, "interactions")])
def test_data_without_anything_is_refused(n_users: int, n_items: int, what: str) -> None:
    with pytest.raises(DataInsufficientError, match=f"no {what}"):
        Together().fit(data_of([], n_users, n_items))


def test_a_result_that_is_not_finite_is_refused_and_the_model_unfitted() -> None:
    fixed = Fixed(np.full((6, 8), np.nan))
    with pytest.raises(ModelTrainingError, match="not finite in 'table'"):
        fixed.fit(BOARD.data)
    with pytest.raises(NotFittedError):
        fixed.recommend()


def test_a_matrix_that_is_not_finite_is_found_too(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Together()

    def spoil(data: Dataset) -> None:
        model.matrix = sparse.csr_array(np.array([[np.inf]], dtype=np.float32))
        model.counts, model.note = np.zeros((1, 1), np.float32), {}

    monkeypatch.setattr(model, "_fit", spoil)
    with pytest.raises(ModelTrainingError, match="'matrix'"):
        model.fit(BOARD.data)


def test_an_unsolvable_problem_is_a_training_error(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Together()
    monkeypatch.setattr(model, "_fit", lambda data: np.linalg.inv(np.zeros((2, 2))))
    with pytest.raises(ModelTrainingError, match="could not be solved"):
        model.fit(BOARD.data)


def test_fitting_again_starts_over_and_progress_is_told() -> None:
    told: list[tuple[int, int, float | None]] = []
    model = Together().fit(BOARD.data, on_progress=lambda *step: told.append(step))
    assert told == [(1, 1, None)]
    model.fit(data_of([(0, 0), (0, 1)]))
    assert (len(model.users), len(model.items)) == (3, 4)


def test_an_update_learns_from_more_users_items_and_interactions() -> None:
    model = Together().fit(data_of([(0, 0), (0, 1)], 2, 3))
    assert model.recommend([Query(history=["i0"])], 3)[0].item_ids == ("i1",)
    model.update(data_of([(0, 0), (0, 1), (2, 0), (2, 3)], 3, 4))
    assert set(model.recommend([Query(history=["i0"])], 3)[0].item_ids) == {"i1", "i3"}


def test_an_update_with_other_ids_or_of_a_model_that_cannot_is_refused() -> None:
    model = Together().fit(BOARD.data)
    with pytest.raises(ConfigurationError, match="do not extend"):
        model.update(data_of([(0, 0)]))
    assert model.recommend(["u0"], 1).lengths.tolist() == [1]  # untouched
    with pytest.raises(UnsupportedError, match="cannot be updated"):
        Fixed(np.ones((6, 8))).fit(BOARD.data).update(BOARD.data)


def test_a_failed_update_leaves_no_half_updated_model(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Together().fit(BOARD.data)

    def fail(data: Dataset) -> None:
        model.counts = np.zeros((1, 1), np.float32)
        raise MemoryError

    monkeypatch.setattr(model, "_update", fail)
    with pytest.raises(MemoryError):
        model.update(BOARD.data)
    with pytest.raises(NotFittedError):
        model.recommend()


def test_config_and_parameters_together_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="not both"):
        Together(Together.config_class(), something=1)


# --- state ------------------------------------------------------------------------------------------------------------


def test_arrays_matrices_and_values_go_through_the_state(model: Together) -> None:
    again = Together.from_state(model.state(), model.population)
    np.testing.assert_array_equal(again.counts, model.counts)
    np.testing.assert_array_equal(again.matrix.toarray(), model.matrix.toarray())
    assert again.note == {"fitted": True}
    np.testing.assert_array_equal(again.recommend(k=8).scores, model.recommend(k=8).scores)


def test_a_state_is_refused_by_another_class_and_another_population(model: Together) -> None:
    with pytest.raises(CorruptStateError, match="is a 'together', not a 'fixed'"):
        Fixed.from_state(model.state(), model.population)
    with pytest.raises(CorruptStateError, match="other users or items"):
        Together.from_state(model.state(), checkerboard(6, 10).data.population)


@pytest.mark.parametrize("part", ["counts", "matrix.indptr", "matrix.shape"])
def test_a_state_that_lacks_a_part_is_refused(model: Together, part: str) -> None:
    state = model.state()
    del state.arrays[part]
    with pytest.raises(CorruptStateError):
        Together.from_state(state, model.population)


def test_scoring_a_block_never_changes_the_batch(model: Together) -> None:
    batch = UserBatch(np.arange(6, dtype=np.int32), BOARD.data.histories, np.zeros(6, bool))
    cut = batch.block(2, 4)
    assert (len(cut), cut.rows.tolist()) == (2, [2, 3])
    assert isinstance(cut.histories, Histories)
    np.testing.assert_array_equal(model._scores(cut), model._scores(batch)[2:4])
