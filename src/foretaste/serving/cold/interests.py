"""Declared interests: items that have what somebody says they like, before they have done anything."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, eq=False)
class Match:
    """The items that have one interest."""

    rows: npt.NDArray[np.intp]
    worth: float
    written: str | None
    """How items write it; None where none has it."""


class Interests:
    """Items with a category, tag, brand or other value that reads like an interest of the user, but for case and signs.

    score(i) = Σ over the interests that i has of ln(1 + N / items that have it) · (1 + s · log(1 + n_i) / log(1 + n)),
    n_i users who took the item, n the most that any item has, s ``popularity_share``. Users without interests, or with
    such as no item has, get nothing.

    Cost: one pass over the values of the catalogue for an interest that was not asked for since its last change.
    """

    def __init__(
        self,
        name: str,
        config: InterestsConfig,
        bundle: Bundle,
        catalogue: Catalogue,
        *,
        words: PlainWords,
        fame: Floats,
    ) -> None:
        self.name = name
        self._config, self._bundle, self._catalogue, self._words = config, bundle, catalogue, words
        self._found: dict[str, Match] = {}
        self._lift = np.ones(len(catalogue.items), dtype=np.float32)
        self._lift[: len(fame)] += np.float32(config.popularity_share) * fame

    def recommend(self, queries: Sequence[Query], k: int, *, allowed: Mask, now: float) -> RecLists:
        """The items that match most, and rarest, interests; the popular ones first among equals."""
        rows = np.full((len(queries), k), -1, dtype=np.int32)
        scores = np.full((len(queries), k), np.nan, dtype=np.float32)
        for b, query in enumerate(queries):
            worth = self._worth(query)
            if worth is None:
                continue
            found = np.flatnonzero(worth)
            found = found[(allowed if allowed.ndim == 1 else allowed[b])[found]]
            found = found[~np.isin(found, refused_rows(query, self._bundle, self._catalogue))]
            found = found[np.argsort(-worth[found], kind="stable")[:k]]
            rows[b, : len(found)], scores[b, : len(found)] = found, worth[found]
        return RecLists(rows, scores, self._catalogue.items, [query.user_id for query in queries])

    def explain(self, query: Query, item_ids: Sequence[str]) -> Sequence[Reason | None]:
        """The interests that an item has."""
        rows = self._catalogue.items.rows(list(item_ids))
        found = [match for match in map(self._match, self._interests(query)) if match.written is not None]
        has = [np.isin(rows, match.rows).tolist() for match in found]
        return [
            Reason("interests", features=tuple(str(m.written) for m, hits in zip(found, has, strict=True) if hits[n]))
            for n in range(len(rows))
        ]

    def _interests(self, query: Query) -> list[str]:
        declared = declared_interests(query.attributes, self._config.attribute)[:_MOST_USED]
        return list(dict.fromkeys(found for interest in declared if (found := plain(interest))))

    def _worth(self, query: Query) -> Floats | None:
        """What each row is worth to the user (I,); None where no interest has an item."""
        found = [match for match in map(self._match, self._interests(query)) if len(match.rows)]
        if not found:
            return None
        worth = np.zeros(len(self._lift), dtype=np.float32)
        for match in found:
            worth[match.rows] += match.worth
        return worth * self._lift

    def _match(self, interest: str) -> Match:
        found = self._found.get(interest)
        if found is None:
            found = _matching(self._catalogue.columns, self._words, interest)
            if len(self._found) < _MOST_KEPT:
                self._found[interest] = found
        return found


def _matching(columns: ItemColumns, words: PlainWords, interest: str) -> Match:
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
    rows = np.flatnonzero(mask)
    return Match(rows, math.log1p(len(mask) / max(len(rows), 1)), written if len(rows) else None)


class InterestsMaker:
    """Makes the source for each catalogue; keeps the texts that columns share, and how popular items are."""

    def __init__(self) -> None:
        self._words = PlainWords()
        self._fame: tuple[Bundle, Floats] | None = None

    def __call__(self, config: SourceConfig, bundle: Bundle, catalogue: Catalogue) -> Source:
        """The source for the models and the catalogue of the moment."""
        kept = self._fame
        if kept is None or kept[0] is not bundle:
            taken = np.log1p(training_popularity(bundle))
            kept = self._fame = (bundle, (taken / max(float(taken.max(initial=0.0)), 1e-9)).astype(np.float32))
        settings = InterestsConfig(**config.parameters)
        return Interests(config.name, settings, bundle, catalogue, words=self._words, fame=kept[1])
