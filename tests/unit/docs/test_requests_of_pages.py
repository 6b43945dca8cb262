import asyncio
import json
import re
import tomllib
from pathlib import Path

import httpx
import pytest

from foretaste.api.app import create_app
from foretaste.serving.bootstrap import open_engine, open_stores
from foretaste.serving.cold.kinds import COLD_KINDS
from foretaste.serving.cold.tastes import OPINIONS, OnboardingConfig
from foretaste.serving.config import load_pipeline, parse_pipeline
from foretaste.serving.ingest import ingest
from foretaste.serving.training import train
from foretaste.settings import load_settings
from foretaste.testing import tiny_shop

PAGES = Path(__file__).parents[3] / "docs" / "serving"
PAGE = (PAGES / "cold-start.md").read_text(encoding="utf-8")
REQUEST = re.compile(r"```http\n(GET|PUT|POST) (\S+)\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("page", ["cold-start.md", "parameters.md"])
def test_every_request_of_the_page_is_answered(tmp_path, page):
    settings = load_settings(foretaste_home=tmp_path)

    async def answers():
        async with open_stores(settings) as stores:
            await ingest(stores.records, tiny_shop())
            await train(stores.records, stores.artifacts, load_pipeline(), evaluate=False)
        async with open_engine(settings) as engine:
            transport = httpx.ASGITransport(create_app(engine))
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                for method, path, body in REQUEST.findall((PAGES / page).read_text(encoding="utf-8")):
                    given = json.loads(body) if body.strip() else None
                    yield await client.request(method, path, json=given)

    async def check():
        found = [answer async for answer in answers()]
        assert found
        assert [answer.status_code for answer in found] == [200] * len(found), [answer.text for answer in found]

    asyncio.run(check())


def test_the_pipelines_of_the_page_are_right():
    for values in map(tomllib.loads, re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)):
        config = parse_pipeline({"models": {"popular": {"kind": "popular"}}} | values)
        assert config.sources
    assert "arrivals" in {source.kind for source in config.sources}


def test_the_page_names_every_kind_of_source():
    assert all(f'kind = "{kind}"' in PAGE for kind in COLD_KINDS)


def test_the_page_names_every_answer_and_only_settings_that_there_are():
    assert all(f"`{opinion}`" in PAGE for opinion in OPINIONS)
    named = re.search(r"`\[onboarding\]` part sets (.*?) and the rest", PAGE, re.DOTALL).group(1)
    assert set(re.findall(r"`(\w+)`", named)) <= set(OnboardingConfig.model_fields)
