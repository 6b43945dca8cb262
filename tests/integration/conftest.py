"""A tiny shop, trained once, for servers in processes of their own."""

import asyncio
import shutil

import pytest

from foretaste.serving.bootstrap import open_stores
from foretaste.serving.config import parse_pipeline
from foretaste.serving.ingest import ingest
from foretaste.serving.training import train
from foretaste.settings import load_settings
from foretaste.testing import tiny_shop

PIPELINE = {
    "models": {"ease": {"kind": "ease", "regularization": 5.0}, "popular": {"kind": "popular"}},
    "sources": [{"model": "ease", "k": 20}],
    "fallback": {"chain": ["popular"]},
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
def settings(trained_home, tmp_path):
    """Settings of a server on a free port, over a copy of the trained home."""
    home = shutil.copytree(trained_home, tmp_path / "home")
    return load_settings(foretaste_home=home, api_port=0, log_level="warning")
