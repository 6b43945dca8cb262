"""How often somebody may ask: a token bucket for each account, in one number."""

import math
import time
from collections.abc import Callable, Mapping

from foretaste.api.headers import Pairs
from foretaste.settings import Rate

MAX_ACCOUNTS = 100_000
"""Accounts remembered by one limiter; those that asked longest ago are forgotten first."""


class Limiter:
    """A token bucket an account, kept as the moment at which it will be full again (GCRA, as in ATM networks).

    A bucket holds ``burst`` requests and regains ``amount`` in ``seconds``. One look-up and one store a request; memory
    is two dictionaries of at most half of ``most`` entries: when the young one is full it becomes the old one.
    Counts in this process only: with several workers each lets through its own share.
    """

    def __init__(
        self, rate: Rate, *, name: str = "", most: int = MAX_ACCOUNTS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rate = rate
        self._name = name
        self._interval = rate.seconds / rate.amount
        self._depth = self._interval * rate.burst
        self._most_debt = self._depth * (1 + 1e-6)  # not refused for rounding's sake
        self._policy = ("ratelimit-policy", f'"{name}";q={rate.burst};w={math.ceil(self._depth)}')
        self._half = max(1, most // 2)
        self._clock = clock
        self._young: dict[str, float] = {}
        self._old: dict[str, float] = {}

    def take(self, account: str) -> int:
        """Ask once more, now: how many requests the account may still make at once after it; -1: it may not ask."""
        now, young = self._clock(), self._young
        full_at = young.get(account)
        if full_at is None:
            full_at = self._old.get(account, now)
        debt = (full_at - now if full_at > now else 0.0) + self._interval
        if debt > self._most_debt:
            return -1
        young[account] = now + debt
        if len(young) > self._half:
            self._old, self._young = young, {}
        return int((self._depth - debt) / self._interval + 1e-6)

    def wait_s(self, account: str) -> float:
        """Seconds until the account may ask again; 0 when it may now."""
        now = self._clock()
        full_at = self._young.get(account, self._old.get(account, now))
        return max(0.0, max(0.0, full_at - now) + self._interval - self._depth)

    def headers(self, account: str, left: int) -> Pairs:
        """What the answer says after :meth:`take`, as draft-ietf-httpapi-ratelimit-headers writes it."""
        wait_s = 0 if left > 0 else math.ceil(self.wait_s(account))
        return (self._policy, ("ratelimit", f'"{self._name}";r={max(0, left)};t={wait_s}'))

    def __len__(self) -> int:
        return len(self._young) + len(self._old)


def limiters(rates: Mapping[str, Rate]) -> dict[str, Limiter]:
    """A limiter for each scope whose kind of request is limited: events count as writes."""
    made = {kind: Limiter(rate, name=kind) for kind, rate in rates.items()}
    return made | ({"events": made["write"]} if "write" in made else {})
