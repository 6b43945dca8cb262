"""Lists: their length, order and content, however they are asked for."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from foretaste.data import Dataset, Query
from foretaste.errors import ConfigurationError, UnknownItemError, UnknownUserError, UnsupportedError
from foretaste.models import Recommender
from foretaste.testing.models.compare import assert_same_lists, assert_sound, histories_as_queries
from foretaste.testing.models.setup import ContractSetup


class ListChecks(ContractSetup):
    """Lists, scores, similar items and reasons of a fitted model."""

    def test_fit_gives_the_model_itself(self, data: Dataset) -> None:
        model = self.make()
        assert model.fit(data) is model

    def test_ids_rows_queries_and_everybody_give_the_same_lists(self, model: Recommender) -> None:
        ids = model.users.ids.to_list()
        everybody = model.recommend(k=8, unknown="empty")
        assert list(everybody.user_ids) == ids
        rows = np.arange(len(ids), dtype=np.int32)
        for users in (ids, rows, [Query(user_id=user_id, k=8) for user_id in ids]):
            lists = model.recommend(users, 8, unknown="empty")
            assert list(lists.user_ids) == ids
            assert_same_lists(everybody, lists, tolerance=self.score_tolerance)

    def test_one_by_one_gives_what_a_batch_gives(self, model: Recommender) -> None:
        batch = model.recommend(k=8, unknown="empty")
        for row, user_id in enumerate(model.users.ids.to_list()):
            alone = model.recommend([user_id], 8, unknown="empty")
            part = type(batch)(batch.item_rows[row : row + 1], batch.scores[row : row + 1], batch.items)
            assert_same_lists(part, alone, tolerance=self.score_tolerance)

    def test_lists_are_sound_and_not_all_empty(self, model: Recommender) -> None:
        for exclude_seen in (True, False):
            lists = model.recommend(k=7, exclude_seen=exclude_seen, unknown="empty")
            assert lists.item_rows.shape == (len(model.users), 7)
            assert_sound(lists)
            assert lists.lengths.sum() > 0

    def test_a_shorter_list_is_the_start_of_a_longer_one(self, model: Recommender) -> None:
        long = model.recommend(k=10, unknown="empty")
        short = model.recommend(k=3, unknown="empty")
        start = type(long)(long.item_rows[:, :3], long.scores[:, :3], long.items)
        assert_same_lists(start, short, tolerance=self.score_tolerance)

    def test_more_than_all_items_gives_all_that_there_are(self, model: Recommender) -> None:
        n_items = len(model.items)
        lists = model.recommend(k=n_items + 50, exclude_seen=False, unknown="empty")
        assert lists.k == n_items
        assert_sound(lists)

    def test_every_query_gets_its_own_length(self, model: Recommender) -> None:
        ids = model.users.ids.to_list()[:3]
        queries = [Query(user_id=user_id, k=k) for user_id, k in zip(ids, (2, 5, 1), strict=True)]
        lists = model.recommend(queries)
        assert lists.k == 5
        assert (lists.lengths <= [2, 5, 1]).all()
        assert_sound(lists)

    def test_no_item_at_all_may_not_be_asked_for(self, model: Recommender) -> None:
        with pytest.raises(ConfigurationError, match="k = 0"):
            model.recommend(k=0)

    def test_seen_items_are_left_out_and_kept_on_request(self, model: Recommender, data: Dataset) -> None:
        n_items = len(model.items)
        without = model.recommend(k=n_items, unknown="empty")
        kept = model.recommend(k=n_items, exclude_seen=False, unknown="empty")
        kept_by_query = model.recommend(
            [Query(user_id=u, k=n_items, exclude_seen=False) for u in model.users.ids.to_list()], unknown="empty"
        )
        assert_same_lists(kept, kept_by_query, tolerance=self.score_tolerance)
        n_seen_kept = 0
        for row in range(len(model.users)):
            seen = set(data.histories.item_rows[data.histories.slice(row)].tolist())
            assert not seen & set(without.item_rows[row].tolist())
            n_seen_kept += len(seen & set(kept.item_rows[row].tolist()))
        assert n_seen_kept > 0

    def test_excluded_items_are_left_out_and_the_next_ones_move_up(self, model: Recommender) -> None:
        user_id = model.users.id(0)
        best = model.recommend([user_id], 6)[0]
        assert len(best) >= 2
        shorter = model.recommend([Query(user_id=user_id, k=5, exclude=frozenset({best.item_ids[0], "unheard"}))])[0]
        assert shorter.scores == pytest.approx(best.scores[1:6], rel=self.score_tolerance, abs=self.score_tolerance)
        assert best.item_ids[0] not in shorter.item_ids

    def test_masks_for_all_and_for_each_user_are_kept(self, model: Recommender) -> None:
        n_users, n_items = len(model.users), len(model.items)
        full = model.recommend(k=n_items, unknown="empty")
        one = np.arange(n_items) % 3 != 0
        each = (np.arange(n_items)[None, :] + np.arange(n_users)[:, None]) % 2 == 0
        for mask in (one, each):
            lists = model.recommend(k=n_items, allowed=mask, unknown="empty")
            assert_sound(lists)
            wide = np.broadcast_to(mask, (n_users, n_items))
            for row in range(n_users):
                expected = {item for item in full.item_rows[row].tolist() if item >= 0 and wide[row, item]}
                assert set(lists.item_rows[row, : lists.lengths[row]].tolist()) == expected
        nothing = model.recommend(k=3, allowed=np.zeros(n_items, dtype=bool), unknown="empty")
        assert nothing.lengths.sum() == 0

    def test_a_mask_of_the_wrong_shape_is_refused(self, model: Recommender) -> None:
        with pytest.raises(ConfigurationError, match="mask"):
            model.recommend(k=3, allowed=np.ones(len(model.items) + 1, dtype=bool), unknown="empty")

    def test_items_without_interactions_are_shown_only_by_models_that_say_so(
        self, model: Recommender, data: Dataset
    ) -> None:
        taken = np.bincount(data.interactions.item_rows, data.interactions.weights > 0, data.n_items) > 0
        assert not taken.all(), "the data set has no new item to test with"
        lists = model.recommend(k=data.n_items, exclude_seen=False, unknown="empty")
        shown = np.unique(lists.item_rows[lists.item_rows >= 0])
        assert bool((~taken[shown]).any()) == model.scores_new_items

    def test_several_threads_get_the_same_lists(self, model: Recommender) -> None:
        expected = model.recommend(k=8, unknown="empty")
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: model.recommend(k=8, unknown="empty"), range(8)))
        for lists in found:
            assert_same_lists(expected, lists, tolerance=self.score_tolerance)

    # --- scores ------------------------------------------------------------------------------------------------------

    def test_scores_of_pairs_are_those_of_the_lists(self, model: Recommender, data: Dataset) -> None:
        lists = model.recommend(k=len(model.items), exclude_seen=False, unknown="empty")
        users, places = np.nonzero(lists.item_rows >= 0)
        expected = lists.scores[users, places]
        order = np.random.default_rng(0).permutation(len(users))
        users, places, expected = users[order], places[order], expected[order]
        got = model.score(model.users.ids_of(users), model.items.ids_of(lists.item_rows[users, places]))
        if model.predicts_ratings:  # kept on the scale of the ratings, which lists need not be
            ratings = data.matrix().data
            assert got.min() >= ratings.min() - 1e-4
            assert got.max() <= ratings.max() + 1e-4
            expected, got = (np.clip(scores, ratings.min(), ratings.max()) for scores in (expected, got))
        np.testing.assert_allclose(got, expected, rtol=self.score_tolerance, atol=self.score_tolerance)

    def test_the_score_of_an_unknown_user_or_item_is_nan(self, model: Recommender) -> None:
        user_id, item_id = model.users.id(0), model.items.id(0)
        got = model.score([user_id, "nobody", "nobody"], ["nothing", item_id, "nothing"])
        assert np.isnan(got).all()
        assert len(model.score([], [])) == 0

    def test_candidates_get_the_scores_of_the_lists(self, model: Recommender) -> None:
        users = model.users.ids.head(6).to_list()
        queries = [Query(user_id=user, k=7, exclude_seen=False) for user in users]
        lists = model.recommend(queries, unknown="empty")
        order = np.argsort(lists.item_rows, axis=1)
        rows, expected = np.take_along_axis(lists.item_rows, order, 1), np.take_along_axis(lists.scores, order, 1)
        got = model.score_candidates(queries, rows)
        np.testing.assert_allclose(got, expected, rtol=self.score_tolerance, atol=self.score_tolerance)
        beyond = np.array([[-1, len(model.items)]], dtype=np.int32)
        assert np.isnan(model.score_candidates(queries[:1], beyond)).all()

    def test_users_and_items_that_make_no_pairs_are_refused(self, model: Recommender) -> None:
        with pytest.raises(ConfigurationError, match="pairs"):
            model.score([model.users.id(0)], [])

    # --- similar items -----------------------------------------------------------------------------------------------

    def test_similar_items_leave_out_the_item_itself(self, model: Recommender) -> None:
        item_id = model.items.id(0)
        if not model.finds_similar_items:
            with pytest.raises(UnsupportedError, match="similarity"):
                model.similar_items([item_id])
            return
        lists = model.similar_items(k=5)
        assert_sound(lists)
        assert lists.item_rows.shape == (len(model.items), 5)
        assert list(lists.user_ids) == model.items.ids.to_list()
        assert not (lists.item_rows == np.arange(len(model.items))[:, None]).any()
        assert len(model.similar_items([item_id], 3)[0]) > 0
        allowed = np.arange(len(model.items)) % 2 == 1
        masked = model.similar_items(k=5, allowed=allowed)
        assert allowed[masked.item_rows[masked.item_rows >= 0]].all()

    def test_similar_items_of_an_unknown_item_are_refused(self, model: Recommender) -> None:
        with pytest.raises(UnknownItemError if model.finds_similar_items else UnsupportedError):
            model.similar_items(["nothing"])

    # --- reasons -----------------------------------------------------------------------------------------------------

    def test_reasons_name_the_history_and_are_there_when_promised(self, model: Recommender, data: Dataset) -> None:
        lists = model.recommend(k=5, explain=True, unknown="empty")
        assert len(lists.reasons) == len(lists)
        for row, best in enumerate(lists):
            history = set(model.items.ids_of(data.histories.item_rows[data.histories.slice(row)]))
            assert len(best.reasons) == len(best)
            assert all(reason is None for reason in lists.reasons[row][len(best) :])
            for reason in best.reasons:
                promised = model.explains_exactly and bool(history)
                assert reason is not None or not (promised or model.reason_kind != "because_items")
                if reason is not None:
                    assert reason.kind
                    assert len(reason.item_ids) == len(reason.shares)
                    assert set(reason.item_ids) <= history
                    assert all(0 < share <= 1 + 1e-6 for share in reason.shares)
                    assert sum(reason.shares) <= 1 + 1e-5
                    assert list(reason.shares) == sorted(reason.shares, reverse=True)
                    assert not reason.exact or model.explains_exactly

    def test_exact_contributions_sum_to_the_score(self, model: Recommender, data: Dataset) -> None:
        from foretaste.models.batches import build_batch

        if not model.explains_exactly:
            return
        rows = np.flatnonzero(data.histories.lengths > 0).tolist()
        queries = histories_as_queries(data, rows, named=True, k=5)  # with the history the score is the closed form
        checked = 0
        for query, best in zip(queries, model.recommend(queries), strict=True):
            batch, _ = build_batch(model.population, [query], [query])
            parts = model._contributions(batch, model.items.rows(best.item_ids))
            assert parts is not None
            np.testing.assert_allclose(parts.sum(axis=0), best.scores, rtol=1e-3, atol=1e-4)
            checked += len(best)
        assert checked > 0

    def test_any_item_can_be_explained_and_as_in_the_list(self, model: Recommender) -> None:
        user_id = model.users.id(0)
        best = model.recommend([user_id], 4, explain=True)[0]
        assert model.explain(user_id, best.item_ids) == best.reasons[: len(best)]
        assert len(model.explain(user_id, model.items.ids.to_list())) == len(model.items)
        with pytest.raises(UnknownItemError, match="nothing"):
            model.explain(user_id, ["nothing"])

    # --- similar users -----------------------------------------------------------------------------------------------

    def test_similar_users_leave_out_the_user(self, model: Recommender) -> None:
        user_id = model.users.id(0)
        if not model.finds_similar_users:
            with pytest.raises(UnsupportedError, match="user similarity"):
                model.similar_users([user_id])
            return
        lists = model.similar_users(k=5)
        assert_sound(lists)
        assert lists.item_rows.shape == (len(model.users), min(5, len(model.users)))
        assert list(lists.user_ids) == model.users.ids.to_list()
        assert lists.items is model.users
        assert not (lists.item_rows == np.arange(len(model.users))[:, None]).any()
        assert lists.lengths.sum() > 0
        with pytest.raises(UnknownUserError, match="nobody"):
            model.similar_users(["nobody"])
