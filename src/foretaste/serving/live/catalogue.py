"""The catalogue as it is now: which items exist, which may be shown, what is known of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from foretaste.data import Vocabulary
from foretaste.serving.live.column_changes import changed_columns, taken_columns
from foretaste.serving.live.columns import ItemColumns, ListFace
from foretaste.serving.live.facts import FactTable, ItemFacts, attributes_of, facts_of
from foretaste.storage.records import Record, Records

Mask = npt.NDArray[np.bool_]
Times = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int32]
Array = TypeVar("Array", bound=npt.NDArray[Any])
PAGE = 10_000
_MASKS = 256
"""Masks of categories that are kept."""

__all__ = ["Catalogue", "CategoryMasks", "ItemFacts", "changes", "facts_of"]


class CategoryMasks(Mapping[str, Mask]):
    """Category (lower case) → which rows belong to it (I,); made when first asked for."""

    def __init__(self, face: ListFace | None) -> None:
        self.face = face
        self._masks: dict[str, Mask] = {}

    @cached_property
    def _codes(self) -> dict[str, list[int]]:
        codes: dict[str, list[int]] = {}
        if self.face is not None:
            for code in np.unique(self.face.codes[self.face.owners >= 0]).tolist():
                codes.setdefault(str(self.face.words.words[code]).lower(), []).append(code)
        return codes

    def __getitem__(self, category: str) -> Mask:
        mask = self._masks.get(category)
        if mask is None:
            codes = self._codes[category]
            assert self.face is not None
            wanted = np.zeros(len(self.face.words), dtype=bool)
            wanted[codes] = True
            mask = self.face.having(wanted)
            if len(self._masks) < _MASKS:
                self._masks[category] = mask
        return mask

    def __iter__(self) -> Iterator[str]:
        return iter(self._codes)

    def __len__(self) -> int:
        return len(self._codes)


@dataclass(frozen=True, eq=False)
class _Rows:
    """What a catalogue knows, by row."""

    items: Vocabulary
    facts: FactTable
    columns: ItemColumns
    allowed: Mask
    created: Times
    by_age: Rows

    @classmethod
    def unknown(cls, items: Vocabulary) -> "_Rows":
        """Items of which the store knows nothing."""
        n = len(items)
        allowed, by_age = np.ones(n, dtype=bool), np.arange(n, dtype=np.int32)
        return cls(items, FactTable(items), ItemColumns(n), allowed, np.zeros(n), by_age)


class Catalogue:
    """A snapshot of all items, in rows: first those that the live models can rank, then the later arrivals.

    Immutable: a change gives a new snapshot, so one request sees one catalogue. A row once given stays the item's until
    other models become live.
    """

    def __init__(
        self, model_items: Vocabulary, trained_at: float = 0.0, *, version: int = 0, rows: _Rows | None = None
    ) -> None:
        rows = rows if rows is not None else _Rows.unknown(model_items)
        self._rows = rows
        self.model_items = model_items
        """Items that models rank; their rows come first."""
        self.trained_at = trained_at
        """Items created after it that no model ranks are arrivals."""
        self.version = version
        """Newest change that is in it."""
        self.items = rows.items
        """All items: those of the models, then the others."""
        self.facts = rows.facts
        """Titles and categories of every item in the store, by row or id."""
        self.columns = rows.columns
        """All attributes as arrays by row."""
        self.allowed = rows.allowed
        """Which rows may be shown (I,)."""
        self.created = rows.created
        """When the store first saw each row (I,), seconds since 1970 UTC; 0 for items that only the models know."""
        self.by_age = rows.by_age
        """All rows (I,), those created last first."""

    @property
    def n_model(self) -> int:
        """Rows that models can rank."""
        return len(self.model_items)

    @cached_property
    def newest(self) -> Rows:
        """All rows that may be shown, those created last first."""
        return self.by_age[self.allowed[self.by_age]]

    @cached_property
    def arrivals(self) -> Rows:
        """Rows that no model ranks because they came after the training, the latest first."""
        rows = np.arange(self.n_model, len(self.items), dtype=np.int32)
        rows = rows[self.allowed[rows] & (self.created[rows] > self.trained_at)]
        return rows[np.argsort(-self.created[rows], kind="stable")]

    @cached_property
    def categories(self) -> CategoryMasks:
        """Category (lower case) → which rows belong to it (I,)."""
        column = self.columns.get("categories")
        return CategoryMasks(column.lists if column is not None else None)

    def title(self, item_id: str) -> str | None:
        """The readable name of an item; None when it has none."""
        facts = self.facts.get(item_id)
        return facts.title if facts is not None else None

    def __contains__(self, item_id: object) -> bool:
        """Whether the item exists (available or not): known to the models or the store, and not deleted."""
        facts = self.facts.get(item_id)
        return item_id in self.items if facts is None else not facts.is_deleted

    def changed(self, records: Sequence[Record]) -> "Catalogue":
        """This catalogue with newer versions of some items. Copies whole arrays, but no entry of any other item."""
        if not records:
            return self
        version = max(self.version, *(record.version for record in records))
        newest = {record.record_id: record for record in records}
        known = {item_id: facts_of(record) for item_id, record in newest.items()}
        items = self.items.extended(item_id for item_id, facts in known.items() if not facts.is_deleted)
        ids = [item_id for item_id in newest if item_id in items]  # deleted ones that never had a row stay without
        if not ids:
            return Catalogue(self.model_items, self.trained_at, version=version, rows=self._rows)
        rows, facts = items.rows(ids), [known[item_id] for item_id in ids]
        attributes = [attributes_of(newest[item_id], known[item_id]) for item_id in ids]
        created = _with(self.created, rows, [new.created_at for new in facts], len(items))
        after = _Rows(
            items,
            self.facts.changed(items, rows.tolist(), facts),
            changed_columns(self.columns, rows.tolist(), attributes, len(items)),
            _with(self.allowed, rows, [new.is_available for new in facts], len(items)),
            created,
            self._ordered(created, rows),
        )
        return self._sharing_masks(Catalogue(self.model_items, self.trained_at, version=version, rows=after))

    def _sharing_masks(self, after: "Catalogue") -> "Catalogue":
        """``after`` with the masks of categories that are the same."""
        shelves = self.__dict__.get("categories")
        lists = after.columns.get("categories")
        if shelves is not None and lists is not None and lists.lists is shelves.face:
            after.__dict__["categories"] = shelves
        return after

    def _ordered(self, created: Times, rows: Rows) -> Rows:
        """``by_age`` after some rows got other times of creation or came to be."""
        old = rows[rows < len(self.created)]
        moved = np.concatenate([old[created[old] != self.created[old]], rows[rows >= len(self.created)]])
        if len(moved) == 0:
            return self.by_age
        if len(moved) > len(created) // 10:
            return np.argsort(-created, kind="stable").astype(np.int32)
        stays = np.ones(len(created), dtype=bool)
        stays[moved] = False
        kept = self.by_age[stays[self.by_age]]
        moved = moved[np.lexsort((moved, -created[moved]))]
        places = np.searchsorted(-created[kept], -created[moved], side="right")
        return np.insert(kept, places, moved).astype(np.int32, copy=False)

    def for_models(self, items: Vocabulary, trained_at: float) -> "Catalogue":
        """The same items in rows that fit other models."""
        if items is self.model_items and trained_at == self.trained_at:
            return self
        ids = self.items.ids.to_list()
        others = (row for row in np.flatnonzero(items.rows(self.items.ids) < 0).tolist() if self.facts[row] is not None)
        grown = items.extended(ids[row] for row in others if ids[row] in self)
        rows = self.items.rows(grown.ids)
        created = np.where(rows >= 0, self.created[rows] if len(self.created) else 0.0, 0.0)
        taken = _Rows(
            grown,
            self.facts.taken(grown, rows),
            taken_columns(self.columns, rows),
            np.where(rows >= 0, self.allowed[rows] if len(self.allowed) else True, True),
            created,
            np.argsort(-created, kind="stable").astype(np.int32),
        )
        return Catalogue(items, trained_at, version=self.version, rows=taken)

    def prepare(self) -> "Catalogue":
        """Compute what is computed lazily, so that no request has to; returns itself."""
        _ = self.newest, self.arrivals
        return self


def _with(old: Array, rows: Rows, values: Sequence[float], n: int) -> Array:
    """A copy of ``old`` with ``values`` at ``rows`` and ``n`` places; every new place is among the rows."""
    array = np.empty(n, dtype=old.dtype)
    array[: len(old)] = old
    array[rows] = values
    return array  # type: ignore[return-value]


async def changes(records: Records, since: int) -> list[Record]:
    """All items changed after ``since``, in order."""
    found: list[Record] = []
    while True:
        page = await records.changed("item", since=since, limit=PAGE)
        found.extend(page)
        if len(page) < PAGE:
            return found
        since = page[-1].version
