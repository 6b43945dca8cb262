"""Cold items, cold users and folds: what is held out as a whole, what may be ranked, and what would leak."""

from dataclasses import replace

import numpy as np
import pytest

from foretaste.errors import ConfigurationError, DataError, DataFormatError
from foretaste.evaluation import evaluate
from foretaste.evaluation.splits import ColdItems, ColdUsers, KFold, check_leakage, k_folds
from foretaste.models import create_model
from foretaste.testing import checkerboard


def test_cold_items_have_all_their_interactions_in_test(noisy_dataset):
    split = ColdItems(test_share=0.2, seed=1).split(noisy_dataset)
    held = np.flatnonzero(split.held_items)
    assert len(held) == 5  # of 25 items
    assert set(split.test.interactions.item_rows.tolist()) == set(held.tolist())
    assert not set(split.train.interactions.item_rows.tolist()) & set(held.tolist())
    np.testing.assert_array_equal(split.candidates, split.held_items)
    assert ColdItems(candidates="all").split(noisy_dataset).candidates is None


def test_the_newest_items_are_those_that_began_last(make_dataset):
    events = [("u", "old", 1.0, 0.0), ("u", "new", 1.0, 9.0), ("v", "old", 1.0, 20.0), ("v", "middle", 1.0, 5.0)]
    split = ColdItems(test_share=0.34, which="newest").split(make_dataset(events))
    assert split.test.items.ids_of(split.test.interactions.item_rows) == ["new"]
    users = ColdUsers(test_share=0.5, which="newest").split(make_dataset(events))
    assert users.test.users.ids_of(np.unique(users.test.interactions.user_rows)) == ["v"]
    timeless = make_dataset([("u", "a", 1.0, np.nan), ("v", "b", 1.0, np.nan)])
    with pytest.raises(DataFormatError, match="lack times"):
        ColdItems(which="newest").split(timeless)


def test_cold_users_have_all_their_interactions_in_test(noisy_dataset):
    split = ColdUsers(test_share=0.25, seed=2).split(noisy_dataset)
    held = set(np.flatnonzero(split.held_users).tolist())
    assert len(held) == 10
    assert set(split.test.interactions.user_rows.tolist()) == held
    assert not set(split.train.interactions.user_rows.tolist()) & held
    assert split.candidates is None


def test_an_event_of_a_cold_item_or_user_in_train_is_a_leak(noisy_dataset):
    for splitter in (ColdItems(seed=1), ColdUsers(seed=1)):
        split = splitter.split(noisy_dataset)
        n_train = split.train.n_interactions
        assert check_leakage(split).is_clean
        leaking = replace(split, train=noisy_dataset, test=split.test)
        assert check_leakage(leaking).cold_train_events == noisy_dataset.n_interactions - n_train
        with pytest.raises(DataError, match="cold"):
            check_leakage(leaking).require_clean()


def test_only_cold_items_are_ranked_and_the_protocol_says_so():
    board = checkerboard(n_users=60, n_items=40).data
    split = ColdItems(test_share=0.25, seed=0).split(board)
    metrics = ["recall@5", "catalog_coverage@5"]
    content = evaluate(create_model("tfidf").fit(split.train), split, metrics)
    chance = evaluate(create_model("random").fit(split.train), split, metrics)
    assert "ranking of 10 of 40 items only" in content.protocol
    assert "25% of the items" in content.protocol
    assert content.values["catalog_coverage@5"].mean <= 10 / 40
    assert content.values["recall@5"].low > chance.values["recall@5"].high
    everything = replace(split, candidates=None)
    assert "full ranking of 40 items" in evaluate(create_model("random").fit(split.train), everything, metrics).protocol
    popular = create_model("popular").fit(split.train)
    assert evaluate(popular, split, metrics).values["recall@5"].mean == 0  # nobody has taken a cold item


def test_folds_hold_every_pair_once_and_are_even(noisy_dataset):
    def pairs(data):
        x = data.interactions
        return set((x.user_rows.astype(np.int64) * data.n_items + x.item_rows).tolist())

    tests = [pairs(split.test) for split in k_folds(noisy_dataset, 4, seed=5)]
    assert set().union(*tests) == pairs(noisy_dataset)
    sizes = [len(test) for test in tests]
    assert sum(sizes) == len(pairs(noisy_dataset))
    assert max(sizes) - min(sizes) <= 1
    with pytest.raises(ConfigurationError, match="fold"):
        KFold(n_folds=3, fold=3)
