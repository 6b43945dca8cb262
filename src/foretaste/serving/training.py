"""The training job: events of the store → data set → fitted models → a published, live version."""

import asyncio
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from foretaste.data import Dataset
from foretaste.data.builder import DatasetBuilder
from foretaste.data.intake.config import BuildConfig
from foretaste.data.weights import NOT_KNOWN, RATING, READ, normal_action
from foretaste.errors import DataError, DataInsufficientError, ModelTrainingError, UnsupportedError
from foretaste.logs import get_logger
from foretaste.models import Recommender, create_model, save_bundle
from foretaste.serving.config import ModelSpec, PipelineConfig
from foretaste.serving.live.bundle import Bundle, bundle_of
from foretaste.serving.live.prepared import FOLDER
from foretaste.serving.live.users import UNKNOWN_TIME
from foretaste.serving.precompute import prepared_lists
from foretaste.storage.artifacts import Artifacts, ModelVersion, new_version
from foretaste.storage.records import Record, RecordKind, Records

OnStage = Callable[[str, int, int, float | None], None]
"""Called with (stage, step, steps, loss or None): stages are ``reading``, ``fitting NAME``, ``judging``,
``precomputing``, ``saving``."""
_BASELINES = ("popular", "trending", "newest")
log = get_logger(__name__)


@dataclass(frozen=True)
class TrainingData:
    """A data set made from the store, and what live events need to be weighted alike."""

    dataset: Dataset
    measured: dict[str, Any]


async def train(
    records: Records,
    artifacts: Artifacts,
    pipeline: PipelineConfig,
    *,
    promote: bool = True,
    evaluate: bool = True,
    on_progress: OnStage | None = None,
) -> ModelVersion:
    """Fit the models of a pipeline on all events of the store and publish them as a new version.

    Args:
        promote: make the version live; running servers take it up without a restart.
        evaluate: also fit on a part of the data and record how well the held-out rest was found.
        on_progress: called from the training thread.

    Raises:
        DataInsufficientError: the store has too little to learn from.
        ModelTrainingError: a model that is not optional could not be fitted.
        ConfigurationError: the pipeline names unknown models or parameters.
    """
    report = on_progress if on_progress is not None else _quiet
    check_models(pipeline)
    data = await read_training_data(records, pipeline, on_progress=report)
    start = time.monotonic()
    models, skipped = await asyncio.to_thread(fit_models, pipeline, data.dataset, report)
    metrics: dict[str, Any] = {}
    if evaluate:
        from foretaste.serving.judging import judge_pipeline

        metrics = await asyncio.to_thread(judge_pipeline, pipeline, data.dataset, report)
    seconds = time.monotonic() - start
    version = ModelVersion(
        version=new_version(),
        created_at=time.time(),
        models=tuple(models),
        metrics=metrics,
        pipeline=pipeline.dump(),
        data={**data.measured, "skipped": skipped, "fit_seconds": round(seconds, 3)},
    )
    with tempfile.TemporaryDirectory(prefix="foretaste-") as folder:
        report("saving", 0, 1, None)
        digests = await asyncio.to_thread(_save, pipeline, models, version, Path(folder), report)
        published = await artifacts.publish(Path(folder), replace(version, digests=digests))
    if promote:
        await artifacts.set_live(published.version)
    report("saving", 1, 1, None)
    log.info("models_trained", version=published.version, models=list(models), seconds=round(seconds, 2), live=promote)
    return published


async def read_training_data(
    records: Records, pipeline: PipelineConfig, *, on_progress: OnStage | None = None
) -> TrainingData:
    """The data set of all users, items and events in the store, by the ``[data]`` rules of the pipeline.

    Raises:
        DataInsufficientError: there are no events.
    """
    report = on_progress if on_progress is not None else _quiet
    trained_at = time.time()
    total = await records.count("event")
    if total == 0:
        raise DataInsufficientError("the store has no events", hint="import some: foretaste ingest FILE")
    frames: list[pl.DataFrame] = []
    newest, done = 0, 0
    async for frame in records.scan_events():
        columns = frame.select("event_id", "user_id", "item_id", "type", "value", "timestamp")
        columns = columns.filter(pl.col("type") != NOT_KNOWN)
        frames.append(columns.with_columns(pl.col("timestamp").replace(UNKNOWN_TIME, None)))
        newest = int(frame["sequence"][-1])
        done += len(frame)
        report("reading", done, total, None)
    users, items = await _all_records(records, "user"), await _all_records(records, "item")
    config = BuildConfig.of(pipeline.data)
    dataset, facts = await asyncio.to_thread(_build, config, frames, users, items)
    measured = {
        **facts,
        "users": dataset.n_users,
        "items": dataset.n_items,
        "interactions": len(dataset.interactions),
        "newest_sequence": newest,
        "trained_at": trained_at,
        "is_explicit": dataset.is_explicit,
    }
    return TrainingData(dataset, measured)


def check_models(pipeline: PipelineConfig) -> None:
    """Create every model once, so that a wrong name or parameter is found before the long work.

    Raises:
        ConfigurationError: names the model and what is wrong.
    """
    for spec in pipeline.models.values():
        chosen: ModelSpec | None = spec
        while chosen is not None:
            create_model(chosen.kind, **chosen.parameters)
            chosen = chosen.or_else


def fit_models(
    pipeline: PipelineConfig, dataset: Dataset, on_progress: OnStage | None = None
) -> tuple[dict[str, Recommender], dict[str, str]]:
    """All models of a pipeline fitted on one data set, by name; and the optional ones left out, with the reason.

    Raises:
        ModelTrainingError, DataInsufficientError: of a model that is not optional.
    """
    report = on_progress if on_progress is not None else _quiet
    models: dict[str, Recommender] = {}
    skipped: dict[str, str] = {}
    for name, spec in pipeline.models.items():
        chosen = spec.chosen(dataset.n_items)
        model = create_model(chosen.kind, **chosen.parameters)
        stage = f"fitting {name}"
        report(stage, 0, 1, None)
        start = time.monotonic()
        try:
            model.fit(dataset, on_progress=lambda step, steps, loss, s=stage: report(s, step, steps, loss))  # type: ignore[misc]
        except (DataError, ModelTrainingError, UnsupportedError) as exc:
            if not (spec.optional or chosen.optional):
                raise
            skipped[name] = str(exc)
            log.info("model_left_out", model=name, why=str(exc))
            continue
        report(stage, 1, 1, None)
        log.info("model_fitted", model=name, kind=chosen.kind, seconds=round(time.monotonic() - start, 3))
        models[name] = model
    if not models:
        raise ModelTrainingError("no model of the pipeline could be fitted", details={"skipped": skipped})
    return models, skipped


async def baselines(records: Records, pipeline: PipelineConfig) -> Bundle:
    """A bundle of the pipeline's baselines over the events in the store, to serve until the first training.

    Raises:
        ModelError: not even they could be fitted.
    """
    try:
        data = await read_training_data(records, pipeline)
        specs = {name: spec for name, spec in pipeline.models.items() if spec.kind in _BASELINES}
        chosen = PipelineConfig(models=specs or {"popular": ModelSpec(kind="popular")})
        models, _ = await asyncio.to_thread(fit_models, chosen, data.dataset)
    except DataError as exc:
        raise ModelTrainingError(f"no baseline could be fitted: {exc}") from exc
    described = ModelVersion("baselines", time.time(), tuple(models), pipeline=pipeline.dump(), data=data.measured)
    return replace(bundle_of(models, described), version=None)


def _save(
    pipeline: PipelineConfig, models: dict[str, Recommender], version: ModelVersion, folder: Path, report: OnStage
) -> dict[str, str]:
    """Models, and the lists that the pipeline wants in advance, in a folder; their digests."""
    digests = save_bundle(models, folder)
    lists = prepared_lists(
        pipeline, bundle_of(models, version), lambda done, total: report("precomputing", done, total, None)
    )
    return digests if lists is None else {**digests, FOLDER: lists.save(folder)}


async def _all_records(records: Records, kind: RecordKind) -> list[Record]:
    found: list[Record] = []
    since = 0
    while page := await records.changed(kind, since=since):
        found.extend(record for record in page if not record.attributes.get("_deleted"))
        since = page[-1].version
    return found


def _build(
    config: BuildConfig, frames: list[pl.DataFrame], users: list[Record], items: list[Record]
) -> tuple[Dataset, dict[str, Any]]:
    builder = DatasetBuilder(config, name="store")
    if users:
        builder.add_users(_frame("user_id", users))
    if items:
        builder.add_items(_frame("item_id", items))
    builder.add_interaction_batches(frames)
    return builder.build(), _measured(frames)


def _frame(id_column: str, records: list[Record]) -> pl.DataFrame:
    rows = [{**record.attributes, id_column: record.record_id} for record in records]
    return pl.DataFrame(rows, infer_schema_length=None, strict=False)


def _measured(frames: list[pl.DataFrame]) -> dict[str, Any]:
    """What the weighting of events takes from the whole data; see :class:`EventWeights`."""
    events = pl.concat([frame.select("type", "value", "timestamp") for frame in frames])
    names = {name: normal_action(name) for name in events["type"].unique().to_list()}
    action = events["type"].replace_strict(names, return_dtype=pl.String)
    ratings = events["value"].filter(action == RATING).drop_nulls()
    reads = events["value"].filter(action == READ).drop_nulls()
    times = events["timestamp"].drop_nulls()
    return {
        "top_rating": float(np.asarray(ratings.max())) if len(ratings) else None,
        "read_median_s": float(np.asarray(reads.median())) or None if len(reads) else None,
        "newest_timestamp": float(np.asarray(times.max())) if len(times) else None,
    }


def _quiet(_stage: str, _step: int, _steps: int, _loss: float | None) -> None:
    """Progress that nobody watches."""


__all__ = ["OnStage", "TrainingData", "baselines", "fit_models", "read_training_data", "train"]
