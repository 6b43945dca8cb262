"""What the caches count: plain numbers on the hot path, made into metrics when somebody looks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector


@dataclass(slots=True)
class TierFigures:
    """Look-ups of one tier by what came of them."""

    hits: int = 0
    misses: int = 0
    """Nothing was there."""
    stale: int = 0
    """Something was there that an event, a rule, a model, an item or time had made old."""
    joined: int = 0
    """Waited for a list that somebody else was having made."""
    blind: int = 0
    """The store did not say whether it was old."""
    failed: int = 0
    """The cache did not answer, or not in time."""
    skipped: int = 0
    """Not asked, because it had failed shortly before."""


@dataclass(frozen=True, slots=True)
class TierSize:
    """How full a tier is."""

    entries: int
    size_bytes: int
    evicted: int


class HasFigures(Protocol):
    """What a collector asks."""

    @property
    def tiers(self) -> dict[str, TierFigures]:
        """The figures of each tier, by its name."""

    def size(self) -> TierSize:
        """How full the process tier is."""


class CacheCollector(Collector):
    """Offers the figures of the tiers to a registry of metrics."""

    def __init__(self, registry: CollectorRegistry, source: "HasFigures") -> None:
        self._source = source
        registry.register(self)

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        asked = CounterMetricFamily(
            "foretaste_cache_requests", "Look-ups by tier and result.", labels=["tier", "result"]
        )
        for tier, figures in self._source.tiers.items():
            for result in TierFigures.__slots__:
                asked.add_metric([tier, result], getattr(figures, result))
        size = self._source.size()
        yield asked
        yield GaugeMetricFamily("foretaste_cache_entries", "Lists kept in this process.", value=size.entries)
        yield GaugeMetricFamily("foretaste_cache_bytes", "Memory that they take, about.", value=size.size_bytes)
        yield CounterMetricFamily("foretaste_cache_evicted", "Lists that had to make room.", value=size.evicted)
