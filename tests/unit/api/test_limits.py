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
        assert limiter.take("a") == (int(slow.tokens + 1e-6) if slow.take() else -1)


def test_whoever_waits_as_long_as_told_may_ask_and_nobody_earlier():
    clock = Clock()
    limiter = Limiter(Rate(2, 10.0, 3), name="read", clock=clock)
    assert [limiter.take("a") for _ in range(4)] == [2, 1, 0, -1]
    assert limiter.wait_s("a") == pytest.approx(5.0)
    policy = ("ratelimit-policy", '"read";q=3;w=15')
    assert limiter.headers("a", -1) == limiter.headers("a", 0) == (policy, ("ratelimit", '"read";r=0;t=5'))
    assert limiter.headers("a", 2) == (policy, ("ratelimit", '"read";r=2;t=0'))
    clock.now += 4.99
    assert limiter.take("a") < 0
    clock.now += 0.01
    assert limiter.take("a") == 0
    assert limiter.take("b") == 2  # others are not touched
    clock.now += 1e6
    assert limiter.take("a") == 2


def test_a_refused_request_costs_nothing():
    clock = Clock()
    limiter = Limiter(Rate(1, 1.0, 1), clock=clock)
    assert limiter.take("a") == 0
    assert {limiter.take("a") for _ in range(100)} == {-1}
    clock.now += 1.0
    assert limiter.take("a") == 0


def test_memory_is_bounded_and_the_newest_stay_counted():
    limiter = Limiter(Rate(1, 3600.0, 1), most=100, clock=Clock())
    for n in range(1000):
        assert limiter.take(f"address {n}") == 0
        assert len(limiter) <= 101
    assert {limiter.take(f"address {n}") for n in range(960, 1000)} == {-1}


def test_events_and_writes_share_a_bucket():
    made = limiters({"write": Rate(1, 60.0, 1)})
    assert set(made) == {"write", "events"}
    assert made["write"].take("a") == 0
    assert made["events"].take("a") < 0
