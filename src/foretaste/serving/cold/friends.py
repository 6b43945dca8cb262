"""What friends took lately, as a source of candidates."""

from collections.abc import Sequence

import numpy as np

from foretaste.data import Query, Reason, RecLists
from foretaste.serving.cold.circles import Circles
from foretaste.serving.cold.kinds import FriendsConfig
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.live.users import UNKNOWN_TIME
from foretaste.serving.pipeline.parts import Mask, Source, SourceMaker
from foretaste.serving.pipeline.sources import refused_rows
from foretaste.serving.source_config import SourceConfig

_DAY_S = 86_400.0


class FriendsPopular:
    """Items by what friends did with them lately: score(i) = Σ over friends of max over their events with i of
    weight · 2^(-age/half-life), so that one busy friend does not outweigh several.

    Friends are the ids in the user's attribute; what a friend did who does not share it is never used. Users without
    friends, or whose friends did nothing, get nothing.
    """

    def __init__(
        self, name: str, config: FriendsConfig, bundle: Bundle, catalogue: Catalogue, circles: Circles
    ) -> None:
        self.name = name
        self._config, self._bundle, self._catalogue, self._circles = config, bundle, catalogue, circles

    def recommend(self, queries: Sequence[Query], k: int, *, allowed: Mask, now: float) -> RecLists:
        """The items that friends took, the best first; equal ones by their row."""
        rows = np.full((len(queries), k), -1, dtype=np.int32)
        scores = np.full((len(queries), k), np.nan, dtype=np.float32)
        for b, query in enumerate(queries):
            worth = self._worth(query, now)
            if not worth:
                continue
            mask = allowed if allowed.ndim == 1 else allowed[b]
            refused = set(refused_rows(query, self._bundle, self._catalogue).tolist())
            best = sorted((-score, row) for row, score in worth.items() if mask[row] and row not in refused)[:k]
            rows[b, : len(best)] = [row for _, row in best]
            scores[b, : len(best)] = [-score for score, _ in best]
        return RecLists(rows, scores, self._catalogue.items, [query.user_id for query in queries])

    def explain(self, query: Query, item_ids: Sequence[str]) -> Sequence[Reason | None]:
        """That friends chose it; not which."""
        return [Reason("friends")] * len(item_ids)

    def _worth(self, query: Query, now: float) -> dict[int, float]:
        weigh = self._bundle.weights.weight
        total: dict[int, float] = {}
        for events in self._circles.of(query.user_id, self._config.attribute):
            rows = self._catalogue.items.rows([event.item_id for event in events]).tolist()
            own: dict[int, float] = {}
            for event, row in zip(events, rows, strict=True):
                if row < 0 or event.timestamp == UNKNOWN_TIME:
                    continue
                age_days = max(0.0, now - event.timestamp) / _DAY_S
                worth = weigh(event) * 2.0 ** (-age_days / self._config.half_life_days)
                own[row] = max(own.get(row, 0.0), worth)
            for row, worth in own.items():
                if worth > 0.0:
                    total[row] = total.get(row, 0.0) + worth
        return total


def friends_maker(circles: Circles) -> SourceMaker:
    """Makes the source for the models and the catalogue of the moment."""

    def make(config: SourceConfig, bundle: Bundle, catalogue: Catalogue) -> Source:
        return FriendsPopular(config.name, FriendsConfig(**config.parameters), bundle, catalogue, circles)

    return make
