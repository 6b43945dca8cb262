"""How good a pipeline is: fitted on a part of the data, its lists judged on the rest."""

import math
import time
from dataclasses import replace
from typing import Any

import numpy as np

from foretaste.data import Dataset, Query
from foretaste.errors import DataInsufficientError, ModelTrainingError
from foretaste.evaluation.metrics import Catalogue, ExposureMetric, Truth, UserMetric, judge, parse_metrics
from foretaste.evaluation.splits import GlobalTime, RandomShare, Split
from foretaste.logs import get_logger
from foretaste.serving.config import PipelineConfig
from foretaste.serving.live.bundle import bundle_of
from foretaste.serving.pipeline import Pipeline
from foretaste.serving.precompute import prepared_lists
from foretaste.serving.rules import RuleBook, RuleSet
from foretaste.serving.training import OnStage, fit_models
from foretaste.storage.artifacts import ModelVersion

K = 10
MOST_USERS = 2_000
"""Users that are judged; a seeded sample of more."""
_BATCH = 256
_METRICS = (f"ndcg@{K}", f"recall@{K}", f"hit_rate@{K}", f"mrr@{K}", f"catalog_coverage@{K}", f"novelty@{K}")
log = get_logger(__name__)


def judge_pipeline(pipeline: PipelineConfig, data: Dataset, on_progress: OnStage) -> dict[str, Any]:
    """Metrics of the whole pipeline (sources, merge, fallback) on held-out interactions, with the protocol.

    The last tenth by time is held out where all interactions have times, else a random fifth of each user's items. All
    items are ranked. Data too small to be divided give ``{"skipped": why}``.
    """
    try:
        split = _split(data)
        models, _ = fit_models(pipeline, split.train, lambda *step: on_progress("judging", *step[1:]))
    except (DataInsufficientError, ModelTrainingError) as exc:
        return {"skipped": str(exc)}
    start = time.monotonic()
    described = ModelVersion("judged", time.time(), tuple(models), pipeline=pipeline.dump())
    bundle = bundle_of(models, described)
    bundle = replace(bundle, lists=prepared_lists(pipeline, bundle))
    truth_matrix = split.test.matrix("binary")
    users = np.flatnonzero(np.diff(truth_matrix.indptr) > 0)
    if len(users) > MOST_USERS:
        users = np.sort(np.random.default_rng(0).choice(users, MOST_USERS, replace=False))
    runner = Pipeline(pipeline, rules=RuleBook(RuleSet()))  # rules are about a catalogue, which is not here
    user_ids = data.users.ids_of(users)
    rows = []
    for at in range(0, len(users), _BATCH):
        on_progress("judging", at, len(users), None)
        queries = [Query(user_id=user_id, k=K) for user_id in user_ids[at : at + _BATCH]]
        rows.append(runner.run(queries, bundle).lists.item_rows)
    truth = Truth(
        truth_matrix.indptr.astype(np.int64),
        truth_matrix.indices.astype(np.int32),
        truth_matrix.data.astype(np.float64),
    ).take(users)
    metrics = _values(np.concatenate(rows), truth, Catalogue.of(split.train))
    log.info("pipeline_judged", users=len(users), seconds=round(time.monotonic() - start, 2), **metrics)
    return {**metrics, "users": len(users), "protocol": split.protocol}


def _split(data: Dataset) -> Split:
    if data.interactions.has_times and len(np.unique(data.interactions.timestamps)) > 1:
        return GlobalTime(test_share=0.1).split(data)
    return RandomShare(test_share=0.2).split(data)


def _values(rows: Any, truth: Truth, catalogue: Catalogue) -> dict[str, float]:
    judged = judge(rows, truth, catalogue)
    exposure = np.bincount(rows[rows >= 0], minlength=catalogue.n_items)
    values: dict[str, float] = {}
    for metric in parse_metrics(_METRICS):
        value = math.nan
        if isinstance(metric, UserMetric):
            value = float(np.nanmean(metric.per_user(judged.at(metric.k))))
        elif isinstance(metric, ExposureMetric):
            value = metric.value(exposure, catalogue)
        if math.isfinite(value):
            values[metric.label] = round(value, 6)
    return values
