"""A tiny shop in real stores, trained once and copied for each test."""

import asyncio
import shutil

import pytest

from foretaste.serving.bootstrap import open_engine, open_stores
from foretaste.serving.config import parse_pipeline
from foretaste.serving.ingest import ingest
from foretaste.serving.training import train
from foretaste.settings import load_settings
from foretaste.testing import tiny_shop

PIPELINE = {
    "name": "tiny",
    "models": {
        "ease": {"kind": "ease", "regularization": 5.0},
        "content": {"kind": "tfidf", "optional": True},
        "popular": {"kind": "popular"},
        "trending": {"kind": "trending", "optional": True},
        "newest": {"kind": "newest", "optional": True},
    },
    "sources": [{"model": "ease", "k": 20}, {"model": "content", "weight": 0.3, "k": 20}],
    "merge": {"damping": 10},
    "similar": {"models": ["ease", "content"]},
    "fallback": {"chain": ["popular", "newest"]},
    "scenarios": {"again": {"exclude_seen": False}, "content": {"sources": [{"model": "content"}]}},
}


@pytest.fixture(scope="session")
def pipeline():
    return parse_pipeline(PIPELINE)


@pytest.fixture(scope="session")
def shop():
    return tiny_shop()


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory, pipeline, shop):
    """A home folder with the tiny shop's records and one live version."""
    home = tmp_path_factory.mktemp("home")

    async def prepare():
        async with open_stores(load_settings(foretaste_home=home)) as stores:
            await ingest(stores.records, shop)
            await train(stores.records, stores.artifacts, pipeline, evaluate=False)

    asyncio.run(prepare())
    return home


@pytest.fixture
def home(trained_home, tmp_path):
    """A copy of the trained home that a test may change."""
    return shutil.copytree(trained_home, tmp_path / "home")


@pytest.fixture
def settings(home):
    return load_settings(foretaste_home=home)


@pytest.fixture
async def engine(settings):
    async with open_engine(settings) as engine:
        yield engine


@pytest.fixture
async def stores(settings):
    async with open_stores(settings) as stores:
        yield stores


@pytest.fixture
async def empty_stores(tmp_path):
    async with open_stores(load_settings(foretaste_home=tmp_path / "empty")) as stores:
        yield stores
