"""Metrics: what is measured on ranked lists and on predicted ratings."""

from foretaste.evaluation.metrics.base import (
    AnyMetric,
    Catalogue,
    ExposureMetric,
    Judged,
    Metric,
    RatingMetric,
    UserMetric,
)
from foretaste.evaluation.metrics.beyond import CatalogCoverage, Gini, LongTailShare, Novelty, PopularityBias
from foretaste.evaluation.metrics.ranking import F1, MAP, MRR, NDCG, HitRate, Precision, Recall
from foretaste.evaluation.metrics.ratings import MAE, RMSE
from foretaste.evaluation.metrics.registry import metric_names, parse_metric, parse_metrics
from foretaste.evaluation.metrics.truth import Truth, judge

__all__ = [
    "F1",
    "MAE",
    "MAP",
    "MRR",
    "NDCG",
    "RMSE",
    "AnyMetric",
    "CatalogCoverage",
    "Catalogue",
    "ExposureMetric",
    "Gini",
    "HitRate",
    "Judged",
    "LongTailShare",
    "Metric",
    "Novelty",
    "PopularityBias",
    "Precision",
    "RatingMetric",
    "Recall",
    "Truth",
    "UserMetric",
    "judge",
    "metric_names",
    "parse_metric",
    "parse_metrics",
]
