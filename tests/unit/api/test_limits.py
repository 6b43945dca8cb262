"""Token buckets against a slow one that counts tokens, with a clock of our own."""

import random

import pytest

from foretaste.api.limits import Limiter, limiters
from foretaste.settings import Rate


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class SlowBucket:
    """As a textbook says it: tokens that come back with time."""

    def __init__(self, rate, clock):
        self.rate, self.clock = rate, clock
        self.tokens, self.at = float(rate.burst), clock()

    def take(self):
        now = self.clock()
        self.tokens = min(self.rate.burst, self.tokens + (now - self.at) * self.rate.amount / self.rate.seconds)
        self.at = now
        if self.tokens < 1 - 1e-6:
            return False
        self.tokens -= 1
        return True


@pytest.mark.parametrize("rate", [Rate(10, 1.0, 10), Rate(600, 60.0, 50), Rate(1, 3600.0, 3), Rate(1000, 1.0, 1)])
@pytest.mark.parametrize("seed", range(5))
def test_a_limiter_lets_through_what_a_bucket_of_tokens_does(rate, seed):
    clock, chance = Clock(), random.Random(seed)
    limiter, slow = Limiter(rate, clock=clock), SlowBucket(rate, clock)
    for _ in range(500):
        clock.now += chance.choice([0.0, 0.0, 0.3, 1.0, 3.0]) * rate.seconds / rate.amount
        assert limiter.take("a") == slow.take()
        assert limiter.left("a") == int(slow.tokens + 1e-6)


def test_whoever_waits_as_long_as_told_may_ask_and_nobody_earlier():
    clock = Clock()
    limiter = Limiter(Rate(2, 10.0, 3), clock=clock)
    assert [limiter.take("a") for _ in range(4)] == [True, True, True, False]
    assert limiter.wait_s("a") == pytest.approx(5.0)
    assert limiter.headers("a", "read") == (("ratelimit-policy", '"read";q=3;w=15'), ("ratelimit", '"read";r=0;t=5'))
    clock.now += 4.99
    assert not limiter.take("a")
    clock.now += 0.01
    assert limiter.take("a")
    assert limiter.take("b")  # others are not touched
    clock.now += 1e6
    assert limiter.left("a") == 3


def test_a_refused_request_costs_nothing():
    clock = Clock()
    limiter = Limiter(Rate(1, 1.0, 1), clock=clock)
    assert limiter.take("a")
    assert not any(limiter.take("a") for _ in range(100))
    clock.now += 1.0
    assert limiter.take("a")


def test_memory_is_bounded_and_the_newest_stay_counted():
    limiter = Limiter(Rate(1, 3600.0, 1), most=100, clock=Clock())
    for n in range(1000):
        assert limiter.take(f"address {n}")
        assert len(limiter) <= 101
    assert not any(limiter.take(f"address {n}") for n in range(960, 1000))


def test_events_and_writes_share_a_bucket():
    made = limiters({"write": Rate(1, 60.0, 1)})
    assert set(made) == {"write", "events"}
    assert made["write"].take("a")
    assert not made["events"].take("a")
