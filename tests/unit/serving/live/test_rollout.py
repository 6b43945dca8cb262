"""Rollouts in engines over one store: shadow, canary, swap, and what sends a version back."""

import asyncio
import gc
import time
import weakref

import pytest

from foretaste.errors import ConflictError, NotFoundError
from foretaste.models.linear.ease import EASE
from foretaste.serving.bootstrap import open_engine
from foretaste.serving.config import parse_pipeline
from foretaste.serving.live import trials
from foretaste.serving.live.rollout_state import Step
from foretaste.serving.training import train

USERS = [f"u-{n:03d}" for n in range(30)]
QUICK = {"min_samples": 10, "watch_s": 0.2, "latency_slack_ms": 500.0, "time_limit_ms": 5000.0}


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(trials, "REPORT_S", 0.0)


async def another(engine, name="green", regularization=6.0):
    """A version whose warm lists come from a model of this name."""
    pipeline = parse_pipeline(
        {
            "models": {
                name: {"kind": "ease", "regularization": regularization},
                "popular": {"kind": "popular"},
            },
            "sources": [{"model": name, "k": 20}],
            "fallback": {"chain": ["popular"]},
            "rollout": QUICK,
            "deadlines": dict.fromkeys(("candidates_ms", "total_ms"), 60_000),  # a busy machine makes nothing late
        }
    )
    return (await train(engine.records, engine.artifacts, pipeline, promote=False, evaluate=False)).version


async def until(check, *, engine, timeout_s=60.0):
    """Ask for lists until ``check`` is true."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        answers = [await engine.recommend(user) for user in USERS[:10]]
        if await check(answers):
            return answers
        await engine.refresh()
    raise AssertionError(f"not within {timeout_s} s: {await engine.rollout()}")


async def stage_is(engine, stage, live=None):
    found = await engine.rollout()
    return found["stage"] == stage and (live is None or found["live"] == live)


async def test_a_good_version_goes_through_shadow_and_canary_and_becomes_live(engine):
    old = await engine.artifacts.live()
    new = await another(engine)
    steps = (Step("shadow", 0.05, 1.0), Step("canary", 10.0, 0.5), Step("watch", 0.2))
    await engine.promote(new, steps, guards=QUICK)
    assert (await engine.recommend(USERS[0])).model_version == old  # nobody sees a shadow
    await until(lambda _: stage_is(engine, "canary"), engine=engine)
    by_user = {user: await engine.recommend(user) for user in USERS}
    assert {answer.model_version for answer in by_user.values()} == {old, new}
    for answer in by_user.values():
        assert (answer.experiment == f"canary:{new}") == (answer.model_version == new)
        assert ("green" in answer.sources) == (answer.model_version == new)
    again = {user: await engine.recommend(user) for user in USERS[:8]}
    assert all(again[user].model_version == by_user[user].model_version for user in again)
    await until(lambda _: stage_is(engine, "idle", new), engine=engine)
    assert await engine.artifacts.live() == new
    answer = await engine.recommend(USERS[0])
    assert (answer.model_version, answer.experiment) == (new, None)
    found = await engine.rollout()
    assert [entry["action"] for entry in found["history"]][:4] == ["kept", "swapped", "canary", "begun"]
    await engine.refresh()  # whoever took the last step has written it down by then
    audited = [entry.action for entry in await engine.records.audit()]
    assert audited[-4:] == ["model_begun", "model_canary", "model_swapped", "model_kept"]
    assert 'foretaste_rollout_actions_total{action="swapped"}' in engine.metrics.text().decode()


async def test_a_batch_is_divided_between_the_versions(engine):
    old, new = await engine.artifacts.live(), await another(engine)
    await engine.promote(new, (Step("canary", None, 0.5),), guards=QUICK)
    answers = await engine.recommend_many(USERS, 5)
    assert [answer.user_id for answer in answers] == USERS
    assert {answer.model_version for answer in answers} == {old, new}
    single = [(await engine.recommend(user, 5)).model_version for user in USERS]
    assert single == [answer.model_version for answer in answers]
    anonymous = await engine.recommend_for_history(["p-000"])
    assert anonymous.model_version == old


def broken_for(monkeypatch, engine, work):
    """Let every model named ``green`` do ``work`` before it answers."""
    kept = EASE._scores

    def scores(self, batch):
        candidate = engine._live.candidate
        if candidate is not None and self is candidate.bundle.models.get("green"):
            work()
        return kept(self, batch)

    monkeypatch.setattr(EASE, "_scores", scores)


async def test_a_canary_that_fails_is_rolled_back_and_nobody_gets_no_list(engine, monkeypatch):
    old, new = await engine.artifacts.live(), await another(engine)
    await engine.promote(new, (Step("canary", 60, 0.5), Step("watch", 1)), guards=QUICK)

    def fail():
        raise RuntimeError("broken inside")

    broken_for(monkeypatch, engine, fail)

    async def given_up(answers):
        assert all(len(answer.items) == 10 for answer in answers)
        return await stage_is(engine, "idle", old)

    await until(given_up, engine=engine)
    found = (await engine.rollout())["history"][0]
    assert (found["action"], found["version"]) == ("rolled_back", new)
    assert "fail" in found["why"]
    assert (await engine.recommend(USERS[0])).model_version == old


async def test_a_canary_that_hangs_is_answered_by_the_old_version_and_rolled_back(engine, monkeypatch):
    old, new = await engine.artifacts.live(), await another(engine)
    await engine.promote(new, (Step("canary", 60, 0.5),), guards={**QUICK, "time_limit_ms": 30.0})
    broken_for(monkeypatch, engine, lambda: time.sleep(0.3))

    async def given_up(answers):
        assert all(answer.items for answer in answers)
        assert {answer.model_version for answer in answers} == {old}
        assert {answer.experiment for answer in answers} == {None}
        return await stage_is(engine, "idle", old)

    await until(given_up, engine=engine)
    assert "late" in (await engine.rollout())["history"][0]["why"]


async def test_a_version_whose_lists_are_all_different_does_not_leave_the_shadow(engine):
    old, new = await engine.artifacts.live(), await another(engine)
    await engine.promote(new, (Step("shadow", 0.01, 1.0), Step("watch", 1)), guards={**QUICK, "min_overlap": 1.0})
    await until(lambda _: stage_is(engine, "idle"), engine=engine)
    found = await engine.rollout()
    assert (found["live"], found["history"][0]["action"]) == (old, "rolled_back")
    assert "share" in found["history"][0]["why"]


async def test_a_version_that_turns_bad_after_the_swap_is_rolled_back(engine, monkeypatch):
    old, new = await engine.artifacts.live(), await another(engine)
    await engine.promote(new)
    assert await stage_is(engine, "watch", new)
    kept = EASE._scores

    def scores(self, batch):
        if self is engine._live.current.bundle.models.get("green"):
            raise RuntimeError("broken inside")
        return kept(self, batch)

    monkeypatch.setattr(EASE, "_scores", scores)
    engine._live.rollout.config = engine._live.rollout.config.with_values({"watch_s": 60.0})
    await engine.promote(old)
    await engine.promote(new)
    await until(lambda _: stage_is(engine, "idle", old), engine=engine)
    assert await engine.artifacts.live() == old
    assert (await engine.recommend(USERS[0])).model_version == old


async def test_clicks_decide_about_a_canary(engine, monkeypatch):
    old, new = await engine.artifacts.live(), await another(engine)
    await engine.promote(new, (Step("canary", 60, 0.5),), guards={**QUICK, "click_alpha": 0.05})
    users = [f"guest-{n}" for n in range(120)]
    answers = await engine.recommend_many(users)
    clicks = [
        {"user_id": a.user_id, "item_id": "p-000", "type": "click", "recommendation_id": a.recommendation_id}
        for a in answers
        if a.model_version == old
    ]
    await engine.record_events([{"user_id": click["user_id"], "item_id": "p-000"} for click in clicks])
    await until(lambda _: stage_is(engine, "canary"), engine=engine, timeout_s=2)  # those were no clicks on a list
    await engine.record_events(clicks)
    await until(lambda _: stage_is(engine, "idle", old), engine=engine)
    assert "clicked" in (await engine.rollout())["history"][0]["why"]


async def test_two_engines_over_one_store_agree(engine, settings):
    old, new = await engine.artifacts.live(), await another(engine)
    async with open_engine(settings) as other:
        await engine.promote(new, (Step("canary", None, 0.5),), guards=QUICK)
        await other.refresh()
        ours = [(await engine.recommend(user)).model_version for user in USERS]
        theirs = [(await other.recommend(user)).model_version for user in USERS]
        assert ours == theirs
        assert set(ours) == {old, new}
        await other.promote(new)
        await engine.refresh()
        assert {(await e.recommend(USERS[0])).model_version for e in (engine, other)} == {new}
        await asyncio.gather(engine.roll_back(), other.roll_back(), return_exceptions=True)
        for e in (engine, other):
            await e.refresh()
            assert (await e.recommend(USERS[0])).model_version == old
        assert (await engine.rollout())["live"] == old == await engine.artifacts.live()


async def test_a_swap_is_seen_by_the_other_worker_with_the_next_stamp(engine, settings):
    new = await another(engine)
    async with open_engine(settings) as other:
        await other.recommend(USERS[0])
        await engine.promote(new)
        deadline = time.monotonic() + 5
        while (await other.recommend(USERS[0])).model_version != new:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)


async def test_a_pointer_that_somebody_else_moved_is_followed(engine, pipeline):
    old = await engine.artifacts.live()
    new = (await train(engine.records, engine.artifacts, pipeline, evaluate=False)).version
    await engine.refresh()
    found = await engine.rollout()
    assert (found["live"], found["previous"]) == (new, old)
    await engine.roll_back()
    assert await engine.artifacts.live() == old
    assert (await engine.recommend(USERS[0])).model_version == old


async def test_a_damaged_candidate_is_refused_for_all_workers(engine, settings, home):
    new = await another(engine)
    async with open_engine(settings) as other:
        await engine.promote(new, (Step("canary", None, 0.5),), guards=QUICK)
        arrays = home / "models" / "versions" / new / "models" / "green" / "arrays.safetensors"
        arrays.write_bytes(arrays.read_bytes()[:-1] + b"\x01")
        await other.refresh()
        found = await other.rollout()
        assert (found["stage"], found["candidate"]) == ("idle", None)
        assert found["history"][0]["action"] == "refused"
        assert found["refused"]["version"] == new
        await engine.refresh()
        assert {answer.experiment for answer in await engine.recommend_many(USERS)} == {None}


async def test_a_damaged_live_version_gives_way_to_the_one_before_even_at_a_start(engine, settings, home):
    old, new = await engine.artifacts.live(), await another(engine)
    await engine.promote(new)
    arrays = home / "models" / "versions" / new / "models" / "green" / "arrays.safetensors"
    arrays.write_bytes(arrays.read_bytes()[:-1] + b"\x01")
    async with open_engine(settings) as other:
        await other.refresh()
        assert (await other.recommend(USERS[0])).model_version == old
        assert await other.artifacts.live() == old


async def test_the_old_bundle_is_released_when_its_last_request_ends(engine):
    engine._live.rollout.config = engine._live.rollout.config.with_values({"watch_s": 0.2})
    kept = engine._live.current
    old = weakref.ref(kept.bundle.models["ease"])
    await engine.promote(await another(engine), guards=QUICK)
    await until(lambda _: stage_is(engine, "idle"), engine=engine)
    gc.collect()
    assert old() is not None  # somebody still answers with it
    del kept
    for _ in range(20):
        await asyncio.sleep(0.01)
        gc.collect()
        if old() is None:
            break
    assert old() is None


async def test_what_cannot_be_rolled_out_or_back_is_said(engine):
    live = await engine.artifacts.live()
    with pytest.raises(ConflictError, match="live already"):
        await engine.promote(live, (Step("canary", 1, 0.5),))
    with pytest.raises(ConflictError, match="no other version"):
        await engine.roll_back()
    with pytest.raises(NotFoundError):
        await engine.roll_back("20200101T000000-nothing")
    assert (await engine.rollout())["stage"] == "idle"


async def test_a_worker_that_dies_in_a_swap_leaves_it_to_another(engine, monkeypatch):
    new = await another(engine)

    async def dies(version):
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(engine.artifacts, "set_live", dies)
        with pytest.raises(asyncio.CancelledError):
            await engine.promote(new)
    assert await engine.artifacts.live() != new
    monkeypatch.setattr("foretaste.serving.live.rollout.UNSETTLED_S", 0.0)
    await engine.refresh()
    await engine.refresh()
    assert await engine.artifacts.live() == new
    assert (await engine.recommend(USERS[0])).model_version == new
