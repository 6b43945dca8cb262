"""Bandits: propensities, regret against arms whose worth is known, formulas against their slow versions, saving."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretaste.errors import ConfigurationError, CorruptStateError, UnknownNameError, UnknownParameterError
from foretaste.models import State
from foretaste.models.bandits import bandit_class, bandit_names, create_bandit

DAY_S = 86_400.0
FEATURES = 3
PARAMETERS = {
    "epsilon_greedy": {"epsilon": 0.1},
    "ucb": {"exploration": 0.5},
    "thompson": {"n_draws": 32},
    "linucb": {"n_features": FEATURES},
    "linear_thompson": {"n_features": FEATURES, "n_draws": 16},
}
VARIANTS = [*PARAMETERS.items(), ("linucb", {"n_features": FEATURES, "shared": True}),
            ("linear_thompson", {"n_features": FEATURES, "shared": True, "n_draws": 16})]  # fmt: skip
IDS = [name + ("-shared" if p.get("shared") else "") for name, p in VARIANTS]


def features_for(bandit, n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, FEATURES)) if bandit.needs_features else None


def taught(name, parameters, n_arms=6, seed=1):
    """A bandit that has seen a little of most arms."""
    bandit, rng = create_bandit(name, **parameters), np.random.default_rng(seed)
    arms = bandit.rows([f"arm-{i}" for i in range(n_arms)])
    shown = rng.integers(0, n_arms - 1, 40)
    x = features_for(bandit, len(shown), seed)
    bandit.show(arms[shown], now=1.0, features=x)
    bandit.reward(arms[shown], rng.integers(0, 2, len(shown)).astype(float), now=2.0, features=x)
    return bandit, arms


def test_every_bandit_is_tested():
    assert set(PARAMETERS) == set(bandit_names())


@pytest.mark.parametrize(("name", "parameters"), VARIANTS, ids=IDS)
def test_propensities_sum_to_one_and_none_is_zero(name, parameters):
    bandit, arms = taught(name, parameters)
    chance = bandit.probabilities(arms, seed=5, features=features_for(bandit, len(arms)))
    assert chance.sum() == pytest.approx(1.0)
    assert (chance >= 0.02 / len(arms) - 1e-12).all()


@pytest.mark.parametrize(("name", "parameters"), VARIANTS, ids=IDS)
def test_propensities_are_how_often_arms_are_chosen(name, parameters):
    bandit, arms = taught(name, parameters)
    x = features_for(bandit, len(arms))
    n = 800
    counts, expected = np.zeros(len(arms)), np.zeros(len(arms))
    for seed in range(n):
        choice = bandit.choose(arms, 1, seed=seed, features=x)
        counts[choice.places[0]] += 1
        expected += bandit.probabilities(arms, seed=seed, features=x)
    assert np.abs(counts - expected).max() < 4 * np.sqrt(n / 4)


@pytest.mark.parametrize(("name", "parameters"), VARIANTS, ids=IDS)
def test_a_choice_repeats_for_its_seed_and_gives_the_propensity_of_its_place(name, parameters):
    bandit, arms = taught(name, parameters)
    x = features_for(bandit, len(arms))
    for seed in range(20):
        choice = bandit.choose(arms, 3, seed=seed, features=x)
        again = bandit.choose(arms, 3, seed=seed, features=x)
        assert np.array_equal(choice.places, again.places)
        assert len(set(choice.places.tolist())) == 3
        assert (choice.propensities > 0).all()
    assert len(bandit.choose(arms, 99, seed=0, features=x).places) == len(arms)
    nothing = bandit.choose(arms[:0], 2, seed=0, features=None if x is None else x[:0])
    assert len(nothing.places) == 0


@pytest.mark.parametrize("name", ["ucb", "thompson", "epsilon_greedy"])
def test_regret_grows_ever_more_slowly_and_is_far_below_that_of_chance(name):
    worth, rng = np.array([0.1, 0.2, 0.3, 0.6]), np.random.default_rng(0)
    bandit = create_bandit(name, **PARAMETERS[name], floor=0.0)
    arms = bandit.rows(list("abcd"))
    regret = np.zeros(2000)
    for step in range(len(regret)):
        place = bandit.choose(arms, 1, seed=step).places[0]
        regret[step] = worth.max() - worth[place]
        bandit.show(arms[[place]], now=step)
        bandit.reward(arms[[place]], np.array([float(rng.random() < worth[place])]), now=step)
    by_chance = (worth.max() - worth).mean() * len(regret)
    assert regret.sum() < 0.35 * by_chance
    if name != "epsilon_greedy":  # whose regret has a part ε for ever
        assert regret[1000:].sum() < 0.7 * regret[:1000].sum()


@pytest.mark.parametrize(("name", "shared"), [("linucb", False), ("linucb", True), ("linear_thompson", False),
                                              ("linear_thompson", True)])  # fmt: skip
def test_contextual_regret_grows_ever_more_slowly(name, shared):
    rng = np.random.default_rng(3)
    weights = rng.normal(size=(3, FEATURES))
    d = 3 * FEATURES if shared else FEATURES
    bandit = create_bandit(name, n_features=d, shared=shared, floor=0.0)
    arms = bandit.rows(list("abc"))
    regret, by_chance = np.zeros(1200), 0.0
    for step in range(len(regret)):
        x = rng.normal(size=FEATURES) / np.sqrt(FEATURES)
        features = np.kron(np.eye(3), x) if shared else np.tile(x, (3, 1))
        means = weights @ x
        place = int(bandit.choose(arms, 1, seed=step, features=features).places[0])
        regret[step] = means.max() - means[place]
        by_chance += means.max() - means.mean()
        seen = features[[place]]
        bandit.show(arms[[place]], now=0.0, features=seen)
        bandit.reward(arms[[place]], np.array([means[place] + rng.normal(scale=0.1)]), now=0.0, features=seen)
    assert regret.sum() < 0.3 * by_chance
    assert regret[600:].sum() < 0.6 * regret[:600].sum()


def test_arms_whose_worth_changes_are_found_again_when_old_rewards_fade():
    rng = np.random.default_rng(0)
    picks = {}
    for half_life in (None, 1.0):
        bandit = create_bandit("ucb", exploration=0.3, half_life_days=half_life)
        arms = bandit.rows(["a", "b"])
        chosen = []
        for step in range(2000):
            worth = (0.7, 0.3) if step < 1000 else (0.3, 0.7)
            now = 1.0 + step * DAY_S / 50
            place = int(bandit.choose(arms, 1, seed=step).places[0])
            bandit.show(arms[[place]], now=now)
            bandit.reward(arms[[place]], np.array([float(rng.random() < worth[place])]), now=now)
            chosen.append(place)
        picks[half_life] = np.mean(chosen[1000:1300])
    assert picks[1.0] > picks[None] + 0.2


def test_epsilon_greedy_by_hand():
    bandit = create_bandit("epsilon_greedy", epsilon=0.3)
    arms = bandit.rows(["a", "b", "c"])
    assert bandit.probabilities(arms, seed=0) == pytest.approx([1 / 3] * 3)
    bandit.show(arms[[0, 0, 1, 1, 2, 2]], now=0.0)
    bandit.reward(arms[[0, 1]], np.array([1.0, 1.0]), now=0.0)
    assert bandit.probabilities(arms, seed=0) == pytest.approx([0.45, 0.45, 0.1])


def test_ucb_by_hand():
    bandit = create_bandit("ucb", exploration=1.0, floor=0.0)
    arms = bandit.rows(["a", "b", "c"])
    bandit.show(arms[[0] * 6 + [1] * 3], now=0.0)
    bandit.reward(arms[[0] * 3], np.ones(3), now=0.0)
    assert bandit.probabilities(arms, seed=0).tolist() == [0.0, 0.0, 1.0]  # never shown
    bandit.show(arms[[2]], now=0.0)
    values = [3 / 6 + np.sqrt(2 * np.log(10) / 6), np.sqrt(2 * np.log(10) / 3), np.sqrt(2 * np.log(10))]
    assert bandit.probabilities(arms, seed=0)[int(np.argmax(values))] == 1.0


def test_thompson_gives_each_arm_the_chance_that_it_is_the_best():
    bandit = create_bandit("thompson", n_draws=10_000, floor=0.0)
    arms = bandit.rows(["a", "b"])
    bandit.show(arms[[0, 0]], now=0.0)
    bandit.reward(arms[[0]], np.ones(1), now=0.0)
    # Beta(2, 2) against Beta(1, 1): even
    assert bandit.probabilities(arms, seed=0) == pytest.approx([0.5, 0.5], abs=0.02)
    bandit.reward(arms[[0]], np.ones(1), now=0.0)
    # P(Beta(3, 1) > U) = its mean
    assert bandit.probabilities(arms, seed=0) == pytest.approx([0.75, 0.25], abs=0.02)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 60), shared=st.booleans())
def test_linear_estimates_are_those_of_a_ridge_regression(seed, n, shared):
    rng = np.random.default_rng(seed)
    bandit = create_bandit("linucb", n_features=FEATURES, shared=shared, regularization=0.5)
    arms = bandit.rows(["a", "b"])
    which, x, r = rng.integers(0, 2, n), rng.normal(size=(n, FEATURES)), rng.normal(size=n)
    bandit.reward(arms[which], r, now=0.0, features=x)  # in any order
    bandit.show(arms[which], now=0.0, features=x)
    asked = rng.normal(size=(2, FEATURES))
    means, deviations = bandit.estimates(arms, asked)
    for arm in range(2):
        own = np.ones(n, bool) if shared else which == arm
        gram = x[own].T @ x[own] + 0.5 * np.eye(FEATURES)
        assert means[arm] == pytest.approx(asked[arm] @ np.linalg.solve(gram, x[own].T @ r[own]), abs=1e-8)
        assert deviations[arm] == pytest.approx(np.sqrt(asked[arm] @ np.linalg.solve(gram, asked[arm])), abs=1e-8)


def test_linear_bandits_forget_towards_what_they_believed_at_first():
    bandit = create_bandit("linucb", n_features=1, half_life_days=1.0)
    arms, x = bandit.rows(["a"]), np.ones((1, 1))
    bandit.show(arms, now=1.0, features=x)
    bandit.reward(arms, np.ones(1), now=1.0, features=x)
    assert bandit.estimates(arms, x)[0] == pytest.approx([0.5])
    bandit.show(arms, now=1.0 + 2 * DAY_S, features=x)  # a quarter of what was, and one without a reward
    assert bandit.estimates(arms, x)[0] == pytest.approx([0.25 / 2.25])


@pytest.mark.parametrize(("name", "parameters"), VARIANTS, ids=IDS)
def test_a_saved_bandit_goes_on_as_it_would_have(name, parameters, tmp_path):
    bandit, arms = taught(name, {**parameters, "half_life_days": 3.0})
    bandit.state().save(tmp_path)
    loaded = bandit_class(name).from_state(State.load(tmp_path))
    assert set(loaded.arms) == (set() if parameters.get("shared") else set(bandit.arms[:5]))  # one was never shown
    x = features_for(bandit, len(arms))
    for one in (bandit, loaded):
        one.show(one.rows(["arm-0", "new"]), now=DAY_S, features=None if x is None else x[:2])
    again, expected = loaded.state(), bandit.state()
    assert again.meta == expected.meta
    for field, values in expected.arrays.items():
        assert np.allclose(again.arrays[field], values)
    asked = ["arm-0", "arm-3", "arm-5", "new"]
    assert np.allclose(*(one.probabilities(one.rows(asked), seed=1, features=None if x is None else x[:4])
                         for one in (bandit, loaded)))  # fmt: skip


@pytest.mark.parametrize(("name", "parameters"), VARIANTS, ids=IDS)
def test_what_was_learnt_does_not_depend_on_the_order_in_which_it_was_seen(name, parameters):
    rng = np.random.default_rng(0)
    seen = [(f"arm-{rng.integers(4)}", DAY_S * rng.uniform(1, 9), rng.random(), rng.normal(size=(1, FEATURES)))
            for _ in range(60)]  # fmt: skip
    states = []
    for order in (range(60), rng.permutation(60)):
        bandit = create_bandit(name, **parameters, half_life_days=2.0)
        for place in order:
            arm, at, reward, x = seen[place]
            x = x if bandit.needs_features else None
            bandit.reward(bandit.rows([arm]), np.array([reward]), now=at, features=x)
            bandit.show(bandit.rows([arm]), now=at, features=x)
        states.append(bandit.state())
    one, other = states
    assert one.meta == other.meta
    for field, values in one.arrays.items():
        assert np.allclose(other.arrays[field], values, rtol=1e-9, atol=1e-12)


def test_a_damaged_state_is_refused():
    bandit, _ = taught("ucb", {})
    state = bandit.state()
    for change in ({"pulls": np.zeros(1)}, {"pulls": np.full(5, np.nan)}, {"pulls": np.zeros((5, 2))}):
        with pytest.raises(CorruptStateError):
            bandit_class("ucb").from_state(State("ucb", state.meta, state.arrays | change))
    with pytest.raises(CorruptStateError):
        bandit_class("ucb").from_state(State("ucb", {}, state.arrays))


def test_what_is_wrong_is_said():
    with pytest.raises(UnknownNameError, match="did you mean 'linucb'"):
        create_bandit("linuc")
    with pytest.raises(UnknownParameterError, match="alpha"):
        create_bandit("linucb", alpha=1)
    bandit = create_bandit("linucb", n_features=2)
    arms = bandit.rows(["a"])
    with pytest.raises(ConfigurationError, match="needs features"):
        bandit.choose(arms, 1, seed=0)
    with pytest.raises(ConfigurationError, match=r"needs features \(1, 2\), not \(1, 3\)"):
        bandit.show(arms, now=0.0, features=np.zeros((1, 3)))
    with pytest.raises(ConfigurationError, match="finite"):
        bandit.reward(arms, np.array([np.nan]), now=0.0, features=np.zeros((1, 2)))
