import numpy as np

from foretaste.serving.rules.kept import Kept


def made(kept, key, size=100):
    """Whether the value of a key had to be made."""
    calls = []
    kept.get(key, lambda: calls.append(key) or np.zeros(size, np.int8))
    return bool(calls)


def test_a_value_is_made_once_and_those_used_longest_ago_are_forgotten_first():
    kept = Kept(most_bytes=1000)  # three of 100 + 200 bytes
    assert [made(kept, key) for key in "abca"] == [True, True, True, False]
    assert made(kept, "d")
    assert [key for key, _ in kept.entries()] == ["c", "a", "d"]
    assert made(kept, "b")


def test_at_least_the_newest_stays():
    kept = Kept(most_bytes=10)
    assert made(kept, "a", 1000)
    assert not made(kept, "a", 1000)
    assert made(kept, "b")
    assert [key for key, _ in kept.entries()] == ["b"]


def test_what_was_kept_before_counts():
    kept = Kept(most_bytes=1000, entries=[("a", np.zeros(700, np.int8))])
    assert not made(kept, "a")
    assert made(kept, "b")
    assert [key for key, _ in kept.entries()] == ["b"]
