"""Figures that a running server offers at ``/metrics``."""

import urllib.request
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

Figures = Mapping[tuple[str, tuple[str, ...]], float]
"""(Name, values of the labels in the order of the names of the labels) → value."""


def figures_of(url: str) -> Figures:
    """What one worker counts at this moment."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def hit_rate(before: Figures, after: Figures) -> float:
    """The share of lists that came from the process cache in between."""
    name, of = "foretaste_cache_requests_total", ("hits", "misses", "stale", "joined", "blind")
    counts = {result: _grown(before, after, name, result, "process") for result in of}
    return counts["hits"] / max(1.0, sum(counts.values()))


def stages_ms(before: Figures, after: Figures) -> dict[str, float]:
    """Stage → mean milliseconds that a batch spent in it in between, in the order of the path."""
    from foretaste.serving.pipeline import STAGES

    found = {}
    for stage in STAGES:
        n = _grown(before, after, "foretaste_stage_seconds_count", stage)
        if n:
            found[stage] = 1e3 * _grown(before, after, "foretaste_stage_seconds_sum", stage) / n
    return found


def _grown(before: Figures, after: Figures, name: str, *labels: str) -> float:
    return after.get((name, labels), 0.0) - before.get((name, labels), 0.0)
