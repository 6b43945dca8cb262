"""The ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from foretaste import __version__
from foretaste.api import documents, errors
from foretaste.api.auth import Gate
from foretaste.api.hot import Hot, HotMiddleware
from foretaste.api.middleware import RequestMiddleware
from foretaste.api.policy import Policy
from foretaste.api.routes import (
    access,
    admin,
    interactions,
    models,
    onboarding,
    recommendations,
    records,
    rules,
    service,
    sessions,
    shop,
)
from foretaste.serving.bootstrap import open_engine
from foretaste.serving.engine import Engine
from foretaste.settings import Settings, load_settings

_DESCRIPTION = "Recommendations that follow what people do: post interactions, get lists, all in milliseconds."


def create_app(source: Engine | Settings | None = None, *, policy: Policy | None = None) -> FastAPI:
    """The application of a running engine, or one that opens an engine from settings when it starts.

    Args:
        source: a started engine (its owner closes it), settings, or None for settings from the environment.
        policy: what is allowed; by default as in the settings.
    """
    settings = source if isinstance(source, Settings) else None
    if source is None:
        settings = load_settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if settings is None:
            yield
            return
        async with open_engine(settings, retrains=True) as engine:
            attach(engine)
            yield

    app = FastAPI(
        title="Foretaste",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,
    )
    allowed = policy or (Policy.of(settings) if settings is not None else Policy())

    def attach(engine: Engine) -> None:
        app.state.engine = engine
        app.state.gate = Gate(engine.access, engine.audit, allowed, metrics=engine.metrics)

    if isinstance(source, Engine):
        attach(source)

    def observe(method: str, route: str, status: int, seconds: float) -> None:
        app.state.engine.metrics.observe_request(method, route, status, seconds)

    app.add_middleware(RequestMiddleware, observe=observe, gate=lambda: app.state.gate, policy=allowed)
    app.state.hot = Hot(app.state, policy=allowed)
    app.add_middleware(HotMiddleware, hot=app.state.hot)
    errors.install(app)
    for router in (
        sessions.router,
        shop.router,
        recommendations.router,
        interactions.router,
        onboarding.router,
        records.users,
        records.items,
        rules.router,
        models.router,
        admin.router,
        access.router,
        service.service,
    ):
        app.include_router(router)
    documents.install(app)
    return app
