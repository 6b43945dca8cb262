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

    def __init__(self, rate: Rate, *, most: int = MAX_ACCOUNTS, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self._interval = rate.seconds / rate.amount
        self._depth = self._interval * rate.burst
        self._half = max(1, most // 2)
        self._clock = clock
        self._young: dict[str, float] = {}
        self._old: dict[str, float] = {}

    def take(self, account: str) -> bool:
        """Whether the account may ask once more now; if so, it has."""
        now = self._clock()
        full_at = self._young.get(account)
        if full_at is None:
            full_at = self._old.get(account, 0.0)
        full_at = max(now, full_at) + self._interval
        if full_at - now > self._depth * 1.000001:  # not for rounding's sake
            return False
        self._put(account, full_at)
        return True

    def left(self, account: str) -> int:
        """How many requests the account may make at once now."""
        return max(0, int((self._depth - self._debt(account)) / self._interval + 1e-6))

    def wait_s(self, account: str) -> float:
        """Seconds until the account may ask again; 0 when it may now."""
        return max(0.0, self._debt(account) + self._interval - self._depth)

    def headers(self, account: str, policy: str) -> Pairs:
        """The answer's headers, as draft-ietf-httpapi-ratelimit-headers writes them."""
        window = math.ceil(self._depth)
        return (
            ("ratelimit-policy", f'"{policy}";q={self.rate.burst};w={window}'),
            ("ratelimit", f'"{policy}";r={self.left(account)};t={math.ceil(self.wait_s(account))}'),
        )

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def _debt(self, account: str) -> float:
        """Seconds until the account's bucket is full."""
        full_at = self._young.get(account, self._old.get(account, 0.0))
        return max(0.0, full_at - self._clock())

    def _put(self, account: str, full_at: float) -> None:
        young = self._young
        young[account] = full_at
        if len(young) > self._half:
            self._old, self._young = young, {}


def limiters(rates: Mapping[str, Rate]) -> dict[str, Limiter]:
    """A limiter for each scope whose kind of request is limited: events count as writes."""
    made = {kind: Limiter(rate) for kind, rate in rates.items()}
    return made | ({"events": made["write"]} if "write" in made else {})
