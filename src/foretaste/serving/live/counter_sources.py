"""Sources that live counters feed: ``live_popular``, ``live_trending``, ``context_popular``, ``segment_popular``."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from foretaste.data import Query, Reason, RecLists
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.live.counters import MOST_RANKINGS, LiveCounters, Ranked
from foretaste.serving.live.groups import LIVE_KINDS, LiveSourceConfig, groups_of
from foretaste.serving.pipeline.parts import Mask, Source, SourceMaker
from foretaste.serving.pipeline.sources import refused_rows
from foretaste.serving.source_config import SourceConfig

Rows = npt.NDArray[np.int32]


class CounterSource:
    """Gives what is popular or trending now, among everybody or among those who are in a like situation."""

    def __init__(
        self, config: SourceConfig, bundle: Bundle, catalogue: Catalogue, counters: Callable[[], LiveCounters | None]
    ) -> None:
        self.name = config.name
        self._kind = config.kind or ""
        self._parameters = LiveSourceConfig.of(config.parameters)
        self._bundle, self._catalogue, self._counters = bundle, catalogue, counters
        self._rows: dict[int, tuple[Ranked, Rows]] = {}

    def recommend(self, queries: Sequence[Query], k: int, *, allowed: Mask, now: float) -> RecLists:
        """The first items of the ranking that each query may be shown; nothing while nothing is counted."""
        rows = np.full((len(queries), k), -1, dtype=np.int32)
        scores = np.full((len(queries), k), np.nan, dtype=np.float32)
        counters = self._counters()
        if counters is not None:
            for b, query in enumerate(queries):
                mask = allowed if allowed.ndim == 1 else allowed[b]
                found, worth = self._first(counters, query, k, mask, now)
                rows[b, : len(found)], scores[b, : len(found)] = found, worth
        return RecLists(rows, scores, self._catalogue.items, [query.user_id for query in queries])

    def explain(self, query: Query, item_ids: Sequence[str]) -> Sequence[Reason | None]:
        """That others take it."""
        return [Reason("trending" if self._kind == "live_trending" else "popular")] * len(item_ids)

    def _first(
        self, counters: LiveCounters, query: Query, k: int, mask: Mask, now: float
    ) -> tuple[Rows, npt.NDArray[np.float64]]:
        known = self._known(counters, query, now)
        refused = refused_rows(query, self._bundle, self._catalogue)
        ask = counters.trending if self._kind == "live_trending" else counters.popular
        for everything in (False, True):
            ranked = ask(known, smoothing=self._parameters.smoothing, now=now, everything=everything)
            rows = self._placed(ranked)
            free = np.flatnonzero((rows >= 0) & mask[rows])
            free = free[~np.isin(rows[free], refused)][:k]
            if len(free) == k or ranked.is_complete:
                break
        return rows[free], ranked.scores[free]

    def _known(self, counters: LiveCounters, query: Query, now: float) -> Mapping[str, str]:
        wanted = self._parameters.wanted(self._kind, counters.config)
        if not wanted:
            return {}
        known = groups_of(counters.config, query.context, query.attributes, now)
        return {key: value for key, value in known.items() if key in wanted}

    def _placed(self, ranked: Ranked) -> Rows:
        """Rows of the catalogue for a ranking, -1 for items that it does not have."""
        kept = self._rows.get(id(ranked))
        if kept is None or kept[0] is not ranked:
            if len(self._rows) >= MOST_RANKINGS:
                self._rows = {}
            kept = self._rows[id(ranked)] = (ranked, self._catalogue.items.rows(ranked.item_ids))
        return kept[1]


def counter_sources(counters: Callable[[], LiveCounters | None]) -> dict[str, SourceMaker]:
    """Makers for all kinds; ``counters`` gives those that count now, None while none do."""

    def make(config: SourceConfig, bundle: Bundle, catalogue: Catalogue) -> Source:
        return CounterSource(config, bundle, catalogue, counters)

    return dict.fromkeys(LIVE_KINDS, make)
