"""Users: known, new with a history, new without one."""

import numpy as np
import pytest

from foretaste.data import Dataset, Query, RecLists
from foretaste.errors import ColdStartError, UnknownUserError
from foretaste.models import Recommender
from foretaste.testing.models.compare import assert_same_lists, assert_sound, histories_as_queries, overlap
from foretaste.testing.models.setup import ContractSetup
from foretaste.testing.toy import checkerboard


class UserChecks(ContractSetup):
    """Whom a model serves, and what it does about the others."""

    def test_a_stranger_with_a_users_history_gets_nearly_that_users_list(
        self, model: Recommender, data: Dataset
    ) -> None:
        rows = np.flatnonzero(data.histories.lengths > 0).tolist()
        strangers = histories_as_queries(data, rows, named=False, k=8)
        if not (model.scores_new_users or model.scores_without_history):
            with pytest.raises(ColdStartError, match="history alone"):
                model.recommend(strangers)
            assert model.recommend(strangers, unknown="empty").lengths.sum() == 0
            return
        lists = model.recommend(strangers)
        assert_sound(lists)
        if model.scores_new_users:
            known = model.recommend(np.array(rows, dtype=np.int32), 8)
            assert overlap(known, lists) >= self.fold_in_overlap
            named = model.recommend(histories_as_queries(data, rows, named=True, k=8))
            assert overlap(known, named) >= self.fold_in_overlap

    def test_a_history_is_left_out_of_the_list_it_brings(self, model: Recommender, data: Dataset) -> None:
        history = data.items.ids.to_list()[:4]
        lists = model.recommend([Query(history=history, k=20)], unknown="empty")
        assert not set(history) & set(lists[0].item_ids)
        if model.scores_new_users or model.scores_without_history:
            kept = model.recommend([Query(history=history, k=24, exclude_seen=False)])[0]
            assert set(history) & set(kept.item_ids)

    def test_a_history_without_weights_or_times_is_enough(self, model: Recommender, data: Dataset) -> None:
        lists = model.recommend([Query(history=[data.items.id(0), "unheard", data.items.id(0)])], unknown="empty")
        assert_sound(lists)
        assert (lists.lengths[0] > 0) == (model.scores_new_users or model.scores_without_history)

    def test_somebody_of_whom_nothing_is_known(self, model: Recommender) -> None:
        for query in (Query(), Query(user_id="nobody"), Query(history=[]), Query(history=["unheard"])):
            empty = model.recommend([query], unknown="empty")
            assert_sound(empty)
            if model.scores_without_history:
                assert model.recommend([query]).lengths[0] > 0
                continue
            assert empty.lengths[0] == 0
            with pytest.raises(UnknownUserError, match="without a history"):
                model.recommend([query])

    def test_one_unknown_user_does_not_spoil_the_batch(self, model: Recommender) -> None:
        known = model.users.id(0)
        lists = model.recommend(["nobody", known], 5, unknown="empty")
        assert lists[1].item_ids == model.recommend([known], 5)[0].item_ids
        if not model.scores_without_history:
            with pytest.raises(UnknownUserError, match="'nobody'"):
                model.recommend([known, "nobody"], 5)

    def test_a_user_without_interactions_gets_a_sound_list(self, model: Recommender, data: Dataset) -> None:
        rows = np.flatnonzero(data.histories.lengths == 0).astype(np.int32)
        assert len(rows), "the data set has no user without interactions to test with"
        lists = model.recommend(rows, 5, unknown="empty")
        assert_sound(lists)
        if model.scores_without_history:
            assert (lists.lengths > 0).all()

    def test_nobody_asked_gives_no_lists(self, model: Recommender) -> None:
        assert len(model.recommend([], 5)) == 0
        assert len(model.recommend(np.zeros(0, dtype=np.int32), 5)) == 0

    def test_rows_outside_the_population_are_refused(self, model: Recommender) -> None:
        for row in (-1, len(model.users)):
            with pytest.raises(UnknownUserError, match="outside"):
                model.recommend(np.array([row], dtype=np.int32))

    def test_other_histories_bring_other_lists(self, model: Recommender, data: Dataset) -> None:
        if not self.is_personal(model):
            return
        first, second = data.items.ids.to_list()[:2], data.items.ids.to_list()[-6:-4]
        lists = model.recommend(self._tastes(model, first, second), exclude_seen=False)
        assert lists[0].item_ids != lists[1].item_ids

    @staticmethod
    def _tastes(model: Recommender, first: list[str], second: list[str]) -> list[Query]:
        """Two people of different taste: strangers where the model serves them, else two users."""
        if model.scores_new_users:
            return [Query(history=first), Query(history=second)]
        return [Query(user_id=model.users.id(0)), Query(user_id=model.users.id(1))]

    def test_taste_is_found_on_a_checkerboard(self) -> None:
        board = checkerboard()
        model = self.make().fit(board.data)
        lists: RecLists = model.recommend(k=2)
        hits = [len(set(best.item_ids) & board.held_out[row]) for row, best in enumerate(lists)]
        share = sum(hits) / sum(map(len, board.held_out))
        if self.is_personal(model):
            assert share >= 0.95
        else:
            assert share < 0.5  # a list that is not personal cannot know

    def test_the_same_data_and_seed_give_the_same_lists(self, data: Dataset, model: Recommender) -> None:
        again = self.make().fit(data)
        assert_same_lists(
            model.recommend(k=8, unknown="empty"),
            again.recommend(k=8, unknown="empty"),
            tolerance=self.score_tolerance,
        )
