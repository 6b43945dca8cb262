"""Metrics by name."""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from foretaste.errors import ConfigurationError, UnknownNameError
from foretaste.evaluation.metrics.base import AnyMetric, Metric
from foretaste.evaluation.metrics.beyond import CatalogCoverage, Gini, LongTailShare, Novelty, PopularityBias
from foretaste.evaluation.metrics.ranking import F1, MAP, MRR, NDCG, HitRate, Precision, Recall
from foretaste.evaluation.metrics.ratings import MAE, RMSE

_RANKING = (
    Precision,
    Recall,
    F1,
    NDCG,
    MAP,
    MRR,
    HitRate,
    CatalogCoverage,
    Novelty,
    LongTailShare,
    PopularityBias,
    Gini,
)
_METRICS: dict[str, type[AnyMetric]] = {metric.name: metric for metric in (*_RANKING, RMSE, MAE)}
_ALIASES = {
    "f1_score": "f1",
    "hr": "hit_rate",
    "coverage": "catalog_coverage",
    "long_tail_coverage": "long_tail_share",
}
_FORM = re.compile(r"(?P<name>\w+)(\[(?P<options>[^\]]*)\])?(@(?P<k>\S+))?")


def metric_names() -> list[str]:
    """All names that :func:`parse_metric` knows, sorted."""
    return sorted(_METRICS)


def parse_metric(text: str, *, k: int | None = None) -> AnyMetric:
    """A metric from text such as ``ndcg@20``, ``recall[denominator=capped]@10`` or ``rmse``.

    Without ``@`` a ranking metric gets the cutoff ``k``, or 10.

    >>> parse_metric("recall@20").label
    'recall@20'

    Raises:
        UnknownNameError: no such metric; the hint lists all.
        ConfigurationError, UnknownParameterError: text of another form, k below 1, an option that there is not.
    """
    form = _FORM.fullmatch(text.strip())
    if form is None:
        raise ConfigurationError(f"{text!r} is not a metric", hint="write it like ndcg@10 or ndcg[gain=linear]@10")
    name = form["name"].lower()
    metric = _METRICS.get(_ALIASES.get(name, name))
    if metric is None:
        near = get_close_matches(name, [*metric_names(), *_ALIASES], n=1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        raise UnknownNameError(f"there is no metric {name!r}", hint=f"{guess}valid ones: {', '.join(metric_names())}")
    options: dict[str, Any] = {}
    for part in filter(None, (form["options"] or "").split(",")):
        option, _, value = part.partition("=")
        options[option.strip()] = value.strip()
    if issubclass(metric, Metric):
        cutoff = form["k"] if form["k"] is not None else k
        if cutoff is not None:
            options["k"] = cutoff
    elif form["k"] is not None:
        raise ConfigurationError(f"metric {metric.name!r} has no cutoff", hint=f"write {metric.name}")
    return metric(**options)


def parse_metrics(metrics: Iterable[str | AnyMetric], *, k: Sequence[int] = ()) -> list[AnyMetric]:
    """Several metrics, each once; one without a cutoff of its own is taken at every ``k``.

    Raises:
        ConfigurationError: none is named; and what :func:`parse_metric` raises.
    """
    found: dict[str, AnyMetric] = {}
    for given in [metrics] if isinstance(metrics, str) else metrics:
        if isinstance(given, str):
            cutoffs: Sequence[int | None] = [None] if "@" in given else list(k) or [None]
            parsed = [parse_metric(given, k=cutoff) for cutoff in cutoffs]
        else:
            parsed = [given]
        found |= {metric.label: metric for metric in parsed}
    if not found:
        raise ConfigurationError("no metric is named", hint=f"choose among {', '.join(metric_names())}")
    return list(found.values())
