"""Parameters and commands of administrators, over HTTP."""

import asyncio

import httpx
import pytest

from foretaste.api.app import create_app
from foretaste.serving.bootstrap import open_engine
from foretaste.settings import load_settings

SETTINGS, COMMANDS = "/api/v1/settings", "/api/v1/commands"


async def setting(client, name, value):
    return await client.put(SETTINGS, json={"parameter_name": name, "value": value})


async def listed(client):
    return (await client.get(SETTINGS)).json()


async def test_a_parameter_is_set_for_the_next_list_and_taken_back(client):
    before = await listed(client)
    assert before["parameters"]["sources.ease.k"] == 20
    assert before["set"] == {}
    answer = await setting(client, "sources.ease.k", 3)
    assert (answer.status_code, answer.json()["value"], answer.json()["version"]) == (200, 3, 1)
    found = (await client.get("/api/v1/recommendations/user/u-000", params={"limit": 3, "trace": True})).json()
    assert sum(bool(item["found_by"]) for item in found["trace"]) <= 3
    assert (await listed(client))["set"] == {"sources.ease.k": 3}
    assert (await setting(client, "sources.ease.k", None)).json()["value"] == 20
    assert (await listed(client))["set"] == {}
    assert (await setting(client, "sources.ease.k", None)).status_code == 404


async def test_a_kept_list_follows_a_parameter_in_every_worker(client, home):
    path = "/api/v1/recommendations/user/u-000"
    async with open_engine(load_settings(foretaste_home=home)) as other:
        await client.get(path)
        assert other._live.current.pipeline.config.merge.damping == 60.0
        await setting(client, "merge.damping", 5)
        await other.recommend("u-000")
        assert other._live.current.pipeline.config.merge.damping == 5.0


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("sources.nowhere.weight", 1.0, "there is no parameter 'sources.nowhere.weight'"),
        ("sources.ease.kind", "popular", "there is no parameter 'sources.ease.kind'"),
        ("sources.ease", 1, "there is no parameter 'sources.ease'"),
        ("models.ease.regularization", 1, "there is no parameter 'models.ease.regularization'"),
        ("merge.colour", 1, "there is no parameter 'merge.colour'"),
        ("merge.damping", -1, "merge.damping = -1"),
        ("merge.method", "best", "merge.method = 'best'"),
        ("sources.ease.weight", "heavy", "sources.0.weight = 'heavy'"),
        ("sources.ease.half_life", 1, "'half_life' is no setting of a source that is a model"),
        ("pool", 0, "pool = 0"),
        ("", 1, "parameter_name"),
    ],
)
async def test_a_parameter_that_does_not_exist_or_a_wrong_value_changes_nothing(client, name, value, said):
    answer = await setting(client, name, value)
    assert answer.status_code == 422, answer.text
    assert said in answer.json()["error"]["message"]
    assert (await listed(client))["set"] == {}


async def test_weights_of_several_sources_are_set_at_once_or_not_at_all(client):
    wrong = await client.post(COMMANDS, json={"command": "set_weights", "weights": {"ease": 2.0, "nowhere": 1.0}})
    assert wrong.status_code == 422
    assert (await listed(client))["set"] == {}
    answer = await client.post(COMMANDS, json={"command": "set_weights", "weights": {"ease": 2.0}})
    assert answer.status_code == 200
    assert (await listed(client))["parameters"]["sources.ease.weight"] == 2.0


async def test_reload_says_which_version_serves(client, engine):
    answer = await client.post(COMMANDS, json={"command": "reload"})
    assert answer.json()["model_version"] == (await engine.artifacts.live())
    assert answer.json()["training"] == {"is_running": False, "is_wanted": False, "ended_at": None, "error": None}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"command": "explode"},
        {"command": "set_weights"},
        {"command": "reload", "weights": {"ease": 1.0}},
        {"command": "reload", "more": 1},
    ],
)
async def test_a_command_that_makes_no_sense_is_refused(client, refused, body):
    before = await listed(client)
    error = refused(await client.post(COMMANDS, json=body), 422, "invalid_request")
    assert "command" in error["message"] or "more" in error["message"]
    assert await listed(client) == before


async def test_a_process_that_does_not_train_says_so(client, refused):
    error = refused(await client.post(COMMANDS, json={"command": "retrain"}), 409, "conflict")
    assert "train" in error["message"]
    assert (await client.get(COMMANDS)).json()["training"]["is_wanted"] is False


async def test_retrain_trains_now_and_the_result_goes_live(home):
    async with open_engine(load_settings(foretaste_home=home), retrains=True) as engine:
        transport = httpx.ASGITransport(create_app(engine))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            before = (await client.get(COMMANDS)).json()["model_version"]
            asked = await client.post(COMMANDS, json={"command": "retrain"})
            assert asked.status_code == 200
            assert asked.json()["training"]["is_wanted"] or asked.json()["training"]["is_running"]
            for _ in range(2400):  # on a busy machine the child, of low priority, takes long
                await asyncio.sleep(0.05)
                found = (await client.get(COMMANDS)).json()
                if not (found["training"]["is_wanted"] or found["training"]["is_running"]):
                    break
            assert found["training"]["error"] is None
            assert found["model_version"] != before


async def test_only_administrators_do_it_and_it_is_noted(engine, key_of, bearer, client_of):
    admin, write = await key_of(engine, "admin"), await key_of(engine, "write")
    async with client_of(engine) as client:
        body = {"parameter_name": "sources.ease.weight", "value": 2.0}
        assert (await client.put(SETTINGS, json=body, headers=bearer(write))).status_code == 403
        assert (await client.get(SETTINGS, headers=bearer(write))).status_code == 403
        assert (await client.post(COMMANDS, json={"command": "reload"}, headers=bearer(write))).status_code == 403
        assert (await client.put(SETTINGS, json=body, headers=bearer(admin))).status_code == 200
    noted = [entry for entry in await engine.audit.entries() if entry.action == "put_setting"]
    assert [(entry.outcome, entry.details) for entry in noted][-1] == ("ok", body)
