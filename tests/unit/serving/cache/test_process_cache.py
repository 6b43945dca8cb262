from foretaste.serving.cache import ProcessCache
from foretaste.serving.cache.entry import Entry
from foretaste.storage.records import Stamp


def entry(size=100):
    return Entry(b"x" * size, Stamp(), 1, recommendation_id="r", item_ids=(), good_until=1.0, made_at=0.0)


def test_what_was_used_longest_ago_makes_room():
    cache = ProcessCache(max_entries=2, max_bytes=1_000_000)
    for key in ("a", "b"):
        cache.put(key, entry())
    assert cache.get("a") is not None
    cache.put("c", entry())
    assert [cache.get(key) is not None for key in ("a", "b", "c")] == [True, False, True]
    assert (len(cache), cache.evicted) == (2, 1)


def test_bytes_are_bounded_and_counted_exactly():
    cache = ProcessCache(max_entries=100, max_bytes=5_000)
    for n in range(50):
        cache.put(n % 7, entry(size=100 * (n % 9)))
        assert cache.size_bytes == sum(e.size_bytes for e in cache._entries.values()) <= 5_000
    cache.put("huge", entry(size=10_000))
    assert cache.get("huge") is None
    cache.clear()
    assert (len(cache), cache.size_bytes) == (0, 0)


def test_a_cache_of_no_entries_keeps_nothing():
    cache = ProcessCache(max_entries=0)
    cache.put("a", entry())
    assert cache.get("a") is None
