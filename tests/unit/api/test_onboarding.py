"""The questionnaire for newcomers, over HTTP."""

import pytest

PATH = "/api/v1/onboarding"


async def questions(client, user_id="ann", **more):
    answer = await client.get(PATH, params={"user_id": user_id, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_newcomer_answers_and_gets_questions_and_a_list_that_follow(client):
    first = await questions(client, limit=4)
    assert len(first["questions"]) == 4
    assert not first["done"]
    shoes = next(name for name in first["suggested_interests"])
    told = {
        "user_id": "ann",
        "answers": [
            {"item_id": first["questions"][0]["item_id"], "answer": "like"},
            {"item_id": first["questions"][1]["item_id"], "answer": "not_known"},
        ],
        "interests": [shoes],
        "limit": 3,
        "recommendations": 5,
    }
    answer = await client.post(PATH, json=told)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["stored"], found["opinions"], found["likes"], found["interests"]) == (2, 2, 1, [shoes])
    assert len(found["questions"]) == 3
    assert len(found["recommendations"]["items"]) == 5
    assert found["recommendations"]["fallback"] == "none"
    theirs = (await client.get("/api/v1/recommendations/user/ann", params={"limit": 5})).json()
    assert [i["item_id"] for i in theirs["items"]] == [i["item_id"] for i in found["recommendations"]["items"]]
    again = (await client.post(PATH, json={**told, "recommendations": 0})).json()
    assert (again["stored"], again["recommendations"]) == (0, None)
    assert again["questions"] == found["questions"]


async def test_other_workers_ask_on_where_this_one_stopped(client, home):
    from foretaste.serving.bootstrap import open_engine
    from foretaste.settings import load_settings

    first = (await questions(client, limit=1))["questions"][0]["item_id"]
    async with open_engine(load_settings(foretaste_home=home)) as other:
        await client.post(PATH, json={"user_id": "ann", "answers": [{"item_id": first, "answer": "like"}]})
        theirs = await other.onboarding.questionnaire("ann", 3)
        ours = await questions(client, limit=3)
        assert [q.item_id for q in theirs.questions] == [q["item_id"] for q in ours["questions"]]
        assert first not in {q.item_id for q in theirs.questions}


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, "user_id"),
        ({"user_id": ""}, "user_id"),
        ({"user_id": "session:v-1"}, "kept for anonymous sessions"),
        ({"user_id": "ann", "limit": 0}, "limit"),
        ({"user_id": "ann", "limit": 51}, "limit"),
    ],
)
async def test_a_question_for_nobody_or_for_too_many_items_is_refused(client, refused, params, said):
    answer = await client.get(PATH, params=params)
    assert answer.status_code == 422
    assert said in answer.json()["error"]["message"]


def one(**more):
    return {"user_id": "ann", "answers": [{"item_id": "p-000", "answer": "like", **more}]}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"answers": one()["answers"]}, 422, "user_id"),
        ({"user_id": "ann"}, 422, "neither answers nor interests"),
        (one(answer="love"), 422, "answers.0.answer = 'love'"),
        (one(item_id="nowhere"), 404, "item 'nowhere' is unknown"),
        (one(more=1), 422, "answers.0.more"),
        ({"user_id": "ann", "answers": [{"item_id": "p-000", "answer": "like"}] * 2}, 422, "'p-000' is answered twice"),
        ({"user_id": "ann", "answers": [{"item_id": f"i{n}", "answer": "like"} for n in range(101)]}, 422, "answers"),
        ({"user_id": "ann", "interests": ["x" * 101]}, 422, "interests.0"),
        ({"user_id": "ann", "interests": ["a|b"]}, 422, "stands between interests"),
        ({"user_id": "session:v-1", "interests": ["wool"]}, 422, "kept for anonymous sessions"),
        ([1], 422, "body"),
    ],
)
async def test_answers_that_make_no_sense_are_refused_and_nothing_is_stored(client, engine, body, status, said):
    answer = await client.post(PATH, json=body)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["error"]["message"]
    assert (await engine.records.user_state("ann")).events == ()


async def test_reading_and_answering_need_their_scopes(engine, key_of, bearer, client_of):
    read, write, events = await key_of(engine, "read"), await key_of(engine, "write"), await key_of(engine, "events")
    async with client_of(engine) as client:
        assert (await client.get(PATH, params={"user_id": "ann"})).status_code == 401
        statuses = []
        for key in (read, write, events):
            got = await client.get(PATH, params={"user_id": "ann"}, headers=bearer(key))
            put = await client.post(PATH, json=one(), headers=bearer(key))
            statuses.append((got.status_code, put.status_code))
        assert statuses == [(200, 403), (200, 200), (403, 403)]
