"""What lists need to know of each item, in pages: a change copies the pages it touches and no others."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from foretaste.data import Vocabulary
from foretaste.storage.records import Record

PAGE_ROWS = 256
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
    is_deleted = bool(attributes.get("_deleted", False))
    return ItemFacts(
        next((str(attributes[name]) for name in _TITLES if attributes.get(name) not in (None, "")), None),
        tuple(dict.fromkeys(text for name in _CATEGORIES for text in _texts(attributes.get(name)))),
        record.is_available and not is_deleted,
        record.created_at,
        is_deleted,
    )


def attributes_of(record: Record, facts: ItemFacts) -> Mapping[str, Any]:
    """The attributes by which rules know an item: its own, ``title``, ``categories`` (all fields in one list) and
    ``created_at`` (its own, else when the store first saw it).
    """
    if facts.is_deleted:
        return {}
    found = {"created_at": record.created_at or None, **record.attributes}
    found["title"] = facts.title
    found["categories"] = facts.categories
    return found


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [part.strip() for part in value.split("|") if part.strip()]
    if isinstance(value, list | tuple):
        return [str(part) for part in value if part not in (None, "")]
    return []


@dataclass(frozen=True)
class FactTable:
    """Facts by row of a vocabulary; None for items that only the models know."""

    items: Vocabulary
    pages: tuple[tuple[ItemFacts | None, ...], ...] = ()

    def __getitem__(self, row: int) -> ItemFacts | None:
        page, place = divmod(row, PAGE_ROWS)
        return self.pages[page][place] if page < len(self.pages) and place < len(self.pages[page]) else None

    def get(self, item_id: object) -> ItemFacts | None:
        """The facts of an item; None where the store has none."""
        row = self.items.row(item_id) if isinstance(item_id, str) else -1
        return self[row] if row >= 0 else None

    def changed(self, items: Vocabulary, rows: Sequence[int], facts: Sequence[ItemFacts]) -> "FactTable":
        """The table of a vocabulary that grew out of this one, with new facts at some rows."""
        drafts: dict[int, list[ItemFacts | None]] = {}
        for row, new in zip(rows, facts, strict=True):
            page, place = divmod(row, PAGE_ROWS)
            draft = drafts.get(page)
            if draft is None:
                draft = drafts[page] = list(self.pages[page]) if page < len(self.pages) else []
            draft.extend([None] * (place + 1 - len(draft)))
            draft[place] = new
        pages = list(self.pages)
        pages.extend([()] * (max(drafts, default=-1) + 1 - len(pages)))
        for page, draft in drafts.items():
            pages[page] = tuple(draft)
        return FactTable(items, tuple(pages))

    def taken(self, items: Vocabulary, rows: npt.NDArray[np.integer]) -> "FactTable":
        """The table of another vocabulary, whose row r is the row ``rows[r]`` of this one (-1 for none)."""
        moved = np.flatnonzero(rows != np.arange(len(rows)))
        n_same = min(int(moved[0]) if len(moved) else len(rows), PAGE_ROWS * len(self.pages)) // PAGE_ROWS
        found = [self[row] if row >= 0 else None for row in rows[n_same * PAGE_ROWS :].tolist()]
        return FactTable(items, (*self.pages[:n_same], *_paged(found)))


def _paged(facts: Sequence[ItemFacts | None]) -> Iterable[tuple[ItemFacts | None, ...]]:
    return (tuple(facts[at : at + PAGE_ROWS]) for at in range(0, len(facts), PAGE_ROWS))
