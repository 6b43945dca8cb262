"""The application over a tiny shop in a real store, asked without a network."""

import asyncio
import shutil
import time

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
    "deadlines": dict.fromkeys(("candidates_ms", "ranking_ms", "rerank_ms", "explore_ms", "total_ms"), 60_000),
}
"""Its deadlines hold on a machine that is busy with other tests too."""


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


@pytest.fixture
def key_of():
    """Makes a key with scopes in an engine's store; gives the whole key."""

    async def make(engine, *scopes, **rest):
        name = rest.pop("name", "-".join(scopes))
        return (await engine.access.keys.create(name, scopes, now=time.time(), **rest))[1]

    return make


@pytest.fixture
def bearer():
    """The headers that send a key."""
    return lambda key: {"Authorization": f"Bearer {key}"}


@pytest.fixture
def client_of():
    """A client at another address, of an application with a policy of its own."""

    def make(engine, policy=None, address="10.1.2.3"):
        transport = httpx.ASGITransport(create_app(engine, policy=policy or Policy()), client=(address, 5000))
        return httpx.AsyncClient(transport=transport, base_url="http://test")

    return make


@pytest.fixture
def refused():
    """Checks that an answer refuses with a status and a code; gives the error."""

    def check(answer, status, code):
        assert answer.status_code == status, answer.text
        assert answer.json()["error"]["code"] == code
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
        return answer.json()["error"]

    return check
