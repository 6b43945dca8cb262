"""Journeys through the engine on real stores: events in, lists out."""

import asyncio

import pytest

from foretaste.errors import (
    ConfigurationError,
    InvalidRecordError,
    StorageUnavailableError,
    UnknownItemError,
    UnknownUserError,
)

USER = "u-000"


def ids(answer):
    return [item.item_id for item in answer.items]


async def test_a_posted_event_changes_the_next_list_and_its_item_disappears(engine):
    before = await engine.recommend(USER)
    first = before.items[0].item_id
    await engine.record_events([{"user_id": USER, "item_id": first, "type": "purchase"}])
    after = await engine.recommend(USER)
    assert first not in ids(after)
    assert ids(after) != ids(before)
    assert len(after.items) == 10


async def test_what_somebody_new_does_moves_their_list_at_once(engine, shop):
    cold = await engine.recommend("newcomer", explain=True)
    assert (cold.fallback, cold.degraded, len(cold.items)) == ("cold_user", False, 10)
    item = shop.items.id(0)
    category = shop.item_frame["category"][0]
    await engine.record_events([{"user_id": "newcomer", "item_id": item, "type": "purchase"}])
    warm = await engine.recommend("newcomer", 3, explain=True)
    assert warm.fallback == "none"
    frame = dict(zip(shop.items.ids, shop.item_frame["category"], strict=True))
    assert frame[ids(warm)[0]] == category
    assert sum(frame[i] == category for i in ids(warm)) >= 2
    assert ids(warm) != ids(cold)[:3]
    assert "you bought" in warm.items[0].reason


async def test_answers_carry_titles_ranks_and_what_made_them(engine, shop):
    answer = await engine.recommend(USER, 4)
    titles = dict(zip(shop.items.ids, shop.titles(), strict=True))
    assert [item.title for item in answer.items] == [titles[i] for i in ids(answer)]
    assert [item.rank for item in answer.items] == [1, 2, 3, 4]
    assert answer.model_version == await engine.artifacts.live()
    assert answer.sources
    assert answer.recommendation_id
    assert answer.items[0].reason is None


async def test_a_visit_without_a_user_is_served_from_its_history(engine, shop):
    history = [shop.items.id(0), {"item_id": shop.items.id(1), "type": "purchase"}]
    answer = await engine.recommend_for_history(history, 5, explain=True)
    assert answer.fallback == "none"
    assert not {shop.items.id(0), shop.items.id(1)} & set(ids(answer))
    assert any("bought" in (item.reason or "") for item in answer.items)
    nothing = await engine.recommend_for_history([], 5)
    assert nothing.fallback == "cold_user"


@pytest.mark.parametrize("history", [[""], [{"type": "view"}], [None], [["i"]], [{"item_id": "i", "value": "x"}]])
async def test_a_wrong_entry_of_a_history_is_named(engine, history):
    with pytest.raises(InvalidRecordError, match=r"history\[0\]"):
        await engine.recommend_for_history(history)


async def test_many_users_get_what_each_gets_alone(engine, shop):
    users = [*shop.users.ids.to_list()[:4], "nobody"]
    together = await engine.recommend_many(users, 5)
    for user, answer in zip(users, together, strict=True):
        alone = await engine.recommend(user, 5)
        assert answer.user_id == user
        assert ids(answer) == ids(alone)
        assert answer.fallback == alone.fallback
    assert await engine.recommend_many([]) == []


async def test_similar_items_come_from_a_model_and_leave_the_item_out(engine, shop):
    item = shop.items.id(0)
    answer = await engine.similar_items(item, 5)
    assert len(answer.items) == 5
    assert item not in ids(answer)
    assert answer.item_id == item
    assert answer.sources[0] in {"ease", "content"}


async def test_an_item_that_came_after_training_gets_others_of_its_category(engine, shop):
    category = shop.item_frame["category"][0]
    await engine.upsert("item", [{"item_id": "brand-new", "title": "Brand new", "category": category}])
    answer = await engine.similar_items("brand-new", 3, explain=True)
    frame = dict(zip(shop.items.ids, shop.item_frame["category"], strict=True))
    assert answer.fallback == "new_item"
    assert [frame[i] for i in ids(answer)] == [category] * 3


async def test_similar_items_of_an_unknown_item_is_an_error(engine):
    with pytest.raises(UnknownItemError, match="'no-such-item'"):
        await engine.similar_items("no-such-item")


async def test_lists_for_everybody_follow_their_kind_and_category(engine, shop):
    popular = await engine.ranked("popular", 5)
    assert popular.sources == ("popular",)
    assert [item.score for item in popular.items] == sorted((item.score for item in popular.items), reverse=True)
    category = shop.item_frame["category"][0]
    frame = dict(zip(shop.items.ids, shop.item_frame["category"], strict=True))
    only = await engine.ranked("popular", 3, category=category.upper())
    assert {frame[i] for i in ids(only)} == {category}
    none = await engine.ranked("popular", 3, category="no such category")
    assert (none.items, none.short_by) == ((), 3)
    assert (await engine.ranked("trending", 3)).fallback == "none"


async def test_a_new_item_is_first_among_the_new_and_can_be_recommended(engine, shop):
    await engine.upsert("item", [{"item_id": "fresh", "title": "Fresh"}])
    newest = await engine.ranked("new", 3, explain=True)
    assert (newest.items[0].item_id, newest.items[0].title) == ("fresh", "Fresh")
    assert newest.items[0].reason
    assert "fresh" in ids(await engine.recommend(USER, 100))


async def test_a_sold_out_item_leaves_all_lists_until_it_is_back(engine):
    first = ids(await engine.recommend(USER))[0]
    record = await engine.get("item", first)
    await engine.upsert("item", [{"item_id": first, "is_available": False, **record.attributes}])
    assert first not in ids(await engine.recommend(USER, 100))
    assert first not in ids(await engine.ranked("popular", 100))
    await engine.upsert("item", [{"item_id": first, **record.attributes}])
    assert ids(await engine.recommend(USER))[0] == first


async def test_a_deleted_item_leaves_all_lists_and_is_unknown(engine):
    first = ids(await engine.recommend(USER))[0]
    await engine.delete("item", first)
    assert first not in ids(await engine.recommend(USER, 100))
    with pytest.raises(UnknownItemError):
        await engine.similar_items(first)
    with pytest.raises(UnknownItemError):
        await engine.delete("item", first)


async def test_a_deleted_user_is_served_from_training_only_and_unknown_to_the_store(engine):
    await engine.delete("user", USER)
    with pytest.raises(UnknownUserError):
        await engine.get("user", USER)
    assert len((await engine.recommend(USER)).items) == 10


async def test_excluded_items_do_not_come(engine):
    first, second = ids(await engine.recommend(USER))[:2]
    assert not {first, second} & set(ids(await engine.recommend(USER, exclude=[first, second])))


@pytest.mark.parametrize("k", [0, -1, 1001])
async def test_a_list_of_no_sensible_length_is_refused(engine, k):
    with pytest.raises(ConfigurationError, match=str(k)):
        await engine.recommend(USER, k)


@pytest.mark.parametrize("user_id", ["", " ", "a\nb", "x" * 257, "\ud800", "a\x00"])
async def test_an_id_that_is_none_is_refused(engine, user_id):
    with pytest.raises(InvalidRecordError, match="user_id"):
        await engine.recommend(user_id)


async def test_when_the_store_fails_lists_still_come_from_the_training_data(engine, monkeypatch):
    async def unavailable(*_, **__):
        raise StorageUnavailableError("database is locked")

    monkeypatch.setattr(engine.records, "stamp", unavailable)
    monkeypatch.setattr(engine.records, "user_state", unavailable)
    answer = await engine.recommend(USER)
    assert len(answer.items) == 10
    assert (answer.fallback, answer.degraded) == ("store_error", True)
    monkeypatch.setattr(engine.records, "append_events", unavailable)
    with pytest.raises(StorageUnavailableError):
        await engine.record_events([{"user_id": USER, "item_id": "i"}])
    monkeypatch.setattr(engine.records, "ping", unavailable)
    status = await engine.status()
    assert (status.ready, status.state) == (False, "down")
    assert "locked" in status.store


async def test_a_failing_model_degrades_the_answer_and_is_counted(engine, monkeypatch):
    from foretaste.models.linear.ease import EASE

    def raising(self, batch):
        raise RuntimeError("broken inside")

    monkeypatch.setattr(EASE, "_scores", raising)
    answer = await engine.recommend(USER)
    assert len(answer.items) == 10
    assert answer.degraded
    assert [(s.source, s.why) for s in answer.fallbacks] == [("ease", "error")]
    assert 'foretaste_source_errors_total{source="ease"} 1.0' in engine.metrics.text().decode()


async def test_two_engines_on_one_store_see_each_others_events_and_items(engine, settings):
    from foretaste.serving.bootstrap import open_engine

    async with open_engine(settings) as other:
        first = ids(await engine.recommend(USER))[0]
        assert ids(await other.recommend(USER))[0] == first
        await other.record_events([{"user_id": USER, "item_id": first, "type": "purchase"}])
        assert first not in ids(await engine.recommend(USER))
        await other.upsert("item", [{"item_id": "elsewhere", "title": "Elsewhere"}])
        for _ in range(40):
            await asyncio.sleep(0.05)
            if ids(await engine.ranked("new", 1)) == ["elsewhere"]:
                break
        assert ids(await engine.ranked("new", 1)) == ["elsewhere"]


async def test_callers_cannot_add_metric_labels_with_made_up_scenarios(engine):
    await engine.recommend(USER, scenario="made-up-by-a-caller")
    assert "made-up" not in engine.metrics.text().decode()
