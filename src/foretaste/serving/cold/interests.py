"""Declared interests: items that have what somebody says they like, before they have done anything."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from foretaste.data import Query, Reason, RecLists
from foretaste.serving.cold.kinds import InterestsConfig
from foretaste.serving.cold.tokens import PlainWords, content_columns, is_category, plain
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.live.columns import ItemColumns
from foretaste.serving.live.view import training_popularity
from foretaste.serving.pipeline.parts import Mask, Source
from foretaste.serving.pipeline.sources import refused_rows
from foretaste.serving.source_config import SourceConfig

Floats = npt.NDArray[np.float32]
_MOST_KEPT = 256
"""Interests whose items are remembered."""
_MOST_USED = 50
"""Interests of one user that are looked at."""


def declared_interests(attributes: Mapping[str, Any], name: str = "interests") -> tuple[str, ...]:
    """The interests among a user's attributes: a list, or one text with ``|`` between them."""
    value = attributes.get(name)
    parts = value.split("|") if isinstance(value, str) else value if isinstance(value, list | tuple) else ()
    return tuple(dict.fromkeys(text for part in parts if part is not None and (text := str(part).strip())))


class Interests:
    """Items with a category, tag, brand or other value that reads like an interest of the user, but for case and signs.

    score(i) = Σ over the interests that i has of ln(1 + N / items that have it) · (1 + s · log(1 + n_i) / log(1 + n)),
    n_i users who took the item, n the most that any item has, s ``popularity_share``. Users without interests, or with
    such as no item has, get nothing.

    Cost: one pass over the values of the catalogue for an interest that was not asked for since its last change.
    """

    def __init__(
        self, name: str, config: InterestsConfig, bundle: Bundle, catalogue: Catalogue, words: PlainWords
    ) -> None:
        self.name = name
        self._config, self._bundle, self._catalogue, self._words = config, bundle, catalogue, words
        self._found: dict[str, tuple[Floats, str | None]] = {}
        taken = np.zeros(len(catalogue.items))
        popularity = training_popularity(bundle)
        taken[: len(popularity)] = np.log1p(popularity)
        self._lift = (1.0 + config.popularity_share * taken / max(float(taken.max(initial=0.0)), 1e-9)).astype(
            np.float32
        )

    def recommend(self, queries: Sequence[Query], k: int, *, allowed: Mask, now: float) -> RecLists:
        """The items that match most, and rarest, interests; the popular ones first among equals."""
        rows = np.full((len(queries), k), -1, dtype=np.int32)
        scores = np.full((len(queries), k), np.nan, dtype=np.float32)
        for b, query in enumerate(queries):
            worth = self._worth(query)
            if worth is None:
                continue
            worth = np.where(allowed if allowed.ndim == 1 else allowed[b], worth, np.float32(0))
            refused = refused_rows(query, self._bundle, self._catalogue)
            worth[refused[refused >= 0]] = 0
            order = np.argsort(-worth, kind="stable")[:k]
            order = order[worth[order] > 0]
            rows[b, : len(order)], scores[b, : len(order)] = order, worth[order]
        return RecLists(rows, scores, self._catalogue.items, [query.user_id for query in queries])

    def explain(self, query: Query, item_ids: Sequence[str]) -> Sequence[Reason | None]:
        """The interests that an item has."""
        rows = self._catalogue.items.rows(list(item_ids)).tolist()
        found = [self._matches(interest) for interest in self._interests(query)]
        return [
            Reason("interests", features=tuple(name for worth, name in found if name is not None and worth[row] > 0))
            for row in rows
        ]

    def _interests(self, query: Query) -> list[str]:
        declared = declared_interests(query.attributes, self._config.attribute)[:_MOST_USED]
        return list(dict.fromkeys(found for interest in declared if (found := plain(interest))))

    def _worth(self, query: Query) -> Floats | None:
        parts = [worth for worth, name in map(self._matches, self._interests(query)) if name is not None]
        return np.sum(parts, axis=0, dtype=np.float32) * self._lift if parts else None

    def _matches(self, interest: str) -> tuple[Floats, str | None]:
        """What an interest is worth for each row (I,), and how items write it; no name where none has it."""
        found = self._found.get(interest)
        if found is None:
            found = _matching(self._catalogue.columns, self._words, interest)
            if len(self._found) < _MOST_KEPT:
                self._found[interest] = found
        return found


def _matching(columns: ItemColumns, words: PlainWords, interest: str) -> tuple[Floats, str | None]:
    mask, written = np.zeros(columns.n_rows, dtype=bool), None
    for name in content_columns(columns):
        text, lists = columns[name].text, columns[name].lists
        if text is not None and is_category(columns[name]) and (codes := words.codes(text.words, interest)):
            mask |= np.isin(text.codes, codes)
            written = written or str(text.words.words[codes[0]])
        if lists is not None and (codes := words.codes(lists.words, interest)):
            wanted = np.zeros(len(lists.words), dtype=bool)
            wanted[codes] = True
            mask |= lists.having(wanted)
            written = written or str(lists.words.words[codes[0]])
    count = int(mask.sum())
    worth = np.float32(np.log1p(len(mask) / count)) if count else np.float32(0)
    return mask * worth, written if count else None


class InterestsMaker:
    """Makes the source for each catalogue; keeps the texts that columns share."""

    def __init__(self) -> None:
        self._words = PlainWords()

    def __call__(self, config: SourceConfig, bundle: Bundle, catalogue: Catalogue) -> Source:
        """The source for the models and the catalogue of the moment."""
        return Interests(config.name, InterestsConfig(**config.parameters), bundle, catalogue, self._words)
