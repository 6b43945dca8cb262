from datetime import UTC, datetime

import numpy as np
import pytest

from foretaste.errors import (
    ConfigurationError,
    DataError,
    DataFormatError,
    DataInsufficientError,
    UnknownNameError,
    UnknownParameterError,
)
from foretaste.evaluation.splits import (
    ColdItems,
    ColdUsers,
    GlobalTime,
    KFold,
    LeaveLast,
    LeaveOneOut,
    RandomShare,
    Split,
    check_leakage,
    create_splitter,
    given_split,
    split_names,
)

ALL = [
    RandomShare(seed=3),
    LeaveOneOut(seed=3),
    LeaveLast(n=2),
    GlobalTime(test_share=0.25),
    ColdItems(seed=3),
    ColdUsers(seed=3),
    KFold(seed=3),
]


def _events(data):
    x = data.interactions
    return list(zip(x.user_rows.tolist(), x.item_rows.tolist(), x.weights.tolist(), x.timestamps.tolist(), strict=True))


def _pairs(data):
    return set(zip(data.interactions.user_rows.tolist(), data.interactions.item_rows.tolist(), strict=True))


@pytest.mark.parametrize("splitter", ALL, ids=lambda s: s.name)
def test_every_event_is_on_exactly_one_side_and_in_order(splitter, noisy_dataset):
    split = splitter.split(noisy_dataset)
    assert sorted(_events(split.train) + _events(split.test)) == sorted(_events(noisy_dataset))
    assert split.train.users is split.test.users is noisy_dataset.users
    for part in (split.train, split.test):
        users, times = part.interactions.user_rows, part.interactions.timestamps
        assert (np.lexsort((times, users)) == np.arange(len(users))).all()
    assert check_leakage(split).is_clean
    assert split.name == splitter.name
    assert split.protocol


@pytest.mark.parametrize("splitter", ALL, ids=lambda s: s.name)
def test_the_same_seed_gives_the_same_split(splitter, noisy_dataset):
    first, second = splitter.split(noisy_dataset), splitter.split(noisy_dataset)
    assert _events(first.test) == _events(second.test)


def test_another_seed_gives_another_random_split(noisy_dataset):
    assert _events(RandomShare(seed=1).split(noisy_dataset).test) != _events(
        RandomShare(seed=2).split(noisy_dataset).test
    )


def test_random_share_takes_that_part_of_each_users_distinct_items(noisy_dataset):
    split = RandomShare(test_share=0.3, seed=5).split(noisy_dataset)
    everything, test, train = _pairs(noisy_dataset), _pairs(split.test), _pairs(split.train)
    assert not test & train
    for user in range(noisy_dataset.n_users):
        n_all, n_test = sum(p[0] == user for p in everything), sum(p[0] == user for p in test)
        assert n_test == min(max(round(n_all * 0.3), 1), n_all - 1)


def test_random_share_draws_every_place_of_a_history_equally_often(make_dataset):
    data = make_dataset([("a", f"i{n}", 1.0, float(n)) for n in range(5)])
    drawn = np.zeros(5)
    for seed in range(400):
        test = RandomShare(test_share=0.2, seed=seed).split(data).test
        drawn[test.interactions.item_rows] += 1
    assert drawn.sum() == 400
    assert drawn.min() > 45  # expected 80, standard deviation 8
    assert drawn.max() < 115


def test_users_with_too_little_stay_in_train(make_dataset):
    data = make_dataset([("a", "x", 1, 0), ("b", "x", 1, 0), ("b", "y", 1, 1), ("b", "z", 1, 2)])
    for splitter in (RandomShare(), LeaveOneOut(), LeaveLast()):
        split = splitter.split(data)
        assert data.users.ids_of(np.unique(split.test.interactions.user_rows)) == ["b"]
        assert split.train.n_interactions == 3


def test_a_repeated_pair_never_falls_on_both_sides_of_a_random_split(make_dataset):
    data = make_dataset([("a", item, 1.0, float(t)) for t, item in enumerate("xyxyxyzx")])
    for seed in range(20):
        split = LeaveOneOut(seed=seed).split(data)
        assert len(_pairs(split.test)) == 1
        assert not _pairs(split.test) & _pairs(split.train)


def test_leave_last_takes_the_newest(make_dataset):
    data = make_dataset([("a", "x", 1, 30), ("a", "y", 1, 10), ("a", "z", 1, 20), ("b", "x", 1, 5), ("b", "y", 1, 6)])
    test = LeaveLast(n=2).split(data).test
    assert data.items.ids_of(test.interactions.item_rows) == ["z", "x"]  # user b has too little


def test_leave_last_says_that_times_are_missing(make_dataset):
    data = make_dataset([("a", "x", 1, np.nan), ("a", "y", 1, np.nan), ("a", "w", 1, np.nan)])
    split = LeaveLast().split(data)
    assert data.items.ids_of(split.test.interactions.item_rows) == ["w"]
    assert "times are missing" in split.protocol


def test_global_time_puts_nothing_of_train_after_the_first_test_event(noisy_dataset):
    split = GlobalTime(test_share=0.2).split(noisy_dataset)
    assert split.test.n_interactions == 120
    assert split.train.interactions.timestamps.max() < split.test.interactions.timestamps.min() == split.cutoff


def test_global_time_keeps_events_of_one_moment_together(make_dataset):
    data = make_dataset([("a", f"i{n}", 1.0, 1.0 if n < 5 else 2.0) for n in range(10)])
    split = GlobalTime(test_share=0.2).split(data)
    assert split.test.n_interactions == 5


def test_global_time_splits_at_a_given_moment(make_dataset):
    data = make_dataset([("a", f"i{n}", 1.0, 86_400.0 * n) for n in range(4)])
    by_seconds = GlobalTime(at=86_400.0 * 2).split(data)
    by_date = GlobalTime(at=datetime(1970, 1, 3)).split(data)
    by_zone = GlobalTime(at=datetime(1970, 1, 3, tzinfo=UTC)).split(data)
    assert _events(by_seconds.test) == _events(by_date.test) == _events(by_zone.test)
    assert by_seconds.test.n_interactions == 2
    assert "1970-01-03" in by_date.protocol


def test_global_time_wants_either_a_moment_or_a_share():
    with pytest.raises(ConfigurationError, match="either at or test_share"):
        GlobalTime(at=1.0, test_share=0.1)


def test_a_split_by_time_without_times_says_how_many_are_missing(make_dataset):
    data = make_dataset([("a", "x", 1, np.nan), ("a", "y", 1, 3.0)])
    with pytest.raises(DataFormatError, match=r"1 of 2 in 'toy'"):
        GlobalTime().split(data)


@pytest.mark.parametrize(
    ("splitter", "part"),
    [
        (RandomShare(), "test"),
        (LeaveLast(n=5), "test"),
        (GlobalTime(at=99.0), "test"),
        (GlobalTime(at=0.0), "train"),
    ],
)
def test_a_split_that_leaves_nothing_says_which_part(splitter, part, make_dataset):
    data = make_dataset([("a", "x", 1, 1.0), ("b", "y", 1, 2.0)])
    with pytest.raises(DataInsufficientError, match=f"nothing in the {part} part"):
        splitter.split(data)


def test_an_empty_data_set_cannot_be_split(make_dataset):
    data = make_dataset([], users=["a"], items=["x"])
    for splitter in ALL:
        with pytest.raises(DataInsufficientError, match="leaves nothing"):
            splitter.split(data)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(ConfigurationError, match="test_share"):
        RandomShare(test_share=share)


def test_names_make_splits_and_a_wrong_one_gets_a_guess():
    assert split_names() == [
        "cold_items",
        "cold_users",
        "k_fold",
        "leave_last",
        "leave_one_out",
        "random",
        "time",
    ]
    assert create_splitter("random", test_share=0.1) == RandomShare(test_share=0.1)
    with pytest.raises(
        UnknownNameError, match=r"did you mean 'leave_last'\? valid ones: cold_items, cold_users, k_fold"
    ):
        create_splitter("leave-last")
    with pytest.raises(UnknownParameterError, match="valid ones: seed, test_share, min_items"):
        create_splitter("random", share=0.1)


def test_a_given_split_keeps_ids_apart_from_rows(make_dataset):
    train = make_dataset([("a", "x", 1, 1), ("b", "y", 2, 2)], name="left")
    test = make_dataset([("b", "x", 3, 3), ("b", "new", 4, 4), ("c", "y", 5, 5)], name="right")
    split = given_split(train, test)
    assert split.train.users is split.test.users
    assert split.train.users.ids.to_list() == ["a", "b", "c"]
    assert split.train.items.ids.to_list() == ["x", "y", "new"]
    x = split.test.interactions
    found = list(zip(split.test.users.ids_of(x.user_rows), split.test.items.ids_of(x.item_rows), strict=True))
    assert found == [("b", "x"), ("b", "new"), ("c", "y")]
    assert x.weights.tolist() == [3, 4, 5]
    assert split.train.matrix().shape == (3, 3)


def test_a_given_split_gives_items_of_test_alone_empty_features(make_dataset):
    from dataclasses import replace

    import polars as pl

    train = make_dataset([("a", "x", 1, 1)])
    train = replace(train, item_frame=pl.DataFrame({"item_id": ["x"], "colour": ["red"]}))
    split = given_split(train, make_dataset([("a", "new", 1, 2)]))
    assert split.train.item_frame.to_dict(as_series=False) == {"item_id": ["x", "new"], "colour": ["red", None]}


def test_a_given_split_without_common_users_is_refused(make_dataset):
    with pytest.raises(DataInsufficientError, match="no user of the test part"):
        given_split(make_dataset([("a", "x", 1, 1)]), make_dataset([("b", "x", 1, 1)]))
    with pytest.raises(DataInsufficientError, match="test part 'toy' has no interactions"):
        given_split(make_dataset([("a", "x", 1, 1)]), make_dataset([], users=["a"], items=["x"]))


def test_leakage_is_counted_and_can_be_refused(make_dataset):
    shared = {"users": ["a", "b"], "items": ["x", "y"]}
    train = make_dataset([("a", "x", 1, 1), ("a", "y", 1, 2), ("b", "x", 1, 9)], **shared)
    test = make_dataset([("a", "x", 1, 1), ("a", "y", 1, 7), ("b", "y", 1, 8)], **shared)
    leakage = check_leakage(Split(train, test, "by hand", "by hand", cutoff=7.0))
    assert (leakage.same_events, leakage.repeated_pairs, leakage.late_train_events) == (1, 2, 1)
    assert not leakage.is_clean
    with pytest.raises(DataError, match="1 test events are in train too, 1 train events"):
        leakage.require_clean()


def test_events_without_times_are_not_called_the_same(make_dataset):
    shared = {"users": ["a"], "items": ["x"]}
    train, test = (make_dataset([("a", "x", 1, np.nan)], **shared) for _ in range(2))
    leakage = check_leakage(Split(train, test, "by hand", "by hand"))
    assert (leakage.same_events, leakage.repeated_pairs) == (0, 1)
