"""From settings to a running engine: the one place below the entry points that reads them."""

import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from foretaste.errors import ConfigurationError
from foretaste.logs import configure_logs
from foretaste.models.threads import blas_threads
from foretaste.serving.access import Access, Keys, Tokens
from foretaste.serving.cache import CacheLimits, SharedLists
from foretaste.serving.config import PipelineConfig, load_pipeline
from foretaste.serving.engine import Engine
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.retraining import Retraining, train_in_child
from foretaste.settings import Settings
from foretaste.storage.artifacts import Artifacts, open_artifacts
from foretaste.storage.cache import GuardedCache, open_cache
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
async def open_engine(settings: Settings, *, retrains: bool = False) -> AsyncIterator[Engine]:
    """An engine on the stores that the settings name; it follows the live model until the end of the block.

    With ``retrains`` it also trains when it is told to, and every ``model_update_interval`` seconds where that is set:
    servers do.

    Raises:
        ConfigurationError: the pipeline file is wrong.
        StorageUnavailableError: a store cannot be opened.
    """
    pipeline = pipeline_of(settings)
    # Requests are the work to share out: BLAS threads beside them would only wait by spinning.
    with blas_threads(1):
        async with open_stores(settings) as stores, _engine(settings, pipeline, stores) as engine:
            if not retrains:
                yield engine
                return
            variables = _variables(settings)
            async with Retraining(
                stores.records,
                interval_s=settings.model_update_interval or None,
                train=lambda: train_in_child(variables),
                go_live=engine.commands.take_retrained,
                worker=f"{os.getpid()}-{secrets.token_hex(2)}",
            ):
                engine.commands.can_train = True
                yield engine


def _variables(settings: Settings) -> dict[str, str]:
    """The settings as environment variables for a training process; without secrets that it does not need."""
    values = settings.model_dump(mode="json", exclude_none=True, exclude={"secret_key", "redis_password", "redis_url"})
    return {name.upper(): ",".join(v) if isinstance(v, list) else str(v) for name, v in values.items()}


@asynccontextmanager
async def _engine(settings: Settings, pipeline: PipelineConfig, stores: Stores) -> AsyncIterator[Engine]:
    async def provisional(config: PipelineConfig) -> Bundle:
        from foretaste.serving.training import baselines

        return await baselines(stores.records, config)

    async with AsyncExitStack() as stack:
        shared = None
        if settings.cache_url:
            cache = GuardedCache(await stack.enter_async_context(open_cache(settings.cache_url)))
            stack.push_async_callback(cache.drain)
            shared = SharedLists(cache, namespace=_installation(settings))
        engine = Engine(
            stores.records,
            stores.artifacts,
            pipeline,
            default_k=settings.default_recommendation_count,
            min_history=settings.min_interactions_for_cf,
            use_own_pipeline=settings.pipeline_file is not None,
            provisional=provisional,
            cache=CacheLimits(settings.cache_ttl_s, settings.cache_max_entries, settings.cache_max_bytes),
            shared_lists=shared,
            access=access_of(settings, stores.records),
        )
        yield await stack.enter_async_context(engine)


def _installation(settings: Settings) -> str:
    """What tells this installation from others that use the same cache: its record store."""
    url = urlsplit(settings.records_url)
    if url.scheme == "sqlite":  # a file of this machine
        return f"{socket.gethostname()} {Path(url.path).resolve()}"
    return f"{url.scheme} {url.hostname} {url.port} {url.path}"


def pipeline_of(settings: Settings) -> PipelineConfig:
    """The pipeline that the settings name.

    Raises:
        ConfigurationError: it cannot be read or is wrong.
    """
    return load_pipeline(settings.pipeline_file)


def access_of(settings: Settings, records: Records) -> Access:
    """Who may do what: everybody everything only where others cannot reach the service and nothing names anybody."""
    return Access(records, tokens=tokens_of(settings), always=not settings.is_loopback)


def tokens_of(settings: Settings) -> Tokens | None:
    """What makes and reads tokens; None without a SECRET_KEY."""
    if settings.secret_key is None:
        return None
    secret = settings.secret_key.get_secret_value()
    return Tokens(secret, issuer=settings.jwt_issuer, audience=settings.jwt_audience)


async def check_exposure(settings: Settings) -> None:
    """Refuse an address that others reach while nothing could tell them from you.

    Raises:
        ConfigurationError: the address is not this machine's own, and there is neither a key nor a SECRET_KEY.
        StorageUnavailableError: the store cannot be opened.
    """
    if settings.is_loopback or settings.secret_key is not None:
        return
    async with open_stores(settings) as stores:
        keys, _ = await Keys(stores.records).load()
    if not keys:
        raise ConfigurationError(
            f"API_HOST = {settings.api_host!r} can be reached by others, and there is neither an API key nor a "
            "SECRET_KEY",
            hint="make a key first (foretaste keys create NAME --scope admin) or set SECRET_KEY; "
            "without them the service listens only on 127.0.0.1",
        )


def start_logs(settings: Settings) -> None:
    """Set up logging as the settings say; their secrets are masked wherever they turn up."""
    configure_logs(level=settings.log_level, form=settings.log_format, secrets=settings.secrets)
