"""Rules and scenarios over HTTP: what is set holds for the next list, a cached one too, in every process."""

import httpx
import pytest

from foretaste.api.app import create_app
from foretaste.serving.bootstrap import open_engine
from foretaste.serving.config import parse_pipeline
from foretaste.serving.training import train
from foretaste.settings import load_settings

PIPELINE = {
    "models": {"ease": {"kind": "ease", "regularization": 9.0}, "popular": {"kind": "popular"}},
    "sources": [{"model": "ease", "k": 20}],
    "fallback": {"chain": ["popular"]},
}
USER = "/api/v1/recommendations/user/u-001"


async def items_of(client, path=USER, **params):
    answer = await client.get(path, params={"limit": 5, **params})
    assert answer.status_code == 200, answer.text
    return [item["item_id"] for item in answer.json()["items"]]


async def put(client, *rules, **fields):
    return await client.put("/api/v1/rules", json={"rules": list(rules), **fields})


async def test_a_rule_holds_for_the_next_list_though_the_one_before_is_kept(client):
    before = await items_of(client)
    assert await items_of(client) == before
    answer = await put(client, {"kind": "hide", "name": "recall", "items": [before[0]]})
    assert answer.status_code == 200
    assert answer.json()["effects"] == [{"name": "recall", "kind": "hide", "items": 1, "unknown": []}]
    after = await items_of(client)
    assert len(after) == 5
    assert before[0] not in after
    assert before[0] not in await items_of(client, "/api/v1/recommendations/popular", limit=100)
    assert before[0] not in await items_of(client, f"/api/v1/items/{before[1]}/similar", limit=100)
    await put(client)
    assert await items_of(client) == before


async def test_another_process_keeps_to_a_rule_with_its_very_next_list(client, home):
    async with open_engine(load_settings(foretaste_home=home)) as other_engine:
        transport = httpx.ASGITransport(create_app(other_engine))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as other:
            first = (await items_of(other))[0]
            for n in range(5):
                await put(client, *[{"kind": "hide", "name": "h", "items": [first]}] * (n % 2 == 0))
                assert (first in await items_of(other)) == (n % 2 == 1)
                assert (first in await items_of(other, explain=True)) == (n % 2 == 1)


async def test_a_new_version_keeps_to_the_rules_that_are_set(client, engine, home):
    first = (await items_of(client))[0]
    await put(client, {"kind": "hide", "name": "h", "items": [first]})
    config = parse_pipeline(PIPELINE)
    trained = await train(engine.records, engine.artifacts, config, promote=False, evaluate=False)
    assert (await client.post(f"/api/v1/models/{trained.version}/promote")).status_code == 200
    answer = (await client.get(USER, params={"limit": 5})).json()
    assert answer["model_version"] == trained.version
    assert first not in [item["item_id"] for item in answer["items"]]


async def test_dates_bound_a_hiding(client):
    first = (await items_of(client))[0]
    await put(client, {"kind": "hide", "name": "h", "items": [first], "valid_until": "2020-01-01"})
    assert (await items_of(client))[0] == first
    await put(client, {"kind": "hide", "name": "h", "items": [first], "valid_from": "2020-01-01"})
    assert first not in await items_of(client)


async def test_a_pin_stands_first_and_a_cap_bounds_a_category(client, engine):
    last = (await items_of(client, limit=100))[-1]
    cap = {"kind": "cap", "name": "c", "attribute": "category", "most": 1, "hard": True}
    await put(client, {"kind": "pin", "name": "p", "item": last}, cap)
    answer = (await client.get(USER, params={"limit": 6})).json()
    assert answer["items"][0]["item_id"] == last
    assert answer["items"][0]["source"] == "pinned"
    categories = [(await engine.get("item", i["item_id"])).attributes["category"] for i in answer["items"]]
    assert len(categories) == len(set(categories)) == 4
    assert answer["short_by"] == 2


async def test_what_was_bought_goes_and_what_was_viewed_stays(client):
    rule = {"kind": "bought", "name": "had"}
    await client.put("/api/v1/scenarios/again", json={"exclude_seen": False, "rules": [rule]})
    first = (await items_of(client, scenario="again"))[0]
    event = {"user_id": "u-001", "item_id": first, "type": "view"}
    await client.post("/api/v1/interactions", json=event)
    assert first in await items_of(client, scenario="again", limit=24)
    await client.post("/api/v1/interactions", json=event | {"type": "purchase"})
    assert first not in await items_of(client, scenario="again", limit=24)


async def test_rules_read_the_user_and_the_trace_names_them(client):
    first = (await items_of(client))[0]
    await client.put("/api/v1/users/u-001", json={"segment": "b"})
    deny = f'user.segment == "b" and item.id == "{first}"'
    await put(client, {"kind": "filter", "name": "not for b", "deny": deny})
    answer = (await client.get(USER, params={"limit": 5, "trace": True, "trace_items": first})).json()
    assert answer["trace"][0]["left_out"][0] == "rule 'not for b'"
    assert "rules" in answer["timings_ms"]


async def test_a_scenario_is_changed_and_taken_back_without_a_restart(client):
    before = await items_of(client, scenario="home")
    assert (await client.get(USER, params={"scenario": "home"})).json()["sources"] == ["ease"]
    answer = await client.put(
        "/api/v1/scenarios/home",
        json={"sources": [{"model": "popular"}], "rules": [{"kind": "hide", "name": "h", "items": [before[0]]}]},
    )
    assert answer.status_code == 200, answer.text
    listed = (await client.get(USER, params={"scenario": "home"})).json()
    assert listed["sources"] == ["popular"]
    assert before[0] not in [item["item_id"] for item in listed["items"]]
    assert await items_of(client) == before  # other scenarios stay
    assert list((await client.get("/api/v1/scenarios")).json()["scenarios"]) == ["home"]
    assert (await client.delete("/api/v1/scenarios/home")).status_code == 200
    assert await items_of(client, scenario="home") == before
    assert (await client.delete("/api/v1/scenarios/home")).status_code == 404


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"kind": "filter", "name": "n", "deny": "item.price >"}, "rule 'n', deny: "),
        ({"kind": "filter", "name": "n", "deny": 'item.price > "5"'}, "line 1"),
        ({"kind": "fliter", "name": "n"}, "rules[0] ('n')"),
        ({"kind": "pin", "name": "n", "item": "p-000", "place": 0}, "place = 0"),
    ],
)
async def test_a_wrong_rule_is_refused_with_its_place_and_nothing_changes(client, engine, rule, said):
    await put(client, {"kind": "hide", "name": "h", "items": ["p-000"]})
    for method, path in (("PUT", "/api/v1/rules"), ("POST", "/api/v1/rules/check")):
        answer = await client.request(method, path, json={"rules": [rule]})
        assert answer.status_code == 422
        assert said in answer.json()["error"]["message"]
    assert [one["name"] for one in (await client.get("/api/v1/rules")).json()["rules"]] == ["h"]
    outcomes = [entry.outcome for entry in await engine.records.audit() if entry.action == "put_rules"]
    assert outcomes == ["ok", "rule"]


async def test_a_scenario_that_names_a_model_that_is_not_there_is_refused(client):
    answer = await client.put("/api/v1/scenarios/home", json={"sources": [{"model": "oracle"}]})
    assert answer.status_code == 422
    assert "oracle" in answer.json()["error"]["message"]


async def test_of_two_who_change_the_rules_at_once_the_later_one_is_told(client):
    version = (await put(client, {"kind": "hide", "name": "h", "items": ["p-000"]})).json()["version"]
    assert (await put(client, version=version)).status_code == 200
    assert (await put(client, version=version)).status_code == 409


async def test_checking_says_what_each_rule_does_and_sets_nothing(client):
    rules = [{"kind": "filter", "name": "dear", "deny": "item.price > 0"}, {"kind": "bought", "name": "had"}]
    answer = await client.post("/api/v1/rules/check", json={"rules": rules})
    assert [one["items"] for one in answer.json()["effects"]] == [24, None]
    assert (await client.get("/api/v1/rules")).json() == {"rules": [], "version": 0, "pipeline_rules": []}


async def test_attributes_that_no_item_has_are_named(client):
    rules = [
        {"kind": "filter", "name": "a", "deny": 'item.prise > 3 and item.id != "p-000" and item.price > 0'},
        {"kind": "cap", "name": "b", "attribute": "saler", "most": 2},
    ]
    answer = await client.post("/api/v1/rules/check", json={"rules": rules})
    assert [one["unknown"] for one in answer.json()["effects"]] == [["prise"], ["saler"]]


async def test_a_wrong_scenario_is_called_by_its_name(client):
    answer = await client.put("/api/v1/scenarios/home", json={"k": 3})
    error = answer.json()["error"]
    assert error["message"].startswith("scenario 'home': scenarios.home.k = 3: ")
    assert "pipeline file" not in error["hint"]


async def test_a_wrong_value_is_said_in_words_of_the_rules(client):
    answer = await put(client, {"kind": "boost", "name": "a", "factor": -1})
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith("rules[0] ('a'), factor = -1: ")
