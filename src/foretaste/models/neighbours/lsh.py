"""An index of sets that finds the similar ones without looking at all: MinHash in bands, ranked exactly."""

from dataclasses import dataclass
from typing import Literal, Self, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from foretaste.errors import ConfigurationError
from foretaste.models.neighbours.minhash import Hashes, MinHash, bands_for, csr_parts, even_parts
from foretaste.models.threads import map_threads

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]
Measure = Literal["jaccard", "cosine"]
Number = TypeVar("Number", bound=np.generic)

ENTRIES_PER_PLACE = 4
"""About so many entries of a table share their leading bits: a cache line holds eight."""
LATE_ROOT = 4
"""New sets are merged into the main table when they are more than this times the root of its size."""


@dataclass(frozen=True)
class BucketTable:
    """For each band the sets by hash: ``entries`` (bands, n), ascending, and ``starts`` (bands, 2^bits + 1)."""

    bits: int
    starts: Ints
    entries: Keys

    @classmethod
    def of(cls, hashes: Hashes, slots: Ints) -> "BucketTable":
        """From the band hashes (bands, n) of sets and their slots (n,), on all threads."""
        from foretaste.models.kernels.minhash import fill_table

        n_bands, n = hashes.shape
        bits = max(0, (max(n, 1) // ENTRIES_PER_PLACE).bit_length())
        starts = np.empty((n_bands, 2**bits + 1), np.int32)
        entries = np.empty((n_bands, n), np.uint64)
        map_threads(lambda b: fill_table(hashes[b], slots, bits, starts[b], entries[b]), range(n_bands))
        return cls(bits, starts, entries)

    def __len__(self) -> int:
        return int(self.entries.shape[1])

    @classmethod
    def merged(cls, first: "BucketTable", second: "BucketTable") -> "BucketTable":
        """Both in one. Every band has the same slots, but each in its own order, so they are put in slot order."""
        entries = np.concatenate([first.entries, second.entries], axis=1)
        slots = (entries & np.uint64(0xFFFFFFFF)).astype(np.int32)
        order = np.argsort(slots, axis=1)
        hashes = np.take_along_axis((entries >> np.uint64(32)).astype(np.uint32), order, axis=1)
        return cls.of(hashes, np.sort(slots[0]))


class MinHashLSH:
    """Finds the stored sets most similar to a set, in time that does not grow with the number of stored sets.

    Sets are rows of a sparse matrix (only its structure counts). Each is hashed into ``bands`` buckets; what shares a
    bucket with the query is a candidate, and candidates are compared exactly, those met in the most bands first. A set
    of similarity J becomes one with probability 1 - (1 - J^rows)^bands.

    A crowded bucket (thousands of people who took the same one thing) costs no more than others: at most
    ``max_bucket`` of its sets are read, from a place that the query's hash decides, and at most ``max_candidates`` are
    compared. So the answer depends on data and seed alone, never on threads.

    Source: Broder 1997; Indyk and Motwani 1998, doi:10.1145/276698.276876; Leskovec, Rajaraman and Ullman, Mining of
    Massive Datasets, chapter 3. Cost: bands·rows multiplications for each element to build; 8·bands bytes a set.

    Args:
        threshold: the similarity from which on sets should be found; chooses bands and rows.
        n_permutations: hash functions to use, at most.
        bands: with ``rows``, set by hand instead of by the threshold.
        rows: functions in a band; more means fewer candidates.
        false_negative_weight: how much worse it is to miss a set than to compare one in vain, 0 … 1.
        max_bucket: entries read of each bucket.
        max_candidates: candidates compared exactly for a query.
        seed: of the hash functions.

    Raises:
        ConfigurationError: a value out of range, or one of bands and rows alone.
    """

    def __init__(
        self,
        *,
        threshold: float = 0.5,
        n_permutations: int = 128,
        bands: int | None = None,
        rows: int | None = None,
        false_negative_weight: float = 0.5,
        max_bucket: int = 64,
        max_candidates: int = 512,
        seed: int = 0,
    ) -> None:
        if (bands is None) != (rows is None):
            raise ConfigurationError("bands and rows are set together or not at all")
        if min(max_bucket, max_candidates) < 1 or (bands is not None and min(bands, rows or 0) < 1):
            raise ConfigurationError("bands, rows, max_bucket and max_candidates are at least 1")
        if not 0 <= false_negative_weight <= 1:
            raise ConfigurationError(f"false_negative_weight = {false_negative_weight} is outside 0 … 1")
        chosen = bands_for(threshold, n_permutations, false_negative_weight)
        self.bands, self.rows = (bands, rows) if bands is not None and rows is not None else chosen
        self.max_bucket, self.max_candidates, self.seed = max_bucket, max_candidates, seed
        self._clear(0)

    def _clear(self, n_elements: int) -> None:
        self._hash = MinHash.of(self.bands, self.rows, n_elements, self.seed)
        self._sets = _StoredSets()
        self._owners = np.zeros(0, np.int32)  # row of each slot, -1 where it was taken out
        self._main = self._late = self._empty_table()

    def _empty_table(self) -> BucketTable:
        return BucketTable.of(np.zeros((self.bands, 0), np.uint32), np.zeros(0, np.int32))

    def __len__(self) -> int:
        return int((self._owners >= 0).sum())

    def build(self, sets: sparse.csr_array) -> Self:
        """Store the rows of ``sets`` (n, elements), numbered from 0; empty ones are never found. Starts over."""
        self._clear(sets.shape[1])
        sets = _ascending(sets)
        self._main = self._table(sets, np.arange(sets.shape[0], dtype=np.int32))
        self._sets.add(*csr_parts(sets))
        self._owners = np.arange(sets.shape[0], dtype=np.int32)
        return self

    def _table(self, sets: sparse.csr_array, slots: Ints) -> BucketTable:
        full = np.diff(sets.indptr) > 0
        hashes = self._hash.hashes(sets)
        return BucketTable.of(hashes, slots) if full.all() else BucketTable.of(hashes[:, full], slots[full])

    def insert(self, sets: sparse.csr_array, rows: npt.NDArray[np.integer] | None = None) -> Ints:
        """Store more sets under ``rows`` (by default the next free ones), taking the place of what was there.

        Returns the rows. A set costs its hashing and, spread over many calls, about √n steps.

        Raises:
            ConfigurationError: another number of rows than of sets, or one twice.
        """
        n = sets.shape[0]
        next_row = int(self._owners.max(initial=-1)) + 1
        chosen = np.arange(next_row, next_row + n) if rows is None else np.asarray(rows)
        if len(chosen) != n or len(np.unique(chosen)) != n or (n and chosen.min() < 0):
            raise ConfigurationError(f"{n} sets need as many different rows from 0", hint="leave rows out")
        if sets.shape[1] > len(self._hash.keys):  # new elements; known ones keep their hashes
            self._hash = MinHash.of(self.bands, self.rows, sets.shape[1], self.seed)
        self.remove(chosen)
        sets = _ascending(sets)
        slots = np.arange(len(self._owners), len(self._owners) + n, dtype=np.int32)
        self._late = BucketTable.merged(self._late, self._table(sets, slots))
        self._sets.add(*csr_parts(sets))
        self._owners = np.concatenate([self._owners, chosen.astype(np.int32)])
        if (self._owners < 0).sum() > len(self._owners) // 2:
            self._compact()
        elif len(self._late) > LATE_ROOT * len(self._main) ** 0.5:
            self._main, self._late = BucketTable.merged(self._main, self._late), self._empty_table()
        return chosen.astype(np.int32)

    def remove(self, rows: npt.NDArray[np.integer]) -> None:
        """Take the sets of ``rows`` out; rows that are not stored are passed over."""
        self._owners = np.where(np.isin(self._owners, rows), np.int32(-1), self._owners)

    def _compact(self) -> None:
        """Give every row the slot of its number, without those taken out, in one table."""
        n = int(self._owners.max(initial=-1)) + 1
        if not len(self._late) and n == len(self._owners) and (self._owners == np.arange(n)).all():
            return
        slots = np.full(n, -1, np.int64)
        used = np.flatnonzero(self._owners >= 0)
        slots[self._owners[used]] = used
        sets = self._sets.take(slots, len(self._hash.keys))
        owners = np.where(slots >= 0, np.arange(n), -1).astype(np.int32)
        self.build(sets)
        self._owners = owners

    def query(
        self,
        sets: sparse.csr_array,
        k: int,
        *,
        min_similarity: float = 0.0,
        measure: Measure = "jaccard",
        excluded: npt.NDArray[np.integer] | None = None,
    ) -> tuple[Ints, Floats, Longs]:
        """The ``k`` most similar stored sets to each of Q sets, best first: rows and similarities (Q, k), counts (Q,).

        Args:
            sets: (Q, elements); elements that the index does not know are of no set but count for the size.
            k: at most so many for each.
            min_similarity: less similar ones are left out.
            measure: |A∩B| / |A∪B|, or the cosine |A∩B| / √(|A||B|).
            excluded: (Q,) a stored row to leave out for each, -1 for none.
        """
        from foretaste.models.kernels.minhash import query_sets

        if k < 1:
            raise ConfigurationError(f"k = {k} is out of range", hint="ask for at least one neighbour")
        if sets.shape[1] > len(self._hash.keys):
            self._hash = MinHash.of(self.bands, self.rows, sets.shape[1], self.seed)
        n = sets.shape[0]
        indptr, elements = csr_parts(_ascending(sets))
        skipped = np.full(n, -1, np.int32) if excluded is None else np.asarray(excluded, np.int32)
        found: Ints = np.zeros((n, k), np.int32)
        values: Floats = np.zeros((n, k), np.float32)
        counts: Longs = np.zeros(n, np.int64)
        main, late, stored = self._main, self._late, self._sets

        def ask(part: tuple[int, int]) -> None:
            query_sets(
                *part, indptr, elements, skipped, *self._hash.functions,
                main.bits, main.starts, main.entries, late.bits, late.starts, late.entries,
                self._owners, stored.indptr, stored.elements,
                self.max_bucket, self.max_candidates, measure == "cosine", np.float32(min_similarity),
                found, values, counts,
            )  # fmt: skip

        map_threads(ask, even_parts(indptr))
        return found, values, counts


class _StoredSets:
    """Ragged sets that grow at the end, with room to spare so that adding costs what is added."""

    def __init__(self) -> None:
        self.n, self.size = 0, 0
        self._indptr, self._elements = np.zeros(1, np.int64), np.zeros(0, np.int32)

    @property
    def indptr(self) -> Longs:
        return self._indptr[: self.n + 1]

    @property
    def elements(self) -> Ints:
        return self._elements[: self.size]

    def add(self, indptr: Longs, elements: Ints) -> None:
        n, size = self.n + len(indptr) - 1, self.size + len(elements)
        if self.n == 0:
            self._indptr, self._elements = indptr, elements
        else:
            self._indptr = _with_room(self._indptr, self.n + 1, n + 1)
            self._elements = _with_room(self._elements, self.size, size)
            self._indptr[self.n + 1 : n + 1] = indptr[1:] + self.size
            self._elements[self.size : size] = elements
        self.n, self.size = n, size

    def take(self, slots: Longs, n_elements: int) -> sparse.csr_array:
        """The sets of ``slots`` as a matrix; -1 gives an empty one."""
        known = np.maximum(slots, 0)
        lengths = np.where(slots >= 0, np.diff(self.indptr)[known], 0) if self.n else np.zeros(len(slots), np.int64)
        indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        first = self.indptr[known] if self.n else np.zeros(len(slots), np.int64)
        picks = np.repeat(first - indptr[:-1], lengths) + np.arange(indptr[-1])
        elements = self.elements[picks]
        return sparse.csr_array((np.ones(len(picks), np.float32), elements, indptr), shape=(len(slots), n_elements))


def _with_room(array: npt.NDArray[Number], used: int, needed: int) -> npt.NDArray[Number]:
    """The array itself where ``needed`` fits and it is ours to write, else a copy with room to grow."""
    if needed <= len(array) and array.flags.writeable and array.base is None:
        return array
    larger: npt.NDArray[Number] = np.empty(max(needed, 2 * used), array.dtype)
    larger[:used] = array[:used]
    return larger


def _ascending(sets: sparse.csr_array) -> sparse.csr_array:
    """The same sets with each row's elements in ascending order and none twice."""
    if sets.has_canonical_format:
        return sets
    copy = sets.copy()
    copy.sum_duplicates()
    return copy
