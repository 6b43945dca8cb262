"""What is measured of a version while it answers: times, failures, lengths, and how its lists differ from another's."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

SHORTEST_S = 1e-4
GROWTH = 1.2
N_BUCKETS = 64
"""Times from 0.1 ms to about 10 s, each bucket 20 % wider than the one before."""
RBO_P = 0.9
"""Weight of the next place against this one: the first ten places have 86 % of the weight."""


class Made(NamedTuple):
    """One list, as far as it is judged."""

    item_ids: Sequence[str]
    k: int
    has_failure: bool = False
    """A source failed or was late; the list is there all the same."""


class Figures(msgspec.Struct):
    """Sums over the lists that one version made; those of several workers can be added up."""

    lists: int = 0
    failed: int = 0
    """Lists in which a source failed, or that could not be made at all."""
    empty: int = 0
    short: int = 0
    """Lists of fewer items than asked for."""
    late: int = 0
    """Lists that were not there within the time limit and were made by the other version."""
    times: list[int] = msgspec.field(default_factory=lambda: [0] * N_BUCKETS)
    """Runs of the pipeline by duration."""
    compared: int = 0
    overlap: float = 0.0
    """Sum of the overlaps of ``compared`` lists."""
    rbo: float = 0.0
    """Sum of their rank-biased overlaps."""
    own_items: int = 0
    """Different items in the compared lists of this version, and of the other one."""
    other_items: int = 0

    def count(self, lists: Sequence["Made"], *, seconds: float) -> None:
        """Add one run of the pipeline."""
        self.lists += len(lists)
        for made in lists:
            self.failed += made.has_failure
            self.empty += not made.item_ids
            self.short += len(made.item_ids) < made.k
        self.times[_bucket(seconds)] += 1

    def count_failure(self, n: int, *, is_late: bool, seconds: float) -> None:
        """Add ``n`` lists that could not be made, or not in time."""
        self.lists += n
        self.late += n if is_late else 0
        self.failed += 0 if is_late else n
        self.times[_bucket(seconds)] += 1

    def share(self, count: int) -> float:
        """``count`` as a share of the lists."""
        return count / self.lists if self.lists else 0.0

    @property
    def runs(self) -> int:
        """Runs of the pipeline whose time is known."""
        return sum(self.times)

    def quantile(self, q: float) -> float:
        """The time in seconds that a share ``q`` of the runs did not exceed, within a bucket's width; 0 without any."""
        total = self.runs
        if total == 0:
            return 0.0
        rank, before = q * total, 0
        for number, count in enumerate(self.times):
            if count and before + count >= rank:
                low = SHORTEST_S * GROWTH ** (number - 1) if number else 0.0
                high = SHORTEST_S * GROWTH**number
                return low + (high - low) * (rank - before) / count
            before += count
        raise AssertionError("the buckets hold fewer runs than their sum")

    def plus(self, other: "Figures") -> "Figures":
        """Both together; of the numbers of different items the larger one, as the same items are in both."""
        return Figures(
            self.lists + other.lists,
            self.failed + other.failed,
            self.empty + other.empty,
            self.short + other.short,
            self.late + other.late,
            [a + b for a, b in zip(self.times, other.times, strict=True)],
            self.compared + other.compared,
            self.overlap + other.overlap,
            self.rbo + other.rbo,
            max(self.own_items, other.own_items),
            max(self.other_items, other.other_items),
        )

    def summary(self) -> dict[str, Any]:
        """What people read: shares, times in milliseconds, means."""
        made: dict[str, Any] = {
            "lists": self.lists,
            "p50_ms": round(1e3 * self.quantile(0.5), 3),
            "p95_ms": round(1e3 * self.quantile(0.95), 3),
            "failed_share": round(self.share(self.failed), 6),
            "empty_share": round(self.share(self.empty), 6),
            "short_share": round(self.share(self.short), 6),
            "late_share": round(self.share(self.late), 6),
            "compared": self.compared,
            "overlap": None,
            "rank_biased_overlap": None,
            "coverage_ratio": None,
        }
        if self.compared:
            made["overlap"] = round(self.overlap / self.compared, 6)
            made["rank_biased_overlap"] = round(self.rbo / self.compared, 6)
            made["coverage_ratio"] = round(self.own_items / self.other_items, 6) if self.other_items else None
        return made


def overlap(one: Sequence[str], other: Sequence[str]) -> float:
    """Share of the longer list that is in both, whatever the order; 1 for two empty ones.

    >>> overlap(["a", "b", "c", "d"], ["d", "c", "x", "y"])
    0.5
    """
    longest = max(len(one), len(other))
    return len(set(one) & set(other)) / longest if longest else 1.0


def rank_biased_overlap(one: Sequence[str], other: Sequence[str], p: float = RBO_P) -> float:
    """How alike two rankings are, the first places counting most: 0 (nothing in common) to 1 (the same).

    Extrapolated from the places that are there (RBO_ext for lists of equal length; a longer one is cut). Two empty
    lists give 1. Source: Webber, Moffat, Zobel 2010, doi:10.1145/1852102.1852106, equation 30.

    >>> round(rank_biased_overlap(["a", "b"], ["b", "a"]), 3)
    0.9
    """
    depth = min(len(one), len(other))
    if depth == 0:
        return 1.0 if len(one) == len(other) else 0.0
    seen_one: set[str] = set()
    seen_other: set[str] = set()
    common, total = 0, 0.0
    for place in range(depth):
        a, b = one[place], other[place]
        common += (a == b) + (a != b and a in seen_other) + (a != b and b in seen_one)
        seen_one.add(a)
        seen_other.add(b)
        total += common / (place + 1) * p ** (place + 1)
    return common / depth * p**depth + (1 - p) / p * total


def _bucket(seconds: float) -> int:
    if seconds <= SHORTEST_S:
        return 0
    return min(N_BUCKETS - 1, math.ceil(math.log(seconds / SHORTEST_S) / math.log(GROWTH)))
