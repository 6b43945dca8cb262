"""From settings to a running engine: the one place below the entry points that reads them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from foretaste.logs import configure_logs
from foretaste.models.threads import blas_threads
from foretaste.serving.config import PipelineConfig, load_pipeline
from foretaste.serving.engine import Engine
from foretaste.serving.live.bundle import Bundle
from foretaste.settings import Settings
from foretaste.storage.artifacts import Artifacts, open_artifacts
from foretaste.storage.records import Records, open_records


@dataclass(frozen=True)
class Stores:
    """The open stores of one installation."""

    records: Records
    artifacts: Artifacts


@asynccontextmanager
async def open_stores(settings: Settings) -> AsyncIterator[Stores]:
    """The record store and the artifact store that the settings name, opened and, at the end, closed.

    Raises:
        StorageUnavailableError: one cannot be opened.
    """
    records, artifacts = open_records(settings.records_url), open_artifacts(settings.artifacts_url)
    await records.open()
    try:
        await artifacts.open()
        try:
            yield Stores(records, artifacts)
        finally:
            await artifacts.close()
    finally:
        await records.close()


@asynccontextmanager
async def open_engine(settings: Settings) -> AsyncIterator[Engine]:
    """An engine on the stores that the settings name; it follows the live model until the end of the block.

    Raises:
        ConfigurationError: the pipeline file is wrong.
        StorageUnavailableError: a store cannot be opened.
    """
    pipeline = pipeline_of(settings)
    # Requests are the work to share out: BLAS threads beside them would only wait by spinning.
    with blas_threads(1):
        async with open_stores(settings) as stores, _engine(settings, pipeline, stores) as engine:
            yield engine


@asynccontextmanager
async def _engine(settings: Settings, pipeline: PipelineConfig, stores: Stores) -> AsyncIterator[Engine]:
    async def provisional(config: PipelineConfig) -> Bundle:
        from foretaste.serving.training import baselines

        return await baselines(stores.records, config)

    engine = Engine(
        stores.records,
        stores.artifacts,
        pipeline,
        default_k=settings.default_recommendation_count,
        min_history=settings.min_interactions_for_cf,
        use_own_pipeline=settings.pipeline_file is not None,
        provisional=provisional,
    )
    async with engine:
        yield engine


def pipeline_of(settings: Settings) -> PipelineConfig:
    """The pipeline that the settings name.

    Raises:
        ConfigurationError: it cannot be read or is wrong.
    """
    return load_pipeline(settings.pipeline_file)


def start_logs(settings: Settings) -> None:
    """Set up logging as the settings say."""
    configure_logs(level=settings.log_level, form=settings.log_format)
