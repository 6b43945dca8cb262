"""The application over a tiny shop in a real store, asked without a network."""

import asyncio
import shutil

import httpx
import pytest

from foretaste.api.app import create_app
from foretaste.api.policy import Policy
from foretaste.serving.bootstrap import open_engine, open_stores
from foretaste.serving.config import parse_pipeline
from foretaste.serving.ingest import ingest
from foretaste.serving.training import train
from foretaste.settings import load_settings
from foretaste.testing import tiny_shop

PIPELINE = {
    "models": {
        "ease": {"kind": "ease", "regularization": 5.0},
        "popular": {"kind": "popular"},
        "trending": {"kind": "trending"},
        "newest": {"kind": "newest"},
    },
    "sources": [{"model": "ease", "k": 20}],
    "fallback": {"chain": ["popular", "newest"]},
}


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")

    async def prepare():
        async with open_stores(load_settings(foretaste_home=home)) as stores:
            await ingest(stores.records, tiny_shop())
            await train(stores.records, stores.artifacts, parse_pipeline(PIPELINE), evaluate=False)

    asyncio.run(prepare())
    return home


@pytest.fixture
def home(trained_home, tmp_path):
    return shutil.copytree(trained_home, tmp_path / "home")


@pytest.fixture
async def engine(home):
    async with open_engine(load_settings(foretaste_home=home)) as engine:
        yield engine


@pytest.fixture
async def client(engine):
    transport = httpx.ASGITransport(create_app(engine, policy=Policy(max_body_bytes=200_000)))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client
