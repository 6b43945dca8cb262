import pytest

from foretaste.errors import ConfigurationError
from foretaste.serving.config import parse_pipeline
from foretaste.serving.exploration import ExplorationConfig
from foretaste.serving.exploration.features import features_of, situation_of

MODELS = {"models": {"popular": {"kind": "popular"}}}


def parsed(**fields):
    return parse_pipeline(MODELS | {"exploration": fields})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"policy": "tomson"}, r"no bandit 'tomson'.*did you mean 'thompson'"),
        ({"policy": "ucb", "parameters": {"epsilon": 0.1}}, "epsilon"),
        ({"parameters": {"n_features": 3}}, "n_features follows from"),
        ({"places": [3, 3]}, "names a rank twice"),
        ({"places": [3, 4], "slots": 1}, "slots = 1 and 2 places do not fit"),
        ({"context": ["hour"]}, "'thompson' knows no context"),
        ({"share": 1.5}, r"exploration.share = 1.5"),
        ({"rewards": {"view": 2}}, r"exploration.rewards.view = 2"),
        ({"pool": "all"}, r"exploration.pool = 'all'"),
    ],
)
def test_what_is_wrong_is_said(fields, said):
    with pytest.raises(ConfigurationError, match=said):
        parsed(**fields)


def test_a_pipeline_with_exploration_survives_being_dumped():
    config = parsed(policy="linucb", context=["hour"], parameters={"exploration": 0.3}, rewards={"view": 0.2})
    assert parse_pipeline(config.dump()) == config
    assert config.exploration.fingerprint == parse_pipeline(config.dump()).exploration.fingerprint


def test_places_are_the_last_ones_but_never_the_first_unless_they_are_named():
    assert ExplorationConfig(slots=2).ranks(10) == [8, 9]
    assert ExplorationConfig(slots=2).ranks(2) == [1]
    assert ExplorationConfig().ranks(1) == []
    assert ExplorationConfig(places=(7, 1, 30)).ranks(10) == [0, 6]


def test_a_scenario_explores_by_its_own_table_or_not_at_all():
    config = parse_pipeline(
        MODELS
        | {
            "exploration": {"share": 0.5},
            "scenarios": {"home": {"exploration": {"policy": "ucb"}}, "email": {"exploration": {"share": 0}}, "b": {}},
        }
    )
    assert [config.scenario(name).exploration.policy for name in ("home", "b", "c")] == ["ucb", "thompson", "thompson"]
    assert config.scenario("email").exploration.share == 0
    assert [name for name, _ in config.explorations()] == ["", "home", "email"]


def test_what_was_learnt_holds_while_the_policy_is_the_same():
    base = ExplorationConfig(policy="ucb")
    assert ExplorationConfig(policy="ucb", share=0.9, slots=3, pool="rare", seed=4).fingerprint == base.fingerprint
    for change in ({"policy": "thompson"}, {"parameters": {"exploration": 2}}, {"rewards": {"view": 0.1}}):
        assert ExplorationConfig(**{"policy": "ucb", **change}).fingerprint != base.fingerprint


def test_events_that_speak_for_an_item_count_one_and_others_nothing_unless_they_are_named():
    config = ExplorationConfig(rewards={"view": 0.2})
    named = {name: config.reward(name) for name in ("view", "purchase", "tasting", "skip", "dislike", "impression")}
    assert named == {"view": 0.2, "purchase": 1, "tasting": 1, "skip": 0, "dislike": 0, "impression": 0}


def test_features_tell_situations_and_arms_apart():
    config = ExplorationConfig(
        policy="linucb",
        parameters={"shared": True},
        context=("device", "user.country", "hour"),
        attributes=("category",),
        buckets=16,
    )
    known = situation_of(config, {"device": "phone"}, {"country": "fr"}, 9 * 3600.0)
    assert known == {"device": "phone", "user.country": "fr", "hour": "morning"}
    assert situation_of(config, {}, {}, 0.0) == {"hour": "night"}
    rows = features_of(config, known, [{"category": "hats"}, {"category": "shoes"}, {}])
    assert rows.shape == (3, config.n_features) == (3, 1 + 16 * 7)
    assert rows.sum(axis=1).tolist() == [8, 8, 4]  # the bias, three keys, and with a category: it and three pairs
    assert (rows[0] != rows[1]).any()
    other = features_of(config, known | {"device": "laptop"}, [{"category": "hats"}])
    assert (other[0] != rows[0]).any()
