"""A new version is taken up under load: no request fails, and no answer mixes two versions."""

import asyncio
import threading
import time

import httpx
import pytest

from foretaste.api.server import background_server
from foretaste.serving.bootstrap import open_stores
from foretaste.serving.config import parse_pipeline
from foretaste.serving.training import train

pytestmark = pytest.mark.integration
CLIENTS = 6
LIST = "/api/v1/recommendations/user/u-000?limit=8"


def train_version(settings, source, promote):
    """A version in which every item of a warm list comes from a model of this name."""
    pipeline = parse_pipeline(
        {
            "models": {source: {"kind": "ease", "regularization": 5.0}, "popular": {"kind": "popular"}},
            "sources": [{"model": source, "k": 20}],
            "fallback": {"chain": ["popular"]},
        }
    )

    async def job():
        async with open_stores(settings) as stores:
            version = await train(stores.records, stores.artifacts, pipeline, promote=promote, evaluate=False)
            return version.version

    return asyncio.run(job())


def ask(url, answers, failures, stop):
    with httpx.Client(base_url=url, timeout=20) as client:
        while not stop.is_set():
            try:
                answer = client.get(LIST)
            except httpx.HTTPError as exc:
                failures.append(repr(exc))
                continue
            if answer.status_code != 200:
                failures.append(answer.text)
                continue
            body = answer.json()
            sources = {item["source"] for item in body["items"]}
            answers.append((body["model_version"], frozenset(sources), body["degraded"], len(body["items"])))


@pytest.mark.parametrize("workers", [1, 2])
def test_no_request_fails_or_mixes_versions_while_models_are_swapped(settings, workers):
    settings = settings.model_copy(update={"workers": workers})
    blue = train_version(settings, "blue", promote=True)
    green = train_version(settings, "green", promote=False)
    source_of = {blue: "blue", green: "green"}
    answers, failures, stop = [], [], threading.Event()
    with background_server(settings) as server:
        threads = [threading.Thread(target=ask, args=(server.url, answers, failures, stop)) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            with httpx.Client(base_url=server.url, timeout=20) as client:
                for version in (green, blue, green):
                    time.sleep(0.4)
                    promoted = client.post(f"/api/v1/models/{version}/promote")
                    assert promoted.status_code == 200, promoted.text
                    started = len(answers)
                    deadline = time.monotonic() + 15
                    while time.monotonic() < deadline:  # until all workers have taken it up
                        time.sleep(0.1)
                        latest = {seen for seen, *_ in answers[-30:]}
                        if len(answers) > started + 60 and latest == {version}:
                            break
                    assert latest == {version}
            # and one that another process trains and makes live
            third = train_version(settings, "third", promote=True)
            source_of[third] = "third"
            deadline = time.monotonic() + 15
            while time.monotonic() < deadline and {seen for seen, *_ in answers[-30:]} != {third}:
                time.sleep(0.1)
        finally:
            stop.set()
            for thread in threads:
                thread.join(20)
    assert failures == []
    assert {version for version, *_ in answers} == set(source_of)
    for version, sources, degraded, length in answers:
        assert (sources, degraded, length) == ({source_of[version]}, False, 8)
