"""The forms in which shops ask and tell."""

USER = "u-000"


async def test_the_short_form_holds_the_same_list(client):
    short = await client.get(f"/recommend/{USER}", params={"limit": 5})
    long = (await client.get(f"/api/v1/recommendations/user/{USER}", params={"limit": 5})).json()
    assert short.status_code == 200
    assert short.json() == {
        "user_id": USER,
        "recommendations": [[item["item_id"], item["score"]] for item in long["items"]],
    }


async def test_the_short_form_serves_strangers_and_refuses_what_is_no_id(client):
    assert len((await client.get("/recommend/nobody", params={"limit": 3})).json()["recommendations"]) == 3
    assert (await client.get("/recommend/session:x")).status_code == 422
    assert (await client.get(f"/recommend/{USER}", params={"limit": 0})).status_code == 422


async def test_activity_and_products_are_taken_in_the_shops_words(client):
    activity = {"user_id": 7, "product_id": "p-001", "timestamp": "2026-01-02T03:04:05Z", "action_type": "purchase"}
    posted = await client.post("/api/v1/interactions", json=activity)
    assert (posted.status_code, posted.json()["stored"]) == (200, 1)
    assert "p-001" not in [pair[0] for pair in (await client.get("/recommend/7")).json()["recommendations"]]
    product = {
        "product_id": "sku-1", "name": "Kettle", "category": "kitchen", "tags": ["steel"], "price": 20.0,
        "description": "Boils water.",
    }  # fmt: skip
    assert (await client.post("/api/v1/items", json=product)).json()["results"][0]["id"] == "sku-1"
    newest = (await client.get("/api/v1/recommendations/new", params={"limit": 1})).json()["items"]
    assert [(item["item_id"], item["title"]) for item in newest] == [("sku-1", "Kettle")]


async def test_users_alike_share_items_and_neither_the_user_nor_a_session_is_among_them(client):
    await client.post("/api/v1/interactions", json={"session_id": "v", "item_id": "p-000"})
    body = (await client.get(f"/api/v1/users/{USER}/similar", params={"limit": 6})).json()
    found = [user["user_id"] for user in body["users"]]
    assert (body["user_id"], body["source"], len(found)) == (USER, "shared_items", 6)
    assert USER not in found
    assert not [user for user in found if user.startswith("session:")]
    scores = [user["score"] for user in body["users"]]
    assert scores == sorted(scores, reverse=True)
    favourite = {int(user[2:]) % 4 for user in found[:3]}  # the toy shop's users go round in four tastes
    assert 0 in favourite


async def test_a_user_who_came_after_the_training_has_users_alike_at_once(client):
    for item in ("p-000", "p-001", "p-002"):
        await client.post("/api/v1/interactions", json={"user_id": "late", "item_id": item})
    assert (await client.get("/api/v1/users/late/similar")).json()["users"]


async def test_users_alike_of_nobody_are_not_found_and_of_a_user_without_items_none(client):
    answer = await client.get("/api/v1/users/nobody/similar")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_user")
    await client.put("/api/v1/users/quiet", json={"age": 30})
    assert (await client.get("/api/v1/users/quiet/similar")).json()["users"] == []
