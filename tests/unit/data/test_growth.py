"""Populations that grow, against a data set built of all events at once."""

import numpy as np

from foretaste.data import Histories, Population, Vocabulary, grown


def population():
    histories = Histories.from_lists(
        [[0, 1], [], [2]], 3, weights=[[1.0, 2.0], [], [3.0]], timestamps=[[1, 2], [], [3]]
    )
    return Population(Vocabulary(["a", "b", "c"]), Vocabulary(["x", "y", "z"]), histories)


def test_new_events_go_to_the_end_of_their_users_histories():
    known = population()
    found = grown(known, ["b", "a", "new", "a"], ["x", "z", "fresh", "x"], [1.0, 5.0, 2.0, 4.0], [7.0, 8.0, 9.0, 10.0])
    after = found.population
    assert after.users.ids.to_list() == ["a", "b", "c", "new"]
    assert after.items.ids.to_list() == ["x", "y", "z", "fresh"]
    lists = [after.histories.item_rows[after.histories.slice(u)].tolist() for u in range(4)]
    assert lists == [[0, 1, 2, 0], [0], [2], [3]]
    assert after.histories.weights.tolist() == [1.0, 2.0, 5.0, 4.0, 1.0, 3.0, 2.0]
    assert after.histories.timestamps.tolist() == [1.0, 2.0, 8.0, 10.0, 7.0, 3.0, 9.0]
    assert (found.users.tolist(), found.items.tolist()) == ([0, 1, 3], [0, 2, 3])
    assert after.histories.n_items == 4
    np.testing.assert_array_equal(known.histories.item_rows, [0, 1, 2])  # the old one stays


def test_known_ids_keep_the_vocabularies():
    known = population()
    after = grown(known, ["b"], ["x"], [1.0], [np.nan]).population
    assert after.users is known.users
    assert after.items is known.items


def test_growing_in_steps_is_growing_at_once():
    users, items = ["a", "n", "b", "n", "a"], ["w", "x", "w", "z", "x"]
    weights, times = [1.0, 2.0, 3.0, 4.0, 5.0], [10.0, 11.0, 12.0, 13.0, 14.0]
    whole = grown(population(), users, items, weights, times).population
    steps = population()
    for n in range(5):
        steps = grown(steps, users[n : n + 1], items[n : n + 1], weights[n : n + 1], times[n : n + 1]).population
    assert steps.users == whole.users
    assert steps.items == whole.items
    for name in ("indptr", "item_rows", "weights", "timestamps"):
        np.testing.assert_array_equal(getattr(steps.histories, name), getattr(whole.histories, name))
