"""Trying a version before it serves: every kind of question goes through it once."""

import time

from foretaste.data import Query
from foretaste.errors import ModelError
from foretaste.models import Recommender
from foretaste.serving.live.serving import Live


def warm_up(live: Live) -> None:
    """Send every kind of question through the pipeline, so that kernels are compiled and faults show.

    Raises:
        ModelError: a model raised, or a list that must not be empty is.
    """
    bundle, pipeline = live.bundle, live.pipeline
    users = bundle.users.ids.head(1).to_list()
    items = tuple(bundle.items.ids.head(3).to_list())
    for scenario in ("default", *pipeline.config.scenarios):
        questions = [
            [Query(user_id=user, k=5, scenario=scenario) for user in users],
            [Query(history=items, history_weights=(1.0,) * len(items), k=5, scenario=scenario)],
            [Query(k=5, scenario=scenario)],
        ]
        for queries in filter(None, questions):
            outcome = pipeline.run(queries, bundle, catalogue=live.catalogue, explain=True, explores=True)
            if outcome.failed:
                raise ModelError(f"model {outcome.failed[0]!r} of version {bundle.version} failed its warm-up")
            shown = pipeline.decide(queries, live.catalogue, now=time.time()).mask.sum(axis=-1).min()
            if len(bundle.items) > len(items) and shown > len(items) + 1:
                _check_not_empty(int(outcome.lists.lengths.min()), str(bundle.version))
    for name, model in bundle.models.items():
        _warm_up_similar(name, model, items[:1])


def _check_not_empty(length: int, version: str) -> None:
    if length == 0:
        raise ModelError(f"version {version} gives empty lists", hint="train again, or look at its data")


def _warm_up_similar(name: str, model: Recommender, items: tuple[str, ...]) -> None:
    if model.finds_similar_items and items:
        try:
            model.similar_items(items, 5)
        except Exception as exc:
            raise ModelError(f"model {name!r} failed its warm-up: {type(exc).__name__}: {exc}") from exc
