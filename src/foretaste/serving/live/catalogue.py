"""The catalogue as it is now: which items exist, which may be shown, what they are called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from foretaste.data import Vocabulary
from foretaste.storage.records import Record, Records

Mask = npt.NDArray[np.bool_]
PAGE = 10_000
_TITLES = ("title", "name")
_CATEGORIES = ("category", "categories", "genres", "genre")


class ItemFacts(msgspec.Struct, frozen=True):
    """What lists need to know of one item."""

    title: str | None
    categories: tuple[str, ...]
    is_available: bool
    created_at: float
    is_deleted: bool = False


def facts_of(record: Record) -> ItemFacts:
    """The facts of one item record."""
    attributes = record.attributes
    return ItemFacts(
        next((str(attributes[name]) for name in _TITLES if attributes.get(name) not in (None, "")), None),
        tuple(dict.fromkeys(text for name in _CATEGORIES for text in _texts(attributes.get(name)))),
        record.is_available and not attributes.get("_deleted", False),
        record.created_at,
        bool(attributes.get("_deleted", False)),
    )


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [part.strip() for part in value.split("|") if part.strip()]
    if isinstance(value, list | tuple):
        return [str(part) for part in value if part not in (None, "")]
    return []


@dataclass(frozen=True)
class Catalogue:
    """A snapshot of all items, in rows: first those that the live models can rank, then the later arrivals.

    Immutable: a change gives a new snapshot, so one request sees one catalogue.
    """

    model_items: Vocabulary
    """Items that models rank; their rows come first."""
    facts: Mapping[str, ItemFacts] = field(default_factory=dict)
    """Of every item in the store, by id; deleted ones are there and not available."""
    version: int = 0
    """Newest change that is in it."""
    trained_at: float = 0.0
    """Items created after it that no model ranks are arrivals."""

    @property
    def n_model(self) -> int:
        """Rows that models can rank."""
        return len(self.model_items)

    @cached_property
    def items(self) -> Vocabulary:
        """All items: those of the models, then the others."""
        return self.model_items.extended(item_id for item_id, facts in self.facts.items() if facts.is_available)

    @cached_property
    def allowed(self) -> Mask:
        """Which rows may be shown (I,)."""
        allowed = np.ones(len(self.items), dtype=bool)
        hidden = [item_id for item_id, facts in self.facts.items() if not facts.is_available]
        rows = self.items.rows(hidden)
        allowed[rows[rows >= 0]] = False
        return allowed

    @cached_property
    def _created(self) -> npt.NDArray[np.float64]:
        nothing = ItemFacts(None, (), True, 0.0)
        ids = self.items.ids.to_list()
        return np.fromiter((self.facts.get(i, nothing).created_at for i in ids), dtype=np.float64, count=len(ids))

    @cached_property
    def newest(self) -> npt.NDArray[np.int32]:
        """All rows that may be shown, those created last first."""
        rows = np.flatnonzero(self.allowed)
        return rows[np.argsort(-self._created[rows], kind="stable")].astype(np.int32)

    @cached_property
    def arrivals(self) -> npt.NDArray[np.int32]:
        """Rows that no model ranks because they came after the training, the latest first."""
        rows = self.newest
        return rows[(rows >= self.n_model) & (self._created[rows] > self.trained_at)]

    @cached_property
    def categories(self) -> Mapping[str, Mask]:
        """Category (lower case) → which rows belong to it (I,)."""
        rows: dict[str, list[int]] = {}
        for item_id, facts in self.facts.items():
            row = self.items.row(item_id)
            if row >= 0:
                for category in facts.categories:
                    rows.setdefault(category.lower(), []).append(row)
        masks: dict[str, Mask] = {}
        for category, members in rows.items():
            masks[category] = np.zeros(len(self.items), dtype=bool)
            masks[category][members] = True
        return masks

    def title(self, item_id: str) -> str | None:
        """The readable name of an item; None when it has none."""
        facts = self.facts.get(item_id)
        return facts.title if facts is not None else None

    def __contains__(self, item_id: object) -> bool:
        """Whether the item exists (available or not): known to the models or the store, and not deleted."""
        facts = self.facts.get(item_id) if isinstance(item_id, str) else None
        return item_id in self.model_items if facts is None else not facts.is_deleted

    def changed(self, records: Sequence[Record]) -> "Catalogue":
        """This catalogue with newer versions of some items."""
        if not records:
            return self
        facts = dict(self.facts) | {record.record_id: facts_of(record) for record in records}
        version = max(self.version, *(record.version for record in records))
        return Catalogue(self.model_items, facts, version, self.trained_at)

    def for_models(self, items: Vocabulary, trained_at: float) -> "Catalogue":
        """The same items in rows that fit other models."""
        return Catalogue(items, self.facts, self.version, trained_at)

    def prepare(self) -> "Catalogue":
        """Compute what is computed lazily, so that no request has to; returns itself."""
        _ = self.allowed, self.arrivals, self.categories
        return self


async def changes(records: Records, since: int) -> list[Record]:
    """All items changed after ``since``, in order."""
    found: list[Record] = []
    while True:
        page = await records.changed("item", since=since, limit=PAGE)
        found.extend(page)
        if len(page) < PAGE:
            return found
        since = page[-1].version
