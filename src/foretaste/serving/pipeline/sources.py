"""Sources of candidates: the models of the bundle, the catalogue itself, and whatever a service plugs in by kind."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from foretaste.data import Query, Reason, RecLists, Vocabulary
from foretaste.models import Recommender
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.pipeline.parts import Mask, Source, SourceMaker
from foretaste.serving.source_config import SourceConfig

CATALOGUE = "catalogue"
"""Source name of items that came straight from the catalogue, the newest first."""
_CHUNK = 4096
Rows = npt.NDArray[np.int32]


class ModelSource:
    """A fitted model as a source; users that it cannot serve get nothing."""

    def __init__(self, name: str, model: Recommender, items: Vocabulary) -> None:
        """``items``: those of the bundle, of which the model's are the first."""
        self.name = name
        self.model, self._items = model, items

    def recommend(self, queries: Sequence[Query], k: int, *, allowed: Mask, now: float) -> RecLists:
        """The model's own lists."""
        if any(query.k < k for query in queries):
            queries = [query if query.k >= k else replace(query, k=k) for query in queries]
        ranked = allowed[..., : len(self.model.items)]
        if ranked.ndim == 2 and len(ranked) == 1:
            ranked = ranked[0]  # one mask for all is the quicker way
        lists = self.model.recommend(queries, k, allowed=ranked, unknown="empty")
        return lists if lists.items is self._items else replace(lists, items=self._items)

    def explain(self, query: Query, item_ids: Sequence[str]) -> Sequence[Reason | None]:
        """The model's own reasons."""
        return self.model.explain(query, item_ids)


class NewestItems:
    """What came into the catalogue last."""

    def __init__(self, name: str, bundle: Bundle, catalogue: Catalogue) -> None:
        self.name = name
        self._bundle, self._catalogue = bundle, catalogue

    def recommend(self, queries: Sequence[Query], k: int, *, allowed: Mask, now: float) -> RecLists:
        """The newest rows that each query may be shown; they have no score (0)."""
        rows = np.full((len(queries), k), -1, dtype=np.int32)
        for b, query in enumerate(queries):
            own = allowed if allowed.ndim == 1 else allowed[b]
            refused = refused_rows(query, self._bundle, self._catalogue)
            found = first_shown(self._catalogue.newest, own, refused, k)
            rows[b, : len(found)] = found
        scores = np.where(rows >= 0, np.float32(0), np.float32(np.nan))
        return RecLists(rows, scores, self._catalogue.items, [query.user_id for query in queries])

    def explain(self, query: Query, item_ids: Sequence[str]) -> Sequence[Reason | None]:
        """That they are new."""
        return [Reason("new")] * len(item_ids)


def first_shown(rows: Rows, allowed: Mask, refused: Rows, most: int) -> Rows:
    """The first ``most`` of ``rows`` that a mask (I,) lets through and that are not refused."""
    found, count = [np.zeros(0, np.int32)], 0
    for start in range(0, len(rows), _CHUNK):
        some = rows[start : start + _CHUNK]
        some = some[allowed[some]]
        some = some[~np.isin(some, refused)]
        found.append(some)
        count += len(some)
        if count >= most:
            break
    return np.concatenate(found)[:most]


def history_rows(
    query: Query, bundle: Bundle, catalogue: Catalogue
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Catalogue rows of the user's history (-1 for items that the catalogue does not have), and their weights."""
    if query.history is not None:
        rows = catalogue.items.rows(list(query.history))
        given = query.history_weights
        return rows, np.ones(len(rows), np.float32) if given is None else np.asarray(given, np.float32)
    row = bundle.users.row(query.user_id) if query.user_id is not None else -1
    known = bundle.population.histories.take(np.array([row]))
    return known.item_rows, known.weights


def seen_rows(query: Query, bundle: Bundle, catalogue: Catalogue) -> npt.NDArray[np.int32]:
    """Catalogue rows of the user's history, where the query asks to leave them out."""
    return history_rows(query, bundle, catalogue)[0] if query.exclude_seen else np.zeros(0, dtype=np.int32)


def refused_rows(query: Query, bundle: Bundle, catalogue: Catalogue) -> Rows:
    """Catalogue rows that the query leaves out: those it names, and where it says so those of the history."""
    excluded = catalogue.items.rows(sorted(query.exclude))
    return np.concatenate([excluded, seen_rows(query, bundle, catalogue)])


class Sources:
    """The sources of one pipeline for one bundle and one catalogue, made when they are first asked for."""

    def __init__(self, makers: Mapping[str, SourceMaker], bundle: Bundle, catalogue: Catalogue) -> None:
        self.bundle, self.catalogue = bundle, catalogue
        self._makers = {CATALOGUE: _newest_items, **makers}
        self._made: dict[str, Source | None] = {}

    def get(self, config: SourceConfig) -> Source | None:
        """The source, None where the bundle has no such model or the service no such kind."""
        if config.name not in self._made:
            self._made[config.name] = self._make(config)
        return self._made[config.name]

    def named(self, name: str) -> Source | None:
        """One that was made before, or a model or kind of this name."""
        if name in self._made:
            return self._made[name]
        if name in self.bundle.models:
            return self.get(SourceConfig(model=name))
        return self.get(SourceConfig(kind=name)) if name in self._makers else None

    def _make(self, config: SourceConfig) -> Source | None:
        if config.model is not None:
            model = self.bundle.models.get(config.model)
            return None if model is None else ModelSource(config.name, model, self.bundle.items)
        maker = self._makers.get(config.kind or "")
        return None if maker is None else maker(config, self.bundle, self.catalogue)


def _newest_items(config: SourceConfig, bundle: Bundle, catalogue: Catalogue) -> Source:
    return NewestItems(config.name, bundle, catalogue)


def placed(
    catalogue: Catalogue, lists: RecLists, allowed: Mask
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Lists in rows of the catalogue, and their scores; items that it does not have or may not show are dropped."""
    if lists.items is catalogue.model_items:  # from a model, which keeps to the mask
        return lists.item_rows, lists.scores
    rows = lists.item_rows
    if lists.items is not catalogue.items:
        rows = np.full(rows.shape, -1, dtype=np.int32)
        there = lists.item_rows >= 0
        rows[there] = catalogue.items.rows(lists.items.ids_of(lists.item_rows[there]))
    shown = allowed[rows] if allowed.ndim == 1 else np.take_along_axis(allowed, np.maximum(rows, 0), axis=1)
    kept = (rows >= 0) & shown
    order = np.argsort(~kept, axis=1, kind="stable")
    rows = np.where(kept, rows, np.int32(-1))
    scores = np.where(kept, lists.scores, np.float32(np.nan))
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1)
