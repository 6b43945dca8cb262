"""What happens to a list when sources or stages take too long."""

import threading

import pytest

from foretaste.data import Query
from foretaste.serving.config import parse_pipeline
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.users import EventWeights
from foretaste.serving.pipeline import CATALOGUE, Guard, Parts, Pipeline
from foretaste.serving.training import fit_models

CONFIG = {
    "models": {"ease": {"kind": "ease"}, "popular": {"kind": "popular"}},
    "sources": [{"model": "ease"}, {"model": "popular", "weight": 0.1}],
    "fallback": {"chain": ["popular"]},
    "deadlines": {"candidates_ms": 2000, "total_ms": 4000},
}


@pytest.fixture(scope="module")
def bundle(shop):
    models, _ = fit_models(parse_pipeline(CONFIG), shop)
    return Bundle("v1", models, shop.population, EventWeights())


class Stuck:
    """A model that answers only when the test lets it."""

    scores_attributes = False

    def __init__(self, model):
        self.model, self.items = model, model.items
        self.go_on = threading.Event()

    def recommend(self, *args, **options):
        self.go_on.wait()
        return self.model.recommend(*args, **options)


@pytest.fixture
def stuck(bundle):
    """The bundle with models of these names stuck until the test ends."""
    made = []

    def make(*names):
        models = dict(bundle.models)
        for name in names:
            models[name] = Stuck(models[name])
            made.append(models[name])
        return Bundle("v1", models, bundle.population, bundle.weights)

    yield make
    for model in made:
        model.go_on.set()


def pipeline(**deadlines):
    config = parse_pipeline({**CONFIG, "deadlines": CONFIG["deadlines"] | deadlines})
    return Pipeline(config, parts=Parts(guard=Guard()))


def run(made, bundle, shop, **options):
    return made.run([Query(user_id=shop.users.id(0), k=5)], bundle, in_time=True, **options)


def test_with_time_enough_the_list_is_the_one_that_a_batch_job_gets(bundle, shop):
    made = pipeline()
    query = [Query(user_id=shop.users.id(0), k=5)]
    assert run(made, bundle, shop).lists[0].item_ids == made.run(query, bundle).lists[0].item_ids


def test_a_late_source_is_left_out_and_named(stuck, shop):
    outcome = run(pipeline(candidates_ms=30), stuck("ease"), shop)
    assert [(s.source, s.why) for s in outcome.skipped[0]] == [("ease", "late")]
    assert set(outcome.lists[0].sources) == {"popular"}
    assert len(outcome.lists[0]) == 5
    assert outcome.failed == ("ease",)


def test_when_every_source_is_late_the_catalogue_answers(stuck, shop):
    outcome = run(pipeline(candidates_ms=30, total_ms=60), stuck("ease", "popular"), shop)
    assert set(outcome.lists[0].sources) == {CATALOGUE}
    assert len(outcome.lists[0]) == 5
    assert outcome.fallbacks == ("model_error",)


def test_a_late_source_is_waited_for_where_nobody_waits_for_the_list(stuck, shop):
    held = stuck("ease")
    threading.Timer(0.05, held.models["ease"].go_on.set).start()
    made = pipeline(candidates_ms=1)
    outcome = made.run([Query(user_id=shop.users.id(0), k=5)], held)
    assert outcome.failed == ()


def test_ranking_is_passed_over_when_the_time_is_over_and_the_answer_says_so(stuck, shop):
    config = parse_pipeline(
        {**CONFIG, "ranking": {"model": "ease"}, "deadlines": {"candidates_ms": 30, "total_ms": 30}}
    )
    outcome = run(Pipeline(config, parts=Parts(guard=Guard())), stuck("ease"), shop)
    assert ("ranking", "late") in [(s.source, s.why) for s in outcome.skipped[0]]
    assert set(outcome.lists[0].sources) == {"popular"}


def test_each_stage_that_ran_is_timed(bundle, shop):
    seconds = run(pipeline(), bundle, shop, explain=True).seconds
    assert set(seconds) == {"candidates", "ranking", "rules", "rerank", "fill", "explain"}
    assert all(value >= 0 for value in seconds.values())
