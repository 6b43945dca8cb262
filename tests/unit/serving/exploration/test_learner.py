"""The learner on real logs: what is clicked is found, every worker learns the same, nothing counts twice."""

from dataclasses import replace

import numpy as np
import pytest

from foretaste.errors import StorageUnavailableError
from foretaste.events import Event
from foretaste.monitoring import Metrics
from foretaste.serving.exploration import ExplorationConfig, Explorer
from foretaste.serving.exploration import learner as learning
from foretaste.serving.exploration.learner import Learner
from foretaste.serving.exploration.policy import Explored
from foretaste.serving.exploration.saved import KEY
from foretaste.storage.records import Exposure, open_records

NOW = 1_767_225_600.0
ARMS = ("a", "b", "c", "d")


@pytest.fixture
async def records():
    async with open_records("sqlite://") as records:
        yield records


class Worker:
    """A learner fed as the follower of events feeds it."""

    def __init__(self, records, config, *, clock=lambda: NOW, batch=1000):
        self.records, self.explorer, self.batch = records, Explorer(), batch
        self.policy = self.explorer.policy("", config)
        self.learner = Learner(records, self.explorer, metrics=Metrics(), clock=clock)
        self.after = None

    async def look(self):
        if self.after is None:
            self.after = await self.records.last_sequence()
        while True:
            found = await self.records.new_events(self.after, self.batch)
            events = [event for _, event in found]
            await self.learner.prepare(self.after, events)
            self.learner.take(events)
            if not found:
                return
            self.after = found[-1][0]

    def state(self):
        return self.policy.bandit.state()

    def seen(self, arm):
        """Pulls and rewards of an arm."""
        bandit = self.policy.bandit
        row = bandit.rows([arm])[0]
        return float(bandit.pulls[row]), float(bandit.rewards[row])


def a_list(policy, name, *items, at=NOW, features=()):
    explored = Explored(policy.name, 1.0, items, (0,), (1.0,) * len(items), items, features=features)
    return Exposure(name, items, "u", explored=(True,) * len(items), arms=explored.arms, first_at=at, last_at=at)


def event(n, name, item, kind="click", at=NOW + 5):
    return Event(event_id=str(n), user_id="u", item_id=item, type=kind, timestamp=at, recommendation_id=name)


def assert_same(one, other):
    assert one.meta == other.meta
    assert one.arrays.keys() == other.arrays.keys()
    for name, values in one.arrays.items():
        assert np.allclose(values, other.arrays[name], rtol=1e-9)


@pytest.mark.parametrize("name", ["epsilon_greedy", "ucb", "thompson", "linucb"])
async def test_the_arm_that_is_clicked_most_is_found_and_propensities_are_exact(records, name):
    parameters = {"ucb": {"exploration": 0.5}, "linucb": {"exploration": 0.3}}.get(name, {})
    worker, worth = Worker(records, ExplorationConfig(policy=name, parameters=parameters)), (0.1, 0.2, 0.6, 0.3)
    rng, chosen, chances = np.random.default_rng(4), [], []
    for step in range(300):
        place, chance, features = worker.policy.choose(ARMS, draw=step, situation={}, attributes_of=None)
        chosen.append(place)
        chances.append(chance)
        shown = a_list(worker.policy, f"l{step}", ARMS[place], features=(features,) if features else ())
        await records.log_exposures([shown])
        if rng.random() < worth[place]:
            await records.append_events([event(step, f"l{step}", ARMS[place])])
        await worker.look()
    assert np.mean(np.array(chosen[200:]) == 2) > 0.6
    # the chances of the last state, by trying each draw and by the sum over all arms
    bandit, n = worker.policy.bandit, 3000
    x = np.ones((4, 1)) if bandit.needs_features else None
    expected = bandit.probabilities(bandit.rows(ARMS), seed=0, features=x)
    assert expected.sum() == pytest.approx(1)
    draws = [worker.policy.choose(ARMS, draw=draw, situation={}, attributes_of=None)[:2] for draw in range(n)]
    for place in range(4):
        mine = [chance for taken, chance in draws if taken == place]
        assert mine == pytest.approx([expected[place]] * len(mine))
        assert abs(len(mine) / n - expected[place]) < 4 * np.sqrt(0.25 / n)


async def test_a_list_counts_once_and_an_item_with_the_most_that_came_of_it(records):
    config = ExplorationConfig(policy="ucb", rewards={"view": 0.2})
    worker = Worker(records, config)
    await worker.look()
    await records.log_exposures([a_list(worker.policy, "l", "a", "b")])
    await records.log_exposures([], again={"l": (7, NOW)})  # served from a cache
    await worker.look()
    assert (worker.seen("a"), worker.seen("b")) == ((1, 0), (1, 0))
    for n, (kind, reward) in enumerate([("view", 0.2), ("view", 0.2), ("purchase", 1), ("view", 1), ("skip", 1)]):
        await records.append_events([event(n, "l", "a", kind)])
        await worker.look()
        assert worker.seen("a") == (1, pytest.approx(reward))
    assert worker.seen("b") == (1, 0)


async def test_a_click_that_is_stored_before_its_list_waits_for_it(records):
    worker = Worker(records, ExplorationConfig(policy="ucb"))
    await worker.look()
    await records.append_events([event(1, "l", "a"), event(2, "never", "a")])
    await worker.look()
    assert worker.seen("a") == (0, 0)
    await records.log_exposures([a_list(worker.policy, "l", "a")])
    await worker.look()
    assert worker.seen("a") == (1, 1)


async def test_a_click_from_before_the_start_waits_for_its_list_too(records):
    worker = Worker(records, ExplorationConfig(policy="ucb"))
    await records.append_events([event(1, "l", "a")])
    await worker.look()
    await records.log_exposures([a_list(worker.policy, "l", "a")])
    await worker.look()
    assert worker.seen("a") == (1, 1)


async def test_a_list_that_the_store_would_not_give_is_sought_again(records, monkeypatch):
    worker = Worker(records, ExplorationConfig(policy="ucb"))
    await records.log_exposures([a_list(worker.policy, "l", "a")])
    await worker.look()
    worker.learner._lists.clear()  # too many came since
    click = event(1, "l", "a")

    async def refuse(name):
        raise StorageUnavailableError("locked")

    with monkeypatch.context() as patch:
        patch.setattr(records, "exposure", refuse)
        with pytest.raises(StorageUnavailableError):
            await worker.learner.prepare(0, [click])
    worker.learner.take([click])  # as the follower does all the same
    assert worker.seen("a") == (1, 0)
    await worker.learner.prepare(1, [])
    assert worker.seen("a") == (1, 1)


async def test_only_events_on_explored_items_within_a_day_of_their_list_count(records):
    worker = Worker(records, ExplorationConfig(policy="ucb"))
    await worker.look()
    plain = Exposure("plain", ("a",), "u", first_at=NOW, last_at=NOW)
    other = a_list(worker.policy, "other", "a")
    foreign = replace(other, arms={**other.arms, "policy": "another:1234"})
    await records.log_exposures([plain, foreign, a_list(worker.policy, "l", "a")])
    late = event(4, "l", "a", at=NOW + 86_401)
    await records.append_events([event(1, "plain", "a"), event(2, "other", "a"), event(3, "l", "z"), late])
    await worker.look()
    assert worker.seen("a") == (1, 0)


@pytest.mark.parametrize("name", ["thompson", "ucb", "linucb"])
async def test_workers_learn_the_same_whenever_they_start_and_however_they_read(records, name, monkeypatch):
    config = ExplorationConfig(policy=name, parameters={"half_life_days": 2.0})
    first, second = Worker(records, config), Worker(records, config, batch=3)
    await first.look()
    rng = np.random.default_rng(0)
    for n in range(60):
        item = str(rng.choice(ARMS))
        features = ((1.0,),) if name == "linucb" else ()
        shown = a_list(first.policy, f"l{n}", item, at=NOW + 3600 * n, features=features)
        clicked = [event(n, f"l{n}", item, at=shown.first_at + 1)] if rng.random() < 0.4 else []
        writes = [records.log_exposures([shown]), records.append_events(clicked)]
        for write in writes if rng.random() < 0.5 else reversed(writes):
            await write
            if rng.random() < 0.5:
                await first.look()
        if n == 20:
            await second.look()
    await first.look()
    await second.look()
    third = Worker(records, config)
    monkeypatch.setattr(learning, "PAGE", 7)
    await third.look()
    assert first.state().arrays["arms.text"].size
    assert_same(first.state(), second.state())
    assert_same(first.state(), third.state())


async def test_what_was_saved_is_gone_on_from(records, monkeypatch):
    config = ExplorationConfig(policy="thompson", rewards={"view": 0.5})
    now = NOW
    worker = Worker(records, config, clock=lambda: now)
    await worker.look()
    await records.log_exposures([a_list(worker.policy, f"l{n}", ARMS[n % 4]) for n in range(20)])
    await records.append_events([event(n, f"l{n}", ARMS[n % 4], "view") for n in range(0, 20, 3)])
    await worker.look()
    now = NOW + 61
    await worker.look()  # saves
    before = (await records.get_value(KEY))[0]
    assert list(before) == [worker.policy.name]
    monkeypatch.setattr(learning, "REREAD", 2)  # of what is older the saved state alone tells
    await records.log_exposures([a_list(worker.policy, "new", "a")])
    await records.append_events([event(100, "l0", "a", "view"), event(101, "l3", "d", "purchase")])
    restarted = Worker(records, config, clock=lambda: now)
    await restarted.look()
    await worker.look()
    assert_same(worker.state(), restarted.state())
    assert worker.seen("d") == restarted.seen("d")


async def test_a_store_that_says_no_and_a_damaged_state_lose_nothing(records):
    config = ExplorationConfig(policy="ucb")
    worker = Worker(records, config)
    await worker.look()
    await records.log_exposures([a_list(worker.policy, "l", "a")])
    await records.append_events([event(1, "l", "a")])
    await worker.look()
    await worker.learner.save()
    value, version = await records.get_value(KEY)
    for damage in ({"arrays": {}}, {"given": 3}, {"meta": None}):
        entry = value[worker.policy.name] | damage
        version = await records.put_value(KEY, {worker.policy.name: entry}, expected_version=version)
        again = Worker(records, config)
        await again.look()
        assert again.seen("a") == (1, 1)


async def test_what_cannot_be_read_in_the_log_is_passed_over(records):
    worker = Worker(records, ExplorationConfig(policy="linucb", context=("device",)))
    await worker.look()
    wrong = [
        a_list(worker.policy, "short", "a", features=((1.0,),)),
        replace(
            a_list(worker.policy, "text", "a"), arms={"policy": worker.policy.name, "items": ["a"], "features": "x"}
        ),
        replace(a_list(worker.policy, "none", "a"), arms={"policy": worker.policy.name}),
    ]
    await records.log_exposures(wrong)
    await records.append_events([event(n, one.recommendation_id, "a") for n, one in enumerate(wrong)])
    await worker.look()
    assert not worker.state().arrays["arms.text"].size


async def test_a_policy_that_nobody_uses_any_more_is_forgotten_and_learnt_again_when_it_comes_back(records):
    config = ExplorationConfig(policy="ucb")
    worker = Worker(records, config)
    await worker.look()
    await records.log_exposures([a_list(worker.policy, "l", "a")])
    await worker.look()
    name, worker.policy = worker.policy.name, None
    assert not worker.learner.wants()
    worker.policy = worker.explorer.policy("", config)
    assert worker.policy.name == name
    assert worker.seen("a") == (0, 0)
    await worker.look()
    assert worker.seen("a") == (1, 0)
