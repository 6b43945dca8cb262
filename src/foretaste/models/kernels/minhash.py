"""MinHash signatures, bucket tables and queries of locality-sensitive hashing, one pass over the sets each.

The P hash functions are linear permutations h(x) = (a·x + b) mod 2³², a odd, of 32-bit keys x (Bohman, Cooper and
Frieze 2000, “Min-wise independent linear permutations”). Elements become keys by a bijection of 32-bit numbers whose
outputs look random (the finaliser of MurmurHash3), so that numbers in a row do not stay in a row. A band's hash is a
linear hash of its minima (Thorup 2015, arXiv:1504.06804, section 3.5), mixed once more. All inner loops run over the
functions or the bands on 32-bit numbers, so they become vector instructions.

A table holds, for each band, one number (hash << 32 | slot) for each set, ascending, and where the numbers with the
same leading bits start.
"""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]
Hashes = npt.NDArray[np.uint32]

INSERTION_LIMIT = 24
"""Entries with the same leading bits are sorted by insertion and looked through one by one up to this number."""
QUERY_BLOCK = 128
"""So many queries are looked up in one band's table before the next one's: what it takes of a table stays in cache."""


@kernel
def _mixed(x: np.uint32) -> np.uint32:
    """A bijection of 32-bit numbers whose outputs look random (the finaliser of MurmurHash3)."""
    x ^= x >> np.uint32(16)
    x = np.uint32(x * np.uint32(0x85EBCA6B))
    x ^= x >> np.uint32(13)
    x = np.uint32(x * np.uint32(0xC2B2AE35))
    x ^= x >> np.uint32(16)
    return x


@kernel
def element_keys(n_elements: int, seed: np.uint32) -> Hashes:
    """The key of each element ``0 … n-1``, all different."""
    keys = np.empty(n_elements, dtype=np.uint32)
    for n in range(n_elements):
        keys[n] = _mixed(np.uint32(n) ^ seed)
    return keys


@kernel
def _hash_bands(
    elements: Ints, keys: Hashes, factors: Hashes, offsets: Hashes, mixers: Hashes, minima: Hashes, sums: Hashes
) -> None:
    """The band hashes of one set into ``sums`` (bands,).

    ``minima`` (P,) is scratch. Function ``n·bands + b`` is the n-th of band b; ``mixers`` (rows,) mix a band's minima.
    """
    minima[:] = np.uint32(0xFFFFFFFF)
    for element in elements:
        x = keys[element]
        for p in range(len(minima)):
            minima[p] = min(minima[p], np.uint32(factors[p] * x + offsets[p]))
    n_bands = len(sums)
    sums[:] = np.uint32(0)
    for n in range(len(mixers)):
        mixer = mixers[n]
        for b in range(n_bands):
            sums[b] = np.uint32(sums[b] + mixer * minima[n * n_bands + b])
    for b in range(n_bands):
        sums[b] = _mixed(sums[b])


@kernel
def hash_sets(
    start: int,
    stop: int,
    indptr: Longs,
    elements: Ints,
    keys: Hashes,
    factors: Hashes,
    offsets: Hashes,
    mixers: Hashes,
    out: Hashes,
) -> None:
    """The band hashes of sets ``start:stop`` into ``out[:, start:stop]`` (bands, sets)."""
    n_bands = out.shape[0]
    minima = np.empty(len(factors), dtype=np.uint32)
    sums = np.empty(n_bands, dtype=np.uint32)
    for s in range(start, stop):
        _hash_bands(elements[indptr[s] : indptr[s + 1]], keys, factors, offsets, mixers, minima, sums)
        for b in range(n_bands):
            out[b, s] = sums[b]


@kernel
def _sort(part: Keys) -> None:
    if len(part) <= INSERTION_LIMIT:
        for i in range(1, len(part)):
            value = part[i]
            place = i
            while place > 0 and part[place - 1] > value:
                part[place] = part[place - 1]
                place -= 1
            part[place] = value
    else:
        part.sort()


@kernel
def fill_table(hashes: Hashes, slots: Ints, bits: int, starts: Ints, entries: Keys) -> None:
    """Fill one band's table: ``starts`` (2^bits + 1) and ``entries`` (n) from the hash and number of each set."""
    shift = np.uint32(32 - bits)
    starts[:] = 0
    for n in range(len(hashes)):
        place = np.int64(hashes[n] >> shift) if bits > 0 else 0
        starts[place + 1] += 1
    for place in range(len(starts) - 1):
        starts[place + 1] += starts[place]
    following = starts[:-1].copy()
    for n in range(len(hashes)):
        place = np.int64(hashes[n] >> shift) if bits > 0 else 0
        entries[following[place]] = (np.uint64(hashes[n]) << np.uint64(32)) | np.uint64(slots[n])
        following[place] += 1
    for place in range(len(starts) - 1):
        if starts[place + 1] - starts[place] > 1:
            _sort(entries[starts[place] : starts[place + 1]])


@kernel
def _bucket(hashed: np.uint32, bits: int, starts: Ints, entries: Keys) -> tuple[np.int64, np.int64]:
    """Where the sets with a hash stand in one band's entries: [from, to)."""
    place = np.int64(hashed >> np.uint32(32 - bits)) if bits > 0 else 0
    low, end = np.int64(starts[place]), np.int64(starts[place + 1])
    high = end
    if end - low <= INSERTION_LIMIT:  # as nearly always: a look along the cache line
        while low < end and (entries[low] >> np.uint64(32)) < hashed:
            low += 1
        high = low
    while low < high:  # the first entry of at least this hash
        middle = (low + high) >> 1
        if (entries[middle] >> np.uint64(32)) < hashed:
            low = middle + 1
        else:
            high = middle
    first = low
    if first == end or (entries[first] >> np.uint64(32)) != hashed:
        return first, first
    step = 1  # the last one lies near, so go in growing steps
    while first + step < end and (entries[first + step] >> np.uint64(32)) == hashed:
        step <<= 1
    low, high = first + (step >> 1), min(first + step, end)
    while low < high:
        middle = (low + high) >> 1
        if (entries[middle] >> np.uint64(32)) == hashed:
            low = middle + 1
        else:
            high = middle
    return first, low


@kernel
def _shared(ours: Ints, theirs: Ints) -> int:
    """How many elements two ascending sets have in common."""
    i, j, count = 0, 0, 0
    while i < len(ours) and j < len(theirs):
        a, b = ours[i], theirs[j]
        count += a == b
        i += a <= b
        j += b <= a
    return count


@kernel
def _most_met_first(found: Ints, counts: Ints, n_found: int, n_bands: int, kept: Ints) -> int:
    """The candidates met in the most bands into ``kept``, at most ``len(kept)``; returns how many."""
    places = np.zeros(n_bands + 2, dtype=np.int64)
    for n in range(n_found):
        places[n_bands - counts[n] + 1] += 1
    for c in range(n_bands + 1):
        places[c + 1] += places[c]
    for n in range(n_found):
        group = n_bands - counts[n]
        if places[group] < len(kept):
            kept[places[group]] = found[n]
        places[group] += 1
    return min(n_found, len(kept))


@kernel
def query_sets(
    start: int,
    stop: int,
    indptr: Longs,
    elements: Ints,
    excluded: Ints,
    keys: Hashes,
    factors: Hashes,
    offsets: Hashes,
    mixers: Hashes,
    bits: int,
    starts: Ints,
    entries: Keys,
    late_bits: int,
    late_starts: Ints,
    late_entries: Keys,
    owners: Ints,
    s_indptr: Longs,
    s_elements: Ints,
    most_of_bucket: int,
    most_candidates: int,
    is_cosine: bool,
    least: np.float32,
    out_rows: Ints,
    out_values: Floats,
    out_counts: Longs,
) -> None:
    """The most similar stored sets to query sets ``start:stop``, best first; ties go to the smaller row.

    Args:
        excluded: (Q,) an owner left out for each query, -1 for none.
        starts, entries, late_starts, late_entries: (bands, …) the two tables, of old and of new sets.
        owners: row of each slot, -1 where it was taken out.
        s_indptr, s_elements: the stored sets, by slot.
        most_of_bucket: entries read of one bucket; of a larger one a window, placed by the query's hash.
        most_candidates: candidates compared exactly, those met in the most bands first.
        is_cosine: compare by |A∩B| / √(|A||B|) instead of |A∩B| / |A∪B|.
        least: similarities below it are left out.
        out_rows, out_values, out_counts: (Q, k), (Q, k), (Q,).
    """
    n_bands = starts.shape[0]
    k = out_rows.shape[1]
    minima = np.empty(len(factors), dtype=np.uint32)
    sums = np.empty(n_bands, dtype=np.uint32)
    hashes = np.empty((n_bands, QUERY_BLOCK), dtype=np.uint32)
    lows = np.empty((QUERY_BLOCK, 2 * n_bands), dtype=np.int64)
    sizes = np.zeros((QUERY_BLOCK, 2 * n_bands), dtype=np.int64)
    has_late = late_entries.shape[1] > 0
    kept = np.empty(most_candidates, dtype=np.int32)
    ranked = np.empty(most_candidates, dtype=np.int64)
    value = np.empty(1, dtype=np.float32)
    value_bits = value.view(np.int32)
    room = 64
    table = np.empty(2 * room, dtype=np.int32)  # open addressing: place in ``found``, -1 where free
    found = np.empty(room, dtype=np.int32)
    counts = np.empty(room, dtype=np.int32)
    for q in range(start, stop):
        turn = (q - start) % QUERY_BLOCK
        if turn == 0:
            n_turns = min(QUERY_BLOCK, stop - q)
            for m in range(n_turns):
                _hash_bands(elements[indptr[q + m] : indptr[q + m + 1]], keys, factors, offsets, mixers, minima, sums)
                for b in range(n_bands):
                    hashes[b, m] = sums[b]
            for b in range(n_bands):
                of_band, band_starts, band_entries = hashes[b], starts[b], entries[b]
                for m in range(n_turns):
                    low, high = _bucket(of_band[m], bits, band_starts, band_entries)
                    lows[m, 2 * b], sizes[m, 2 * b] = low, high - low
                if has_late:
                    band_starts, band_entries = late_starts[b], late_entries[b]
                    for m in range(n_turns):
                        low, high = _bucket(of_band[m], late_bits, band_starts, band_entries)
                        lows[m, 2 * b + 1], sizes[m, 2 * b + 1] = low, high - low
        own = elements[indptr[q] : indptr[q + 1]]
        out_counts[q] = 0
        if len(own) == 0:
            continue
        first, length = lows[turn], sizes[turn]
        total = np.int64(0)
        for run in range(2 * n_bands):
            if length[run] > most_of_bucket:
                where = np.int64(_mixed(hashes[((run >> 1) + 1) % n_bands, turn] ^ np.uint32(run >> 1)))
                first[run] += where % (length[run] - most_of_bucket + 1)
                length[run] = most_of_bucket
            total += length[run]
        if total == 0:
            continue
        if total > room:
            while room < total:
                room *= 2
            table = np.empty(2 * room, dtype=np.int32)
            found = np.empty(room, dtype=np.int32)
            counts = np.empty(room, dtype=np.int32)
        span = 2
        while span < 2 * total:
            span *= 2
        mask = span - 1
        table[:span] = -1
        n_found = 0
        for run in range(2 * n_bands):
            b = run >> 1
            for p in range(first[run], first[run] + length[run]):
                entry = late_entries[b, p] if run & 1 else entries[b, p]
                slot = np.int32(entry & np.uint64(0x7FFFFFFF))
                owner = owners[slot]
                if owner < 0 or owner == excluded[q]:
                    continue
                place = np.int64((np.uint32(slot) * np.uint32(0x9E3779B1)) >> np.uint32(7)) & mask
                while table[place] >= 0 and found[table[place]] != slot:
                    place = (place + 1) & mask
                if table[place] < 0:
                    table[place] = n_found
                    found[n_found] = slot
                    counts[n_found] = 1
                    n_found += 1
                else:
                    counts[table[place]] += 1
        n_kept = n_found
        if n_found > most_candidates:
            n_kept = _most_met_first(found, counts, n_found, n_bands, kept)
        count = 0
        for n in range(n_kept):
            slot = kept[n] if n_found > most_candidates else found[n]
            theirs = s_elements[s_indptr[slot] : s_indptr[slot + 1]]
            small, large = np.float32(min(len(own), len(theirs))), np.float32(max(len(own), len(theirs)))
            bound = np.sqrt(small / large) if is_cosine else small / large
            if bound < least:
                continue
            common = np.float32(_shared(own, theirs))
            similarity = common / np.sqrt(small * large) if is_cosine else common / (small + large - common)
            if similarity >= least and common > 0:
                value[0] = similarity
                ranked[count] = (np.int64(value_bits[0]) << 32) | np.int64(0x7FFFFFFF - owners[slot])
                count += 1
        best = ranked[:count]
        best.sort()
        n_best = min(count, k)
        for n in range(n_best):
            out_rows[q, n] = 0x7FFFFFFF - (best[count - 1 - n] & 0x7FFFFFFF)
            value_bits[0] = np.int32(best[count - 1 - n] >> 32)
            out_values[q, n] = value[0]
        out_counts[q] = n_best
