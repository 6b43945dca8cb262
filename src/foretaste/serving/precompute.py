"""Batch: the lists of everybody, made with the models of one version before anybody asks for them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from foretaste.data import Query
from foretaste.serving.config import FallbackConfig, PipelineConfig
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.prepared import PreparedLists
from foretaste.serving.pipeline import CATALOGUE, Pipeline
from foretaste.serving.rules import RuleBook, RuleSet

BATCH = 512
"""Users of one call."""
OnUsers = Callable[[int, int], None]
"""Called with (users done, users altogether)."""


def prepared_lists(
    pipeline: PipelineConfig, bundle: Bundle, on_progress: OnUsers | None = None
) -> PreparedLists | None:
    """What ``[precompute]`` of the pipeline asks for; None where it does not.

    Candidates only: what was seen in training is left out, while rules, rerankers and what the user did since are
    matters of the moment in which the lists are served. A user without history has an empty list. Takes 8·U·k bytes.
    """
    wanted = pipeline.precompute
    if wanted is None:
        return None
    sources = wanted.sources or tuple(source for source in pipeline.sources if source.model is not None)
    changes: dict[str, Any] = {
        "sources": sources,
        "ranking": wanted.ranking,
        "pool": wanted.k,
        "rerank": (),
        "rules": (),
        "scenarios": {},
        "fallback": FallbackConfig(),
    }
    runner = Pipeline(pipeline.model_copy(update=changes), rules=RuleBook(RuleSet()))
    n_users = len(bundle.users)
    rows = np.full((n_users, wanted.k), -1, dtype=np.int32)
    scores = np.full((n_users, wanted.k), np.nan, dtype=np.float32)
    for start in range(0, n_users, BATCH):
        stop = min(n_users, start + BATCH)
        queries = [Query(user_id=bundle.users.id(row), k=wanted.k) for row in range(start, stop)]
        lists = runner.run(queries, bundle).lists
        assert lists.source_codes is not None
        filled = np.array([name == CATALOGUE for name in (*lists.source_names, CATALOGUE)])[lists.source_codes]
        width = lists.k
        rows[start:stop, :width] = np.where(filled, -1, lists.item_rows)
        scores[start:stop, :width] = np.where(filled, np.nan, lists.scores)
        if on_progress is not None:
            on_progress(stop, n_users)
    return PreparedLists(rows, scores, tuple(source.model for source in sources if source.model is not None))
