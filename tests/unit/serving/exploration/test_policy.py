import numpy as np

from foretaste.data import Query
from foretaste.serving.exploration import ExplorationConfig, Explorer, draw_of
from foretaste.serving.exploration.policy import mixed

NOW = 1_767_225_600.0


def policy(**fields):
    return Explorer().policy("", ExplorationConfig(**fields))


def test_a_known_user_keeps_their_draws_until_their_state_or_the_step_of_time_changes():
    held = policy(hold_s=300.0)
    asked = Query(user_id="u", history=("a",), history_timestamps=(1.0,))
    first = draw_of(held, asked, now=NOW, seed=1)
    assert draw_of(held, Query(user_id="u", history=("a",), history_timestamps=(1.0,), k=3), now=NOW, seed=2) == first
    later = Query(user_id="u", history=("a", "a"), history_timestamps=(1.0, 2.0))
    assert draw_of(held, later, now=NOW, seed=1) != first
    steps = [draw_of(held, asked, now=NOW + second, seed=1) for second in range(0, 600, 10)]
    assert len(set(steps)) == 3
    assert draw_of(policy(seed=1), asked, now=NOW, seed=1) != first


def test_somebody_unknown_is_drawn_for_by_the_seed():
    draws = {draw_of(policy(), Query(history=("a",)), now=NOW, seed=seed) for seed in (1, 1, 2)}
    assert len(draws) == 2


def test_the_share_of_lists_that_explore_is_the_configured_one():
    own = policy(share=0.3)
    explored = [own.explores(draw_of(own, Query(user_id=f"u{n}"), now=NOW, seed=0)) for n in range(4000)]
    assert abs(np.mean(explored) - 0.3) < 4 * np.sqrt(0.21 / 4000)


def test_draws_are_spread_evenly():
    points = np.array([mixed(7, n) for n in range(4000)]) / 2.0**64
    assert np.abs(np.histogram(points, 10, (0, 1))[0] - 400).max() < 5 * np.sqrt(400)


def test_pipelines_that_come_and_go_share_what_was_learnt():
    explorer, config = Explorer(), ExplorationConfig(policy="ucb")
    one = explorer.policy("home", config)
    again = explorer.policy("home", ExplorationConfig(policy="ucb", share=0.7))
    assert one.bandit is again.bandit
    assert explorer.policy("email", config).bandit is not one.bandit
