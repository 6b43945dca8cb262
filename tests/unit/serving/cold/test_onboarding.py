"""The questionnaire over a tiny shop in a real store."""

import asyncio

import pytest

from foretaste.data.weights import NOT_KNOWN
from foretaste.errors import InvalidRecordError, UnknownItemError
from foretaste.events import Event
from foretaste.serving.asking import clean_history
from foretaste.serving.bootstrap import open_engine, open_stores
from foretaste.serving.cold.interests import declared_interests
from foretaste.serving.cold.onboarding import opinions_of
from foretaste.serving.config import parse_pipeline
from foretaste.serving.live.users import EventWeights, history_of
from foretaste.serving.training import fit_models, read_training_data
from foretaste.settings import load_settings


def event(n, item_id, kind, value=None, **more):
    return Event(event_id=str(n), user_id="u", item_id=item_id, type=kind, value=value, timestamp=float(n), **more)


async def asked(engine, user_id="newcomer", n=5):
    return await engine.onboarding.questionnaire(user_id, n)


def test_opinions_come_from_all_that_somebody_did_and_the_newest_counts():
    events = [
        event(1, "a", "purchase"),
        event(2, "b", "dislike"),
        event(3, "c", "impression"),
        event(4, "d", NOT_KNOWN),
        event(5, "e", NOT_KNOWN),
        event(6, "e", "view"),
        event(7, "a", "hide"),
    ]
    assert opinions_of(events, EventWeights(), 0.0) == {"a": "dislike", "b": "dislike", "d": "not_known", "e": "like"}
    rated = [event(1, "a", "rating", 5.0), event(2, "b", "rating", 2.0)]
    assert opinions_of(rated, EventWeights(is_explicit=True), 4.0) == {"a": "like", "b": "dislike"}


def test_what_somebody_does_not_know_is_no_part_of_their_history():
    assert history_of([event(1, "a", NOT_KNOWN)], EventWeights()) is None
    history = history_of([event(1, "a", NOT_KNOWN), event(2, "b", "like")], EventWeights())
    assert history.item_ids == ("b",)


@pytest.mark.parametrize(
    ("value", "found"),
    [(["wool", "", None, "wool"], ("wool",)), ("shoes| books", ("shoes", "books")), (None, ()), (7, ())],
)
def test_interests_are_read_in_the_forms_that_shops_write(value, found):
    assert declared_interests({"interests": value}) == found


async def test_each_answer_changes_what_is_asked_next(engine):
    first = await asked(engine)
    assert len(first.questions) == 5
    assert (first.opinions, first.likes, first.done) == (0, 0, False)
    assert first.questions[0].title
    answers = {first.questions[0].item_id: "like", first.questions[1].item_id: "not_known"}
    assert await engine.onboarding.answer("newcomer", answers) == 2
    second = await asked(engine)
    assert (second.opinions, second.likes) == (2, 1)
    assert not set(answers) & {question.item_id for question in second.questions}
    assert second.certainty >= first.certainty


async def test_likes_and_dislikes_are_events_and_what_is_not_known_may_still_be_shown(engine):
    answers = {"p-000": "like", "p-001": "dislike", "p-002": "not_known"}
    await engine.onboarding.answer("newcomer", answers)
    events = (await engine.records.user_state("newcomer")).events
    assert {e.item_id: e.type for e in events} == {"p-000": "like", "p-001": "dislike", "p-002": NOT_KNOWN}
    found = await engine.recommend("newcomer", 20)
    shown = {item.item_id for item in found.items}
    assert found.fallback != "cold_user"
    assert not {"p-000", "p-001"} & shown
    assert "p-002" in shown


async def test_the_same_answers_again_change_nothing_and_another_answer_counts(engine):
    for expected in (1, 0):
        assert await engine.onboarding.answer("newcomer", {"p-000": "like"}, ["wool"]) == expected
    assert await engine.onboarding.answer("newcomer", {"p-000": "dislike"}) == 1
    assert await engine.onboarding.answer("newcomer", {"p-000": "like"}) == 1
    assert len((await engine.records.user_state("newcomer")).events) == 3
    assert (await asked(engine)).likes == 1


async def test_answers_sent_twice_at_once_are_stored_once(engine):
    both = [engine.onboarding.answer("newcomer", {"p-000": "like"}, [name]) for name in ("wool", "silk")]
    assert sum(await asyncio.gather(*both)) == 1
    assert sorted((await asked(engine)).interests) == ["silk", "wool"]


async def test_interests_join_those_declared_before_and_leave_other_attributes(engine):
    await engine.upsert("user", [{"user_id": "newcomer", "age": 30, "interests": ["wool"]}])
    await engine.onboarding.answer("newcomer", {}, ["silk", "wool"])
    record = await engine.get("user", "newcomer")
    assert dict(record.attributes) == {"age": 30, "interests": ["wool", "silk"]}
    found = await asked(engine)
    assert found.interests == ("wool", "silk")
    assert found.suggested_interests


async def test_it_ends_when_enough_is_known(engine):
    for _ in range(26):
        found = await asked(engine, n=1)
        if not found.questions:
            break
        opinion = "like" if found.questions[0].categories == ("coffee",) else "dislike"
        await engine.onboarding.answer("newcomer", {found.questions[0].item_id: opinion})
    assert found.questions == ()
    assert found.likes >= 3
    assert found.done or found.opinions == 20


async def test_rules_hide_items_from_the_questions_too(engine):
    before = {question.item_id for question in (await asked(engine, n=50)).questions}
    hidden = sorted(before)[:3]
    await engine.rules.put_rules([{"kind": "hide", "name": "recalled", "items": hidden}])
    after = {question.item_id for question in (await asked(engine, n=50)).questions}
    assert after == before - set(hidden)


async def test_nothing_is_stored_when_one_item_is_unknown(engine):
    with pytest.raises(UnknownItemError, match="'nowhere' is unknown"):
        await engine.onboarding.answer("newcomer", {"p-000": "like", "nowhere": "like"}, ["wool"])
    assert (await engine.records.user_state("newcomer")).events == ()
    assert await engine.records.get("user", "newcomer") is None


async def test_wrong_ids_and_interests_are_refused(engine):
    with pytest.raises(InvalidRecordError, match="kept for anonymous sessions"):
        await asked(engine, "session:v")
    with pytest.raises(InvalidRecordError, match="stands between interests"):
        await engine.onboarding.answer("newcomer", {}, ["a|b"])
    for start in (0, 50):
        await engine.onboarding.answer("newcomer", {}, [f"word {n}" for n in range(start, start + 50)])
    with pytest.raises(InvalidRecordError, match="would have 101 interests, at most 100"):
        await engine.onboarding.answer("newcomer", {}, ["one more"])


async def test_before_any_event_one_item_of_each_category_is_asked_about(tmp_path):
    async with open_engine(load_settings(foretaste_home=tmp_path / "empty")) as engine:
        assert (await asked(engine)).questions == ()
        items = [{"item_id": f"i{n}", "category": "abc"[n % 3]} for n in range(9)]
        await engine.upsert("item", items)
        found = await asked(engine, n=3)
        assert sorted(question.categories[0] for question in found.questions) == ["a", "b", "c"]
        assert found.suggested_interests == ("a", "b", "c")
        await engine.onboarding.answer("newcomer", {found.questions[0].item_id: "like"})
        assert found.questions[0].item_id not in {q.item_id for q in (await asked(engine, n=9)).questions}


async def test_a_store_of_ratings_stays_one(settings, tmp_path):
    """An answer becomes a rating, as models that learnt from ratings can read nothing else."""
    home = load_settings(foretaste_home=tmp_path / "rated")
    pipeline = parse_pipeline({"models": {"popular": {"kind": "popular"}}})
    raw = [
        {"user_id": f"u{u}", "item_id": f"i{i}", "type": "rating", "value": 1.0 + (u + i) % 5}
        for u in range(6)
        for i in range(5)
    ]
    async with open_engine(home) as engine:
        await engine.record_events(raw)
        await engine.refresh()
        await engine.onboarding.answer("newcomer", {"i0": "like", "i1": "dislike", "i2": "not_known"})
        events = (await engine.records.user_state("newcomer")).events
        assert {e.item_id: (e.type, e.value) for e in events} == {
            "i0": ("rating", 5.0),
            "i1": ("rating", 1.0),
            "i2": (NOT_KNOWN, None),
        }
        found = await asked(engine)
        assert (found.opinions, found.likes) == (3, 1)
    async with open_stores(home) as stores:
        data = (await read_training_data(stores.records, pipeline)).dataset
    assert data.is_explicit
    assert len(data.interactions) == 32
    assert fit_models(pipeline, data)


async def test_what_is_not_known_is_no_taste_that_others_could_share(engine):
    await engine.onboarding.answer("newcomer", {"p-000": "not_known", "p-001": "dislike"})
    assert (await engine.similar_users("newcomer", 5)).user_ids == ()
    await engine.onboarding.answer("newcomer", {"p-002": "like"})
    assert (await engine.similar_users("newcomer", 5)).user_ids != ()


def test_a_history_that_is_given_leaves_out_what_is_not_known():
    given = ["a", {"item_id": "b", "type": "not-known"}, {"item_id": "c", "type": "like"}]
    assert clean_history(given, EventWeights()).item_ids == ("a", "c")
