"""The pipeline: sources → merge → ranking → filter → fill → explanation, the same in evaluation, batch and server."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from foretaste.data import MAX_K, Query, Reason, RecLists
from foretaste.logs import get_logger
from foretaste.models import Recommender
from foretaste.serving.answers import Fallback, Skipped
from foretaste.serving.config import PipelineConfig, SourceConfig
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.merge import merge

CATALOGUE = "catalogue"
"""Source name of items that came straight from the catalogue, the newest first."""
log = get_logger(__name__)
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Outcome:
    """The lists of one batch, and for each query how they came about."""

    lists: RecLists
    fallbacks: tuple[Fallback, ...]
    skipped: tuple[tuple[Skipped, ...], ...]
    failed: tuple[str, ...]
    """Sources that raised."""


@dataclass
class _Draft:
    """Lists while they are being made: rows, scores and source numbers (B, k)."""

    rows: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]
    codes: npt.NDArray[np.int16]
    names: list[str]

    def append(self, b: int, rows: Sequence[int], scores: Sequence[float], source: str) -> None:
        """Add items at the end of list ``b``."""
        if source not in self.names:
            self.names.append(source)
        start = int((self.rows[b] >= 0).sum())
        stop = start + len(rows)
        self.rows[b, start:stop], self.scores[b, start:stop] = rows, scores
        self.codes[b, start:stop] = self.names.index(source)


class Pipeline:
    """Turns queries into lists with the models of a bundle; synchronous, and safe to call from several threads."""

    def __init__(self, config: PipelineConfig, *, min_history: int = 1) -> None:
        self.config = config
        self.min_history = max(1, min_history)
        """Known interactions below which a user is served from the fallback chain."""

    def recommend(
        self,
        queries: Sequence[Query],
        bundle: Bundle,
        *,
        catalogue: Catalogue | None = None,
        allowed: Mask | None = None,
        explain: bool = False,
    ) -> RecLists:
        """The lists alone; see :meth:`run`."""
        return self.run(queries, bundle, catalogue=catalogue, allowed=allowed, explain=explain).lists

    def run(
        self,
        queries: Sequence[Query],
        bundle: Bundle,
        *,
        catalogue: Catalogue | None = None,
        allowed: Mask | None = None,
        explain: bool = False,
    ) -> Outcome:
        """A list for each query, of exactly ``k`` items wherever that many may be shown.

        Args:
            queries: all of one scenario (the first one's counts).
            bundle: the models.
            catalogue: items in the store; by default those of the models, all available.
            allowed: mask over the catalogue's rows (I,) on top of availability.
            explain: attach a reason to each item.

        A source that raises is logged and left out; so the call itself fails only on wrong arguments.
        """
        catalogue = catalogue if catalogue is not None else Catalogue(bundle.items)
        shown = catalogue.allowed if allowed is None else catalogue.allowed & allowed
        scenario = self.config.scenario(queries[0].scenario if queries else "default")
        if not scenario.exclude_seen:
            queries = [replace(query, exclude_seen=False) for query in queries]
        draft = _empty_draft(queries, [source.model for source in scenario.sources or ()])
        failed: list[str] = []
        skipped: list[list[Skipped]] = [[] for _ in queries]
        warm = np.array([self._is_warm(query, bundle) for query in queries], dtype=bool)
        if warm.any() and scenario.sources:
            self._from_sources(draft, queries, warm, scenario.sources, bundle, shown, failed, skipped)
            if scenario.ranking is not None:
                self._rerank(draft, queries, warm, scenario.ranking.model, bundle, failed)
        short = [b for b, query in enumerate(queries) if (draft.rows[b] >= 0).sum() < query.k]
        reasons = [self._why(warm[b], failed, bundle) if b in set(short) else "none" for b in range(len(queries))]
        if short:
            self._fill(draft, queries, short, bundle, catalogue, shown, failed)
        names = tuple(draft.names)
        user_ids = [query.user_id for query in queries]
        lists = RecLists(draft.rows, draft.scores, catalogue.items, user_ids, draft.codes, names)
        if explain:
            lists = lists.with_reasons(self._explanations(lists, queries, bundle))
        fallbacks = tuple(_used(reason, lists, b, short) for b, reason in enumerate(reasons))
        return Outcome(lists, fallbacks, tuple(tuple(s) for s in skipped), tuple(dict.fromkeys(failed)))

    # --- sources -------------------------------------------------------------------------------------------------

    def _is_warm(self, query: Query, bundle: Bundle) -> bool:
        if query.history is not None:
            return sum(item_id in bundle.items for item_id in query.history) >= self.min_history
        row = bundle.users.row(query.user_id) if query.user_id is not None else -1
        return row >= 0 and int(bundle.population.histories.lengths[row]) >= self.min_history

    def _from_sources(
        self,
        draft: _Draft,
        queries: Sequence[Query],
        warm: Mask,
        sources: Sequence[SourceConfig],
        bundle: Bundle,
        shown: Mask,
        failed: list[str],
        skipped: list[list[Skipped]],
    ) -> None:
        places = np.flatnonzero(warm).tolist()
        asked = [queries[b] for b in places]
        longest = max(query.k for query in asked)
        widest = max([longest, *(source.k for source in sources)])
        wide = [replace(query, k=min(MAX_K, widest)) for query in asked]
        parts, weights, codes = [], [], []
        for code, source in enumerate(sources):
            lists = self._ask(source.model, wide, max(longest, source.k), bundle, shown, failed)
            for b, place in enumerate(places):
                if lists is None or lists.lengths[b] == 0:
                    why = _why_nothing(source.model, bundle, failed)
                    skipped[place].append(Skipped(source.model, why))
            if lists is not None:
                parts.append((lists.item_rows, lists.scores))
                weights.append(source.weight)
                codes.append(code)
        if not parts:
            return
        method, width = self.config.merge, draft.rows.shape[1]
        if len(parts) == 1:  # nothing to merge: keep the model's own scores
            rows, scores = (array[:, :width] for array in parts[0])
            chosen = np.where(rows >= 0, 0, -1).astype(np.int16)
        else:
            rows, scores, chosen = merge(parts, weights, k=width, method=method.method, damping=method.damping)
        n = rows.shape[1]
        ks = np.array([query.k for query in asked])
        cut = np.arange(n)[None, :] >= ks[:, None]
        rows, scores = np.where(cut, -1, rows), np.where(cut, np.nan, scores)
        draft.rows[places, :n], draft.scores[places, :n] = rows, scores
        draft.codes[places, :n] = np.where(rows >= 0, np.array([*codes, -1], dtype=np.int16)[chosen], -1)

    def _ask(
        self, name: str, queries: Sequence[Query], k: int, bundle: Bundle, shown: Mask, failed: list[str]
    ) -> RecLists | None:
        """One batched call of one model; None when the bundle lacks it or it raised."""
        model = bundle.models.get(name)
        if model is None:
            return None
        try:
            return model.recommend(queries, min(k, MAX_K), allowed=shown[: len(bundle.items)], unknown="empty")
        except Exception as exc:  # noqa: BLE001 - whatever a model does, the list must come; it is logged and counted
            log.warning("source_failed", source=name, version=bundle.version, error=f"{type(exc).__name__}: {exc}")
            failed.append(name)
            return None

    def _rerank(
        self, draft: _Draft, queries: Sequence[Query], warm: Mask, name: str, bundle: Bundle, failed: list[str]
    ) -> None:
        """Order each list anew by the scores of one model; items that it does not score keep their order at the end."""
        places = np.flatnonzero(warm).tolist()
        union = np.zeros((len(places), len(bundle.items)), dtype=bool)
        for i, b in enumerate(places):
            union[i, draft.rows[b][draft.rows[b] >= 0]] = True
        asked = [replace(queries[b], exclude_seen=False) for b in places]
        model = bundle.models.get(name)
        if model is None:
            return
        try:
            found = model.recommend(asked, draft.rows.shape[1], allowed=union, unknown="empty")
        except Exception as exc:  # noqa: BLE001 - the merged order stays; it is logged and counted
            log.warning("ranking_failed", source=name, version=bundle.version, error=f"{type(exc).__name__}: {exc}")
            failed.append(name)
            return
        for i, b in enumerate(places):
            n = int((draft.rows[b] >= 0).sum())
            score = dict(zip(found.item_rows[i].tolist(), found.scores[i].tolist(), strict=True))
            order = sorted(range(n), key=lambda p: (-score.get(int(draft.rows[b, p]), -np.inf), p))
            draft.scores[b, :n] = [score.get(int(row), np.nan) for row in draft.rows[b, :n]]
            for array in (draft.rows, draft.scores, draft.codes):
                array[b, :n] = array[b, order]

    # --- fallback ------------------------------------------------------------------------------------------------

    @staticmethod
    def _why(is_warm: bool, failed: Sequence[str], bundle: Bundle) -> Fallback:
        if bundle.version is None:
            return "no_model"
        if not is_warm:
            return "cold_user"
        return "model_error" if failed else "too_few"

    def _fill(
        self,
        draft: _Draft,
        queries: Sequence[Query],
        short: Sequence[int],
        bundle: Bundle,
        catalogue: Catalogue,
        shown: Mask,
        failed: list[str],
    ) -> None:
        """Lengthen short lists: the fallback chain in its order, then the newest of the catalogue."""
        for name in self.config.fallback.chain:
            short = [b for b in short if (draft.rows[b] >= 0).sum() < queries[b].k]
            if not short:
                return
            asked = [queries[b] for b in short]
            lists = self._ask(name, asked, max(query.k for query in asked), bundle, shown, failed)
            if lists is None:
                continue
            for i, b in enumerate(short):
                taken = set(draft.rows[b].tolist())
                room = queries[b].k - int((draft.rows[b] >= 0).sum())
                fresh = [p for p in range(int(lists.lengths[i])) if int(lists.item_rows[i, p]) not in taken][:room]
                draft.append(b, lists.item_rows[i, fresh].tolist(), lists.scores[i, fresh].tolist(), name)
        for b in short:
            room = queries[b].k - int((draft.rows[b] >= 0).sum())
            if room > 0:
                rows = _newest(queries[b], bundle, catalogue, shown, taken=draft.rows[b], most=room)
                draft.append(b, rows, [0.0] * len(rows), CATALOGUE)

    # --- explanation ---------------------------------------------------------------------------------------------

    def _explanations(
        self, lists: RecLists, queries: Sequence[Query], bundle: Bundle
    ) -> list[tuple[Reason | None, ...]]:
        return [self._explain_one(lists, b, query, bundle) for b, query in enumerate(queries)]

    def _explain_one(self, lists: RecLists, b: int, query: Query, bundle: Bundle) -> tuple[Reason | None, ...]:
        one = lists[b]
        reasons: list[Reason | None] = [None] * len(one)
        for source in dict.fromkeys(one.sources):
            places = [p for p, name in enumerate(one.sources) if name == source]
            model = bundle.models.get(source)
            found = _reasons(source, model, query, [one.item_ids[p] for p in places], bundle)
            for place, reason in zip(places, found, strict=True):
                reasons[place] = reason
        return tuple(reasons)


def _empty_draft(queries: Sequence[Query], names: list[str]) -> _Draft:
    shape = (len(queries), max((query.k for query in queries), default=1))
    rows, scores = np.full(shape, -1, dtype=np.int32), np.full(shape, np.nan, dtype=np.float32)
    return _Draft(rows, scores, np.full(shape, -1, dtype=np.int16), names)


def _why_nothing(source: str, bundle: Bundle, failed: Sequence[str]) -> Any:
    if source in failed:
        return "error"
    return "empty" if source in bundle.models else "missing"


def _used(reason: Fallback, lists: RecLists, b: int, short: Sequence[int]) -> Fallback:
    """``too_few`` is said only when the chain did add something."""
    if reason == "too_few" and lists.source_codes is not None:
        added = {lists.source_names[c] for c in lists.source_codes[b] if c >= 0}
        return reason if b in short and added else "none"
    return reason


def _newest(
    query: Query, bundle: Bundle, catalogue: Catalogue, shown: Mask, *, taken: npt.NDArray[np.int32], most: int
) -> list[int]:
    """The newest rows of the catalogue that the query may be shown."""
    refused = np.zeros(len(shown), dtype=bool)
    refused[taken[taken >= 0]] = True
    if query.exclude:
        rows = catalogue.items.rows(sorted(query.exclude))
        refused[rows[rows >= 0]] = True
    if query.exclude_seen:
        if query.history is not None:
            seen = catalogue.items.rows(list(query.history))
        else:
            row = bundle.users.row(query.user_id or "")
            seen = bundle.population.histories.take(np.array([row])).item_rows
        refused[seen[seen >= 0]] = True
    rows = catalogue.newest
    return [int(row) for row in rows[shown[rows] & ~refused[rows]][:most]]


def _reasons(
    source: str, model: Recommender | None, query: Query, item_ids: list[str], bundle: Bundle
) -> Sequence[Reason | None]:
    if model is None:
        return [Reason("new")] * len(item_ids)
    try:
        return model.explain(query, item_ids)
    except Exception as exc:  # noqa: BLE001 - a list without reasons is better than none; it is logged
        log.warning("explanation_failed", source=source, version=bundle.version, error=f"{type(exc).__name__}: {exc}")
        return [None] * len(item_ids)
