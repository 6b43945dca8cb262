"""The contract finds what it is there to find: each broken model fails its check."""

import numpy as np
import pytest

from foretaste.data import Reason
from foretaste.errors import CorruptStateError
from foretaste.models import ModelConfig, Recommender
from foretaste.models.baselines.popular import Popular
from foretaste.models.content.tfidf import TfidfContent
from foretaste.testing import tiny_shop
from foretaste.testing.models import RecommenderContract


class Undocumented(ModelConfig):
    epochs: int = 3


class CountsDislikes(Popular):
    def _fit(self, data):
        super()._fit(data)
        self.counts = np.bincount(data.interactions.item_rows, minlength=data.n_items).astype(np.float32)


class ScoresByPlaceInBatch(Popular):
    _rank = Recommender._rank  # from its scores, not by the one order of all users

    def _scores(self, batch):
        return super()._scores(batch) * np.linspace(1, 2, len(batch), dtype=np.float32)[:, None]


class ShowsNewItems(Popular):
    _rank = Recommender._rank

    def _scores(self, batch):
        return np.nan_to_num(super()._scores(batch), neginf=0.5)


class Unseeded(Popular):
    def _fit(self, data):
        super()._fit(data)
        self.counts = self.counts + np.random.default_rng().random(data.n_items, dtype=np.float32)


class WritesIntoTheData(Popular):
    def _fit(self, data):
        super()._fit(data)
        data.matrix().data *= 2


class ForgetsAField(Popular):
    state_fields = ("groups", "group_names")


class ScoresPairsOtherwise(Popular):
    def _pair_scores(self, user_rows, item_rows):
        return super()._pair_scores(user_rows, item_rows) + 1


class ClaimsToBePersonal(Popular):
    scores_without_history = False


class ClaimsToBeExact(TfidfContent):
    def _contributions(self, batch, item_rows):
        return super()._contributions(batch, item_rows) * 2


class NamesStrangers(Popular):
    def _reasons_of_one(self, batch, item_rows):
        return tuple(Reason("because_items", ("p-023",), (1.0,)) if row >= 0 else None for row in item_rows)


class FoldsInBackwards(TfidfContent):
    def _scores(self, batch):
        scores = super()._scores(batch)
        return np.where(batch.rows[:, None] >= 0, scores, -scores)


class UpdatesNothing(Popular):
    def _update(self, data):
        self.counts = np.arange(data.n_items, dtype=np.float32)[::-1].copy() + 1


class SaysNothingOfItsSettings(Popular):
    config_class = Undocumented


BROKEN = [
    (CountsDislikes, "test_what_was_seen_and_not_liked_teaches_nothing"),
    (ScoresByPlaceInBatch, "test_one_by_one_gives_what_a_batch_gives"),
    (ShowsNewItems, "test_items_without_interactions_are_shown_only_by_models_that_say_so"),
    (Unseeded, "test_the_same_data_and_seed_give_the_same_lists"),
    (WritesIntoTheData, "test_the_data_set_is_left_as_it_was"),
    (ForgetsAField, "test_a_state_in_memory_makes_the_same_model"),
    (ScoresPairsOtherwise, "test_scores_of_pairs_are_those_of_the_lists"),
    (ClaimsToBePersonal, "test_other_histories_bring_other_lists"),
    (ClaimsToBePersonal, "test_taste_is_found_on_a_checkerboard"),
    (ClaimsToBeExact, "test_exact_contributions_sum_to_the_score"),
    (NamesStrangers, "test_reasons_name_the_history_and_are_there_when_promised"),
    (FoldsInBackwards, "test_a_stranger_with_a_users_history_gets_nearly_that_users_list"),
    (UpdatesNothing, "test_an_update_gives_nearly_what_a_fresh_fit_gives"),
    (SaysNothingOfItsSettings, "test_every_setting_is_explained"),
    (SaysNothingOfItsSettings, "test_the_class_and_its_public_methods_are_documented"),
]


@pytest.mark.parametrize(("broken", "check"), BROKEN, ids=[f"{cls.__name__}-{check}" for cls, check in BROKEN])
def test_a_broken_model_fails_its_check(broken, check):
    contract = type("Contract", (RecommenderContract,), {"make": lambda self: broken()})()
    test = getattr(contract, check)
    wanted = test.__code__.co_varnames[1 : test.__code__.co_argcount]
    data = tiny_shop()
    given = {"data": data} if "data" in wanted else {}
    if "model" in wanted:
        given["model"] = broken().fit(data)
    with pytest.raises((AssertionError, CorruptStateError)):
        test(**given)
