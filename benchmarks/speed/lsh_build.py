"""Building a MinHash LSH index of users beside datasketch: the same sets, permutations, bands and rows, one run.

The time is that from sets to an index that can be asked: signatures and buckets. ``recall`` and ``peer_recall`` are
shares of the exact Jaccard neighbours from the threshold on (at most the 20 nearest) of the same users, so that a fast
index that finds nothing would show. datasketch runs on one thread; it offers no other way.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from benchmarks.rows import Row, speed_row
from benchmarks.speed.als import taste_matrix
from benchmarks.timing import in_turns, timed
from foretaste.models.neighbours.lsh import MinHashLSH

THRESHOLD = 0.5
PERMUTATIONS = 128
NEAREST = 20
ASKED = 500


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """One row; needs no data."""
    sets = sets_of_users(quick=quick)
    given = byte_sets(sets)
    index = ours(sets)
    peer_s, (_, peer) = timed(lambda: theirs(given))
    seconds = in_turns({"ours": lambda: ours(sets)}, rounds=5)["ours"]
    if not quick:
        peer_s = min(peer_s, timed(lambda: theirs(given))[0])
        seconds = min(seconds, in_turns({"ours": lambda: ours(sets)}, rounds=5)["ours"])
    asked = asked_users(sets)
    yield speed_row(
        "lsh_build",
        ours=seconds,
        peer=peer_s,
        peer_name="datasketch MinHash + MinHashLSH",
        unit="s",
        packages=["datasketch"],
        case=f"{sets.shape[0]:,} sets, {sets.nnz:,} elements, {PERMUTATIONS} permutations",
        bands=f"{index.bands} × {index.rows}, peer {peer.b} × {peer.r}",
        recall=recall(sets, asked, found_by_us(index, sets, asked)),
        peer_recall=recall(sets, asked, found_by_peer(peer, given, sets, asked)),
        recall_of=f"the {NEAREST} nearest with J ≥ {THRESHOLD}",
    )


def sets_of_users(*, quick: bool) -> sparse.csr_array:
    """Users as sets of items, about 20 each."""
    return taste_matrix(*((5_000, 2_000, 110_000) if quick else (100_000, 20_000, 2_200_000)))


def byte_sets(sets: sparse.csr_array) -> list[list[bytes]]:
    """The sets as datasketch wants them."""
    names = [row.to_bytes(4, "little") for row in range(sets.shape[1])]
    bounds, items = sets.indptr.tolist(), sets.indices.tolist()
    return [[names[item] for item in items[a:b]] for a, b in pairwise(bounds)]


def ours(sets: sparse.csr_array) -> MinHashLSH:
    """Our index."""
    return MinHashLSH(threshold=THRESHOLD, n_permutations=PERMUTATIONS).build(sets)


def theirs(given: list[list[bytes]]) -> tuple[list[Any], Any]:
    """datasketch's signatures and index, in its own fast ways (bulk hashing, a session of insertions)."""
    import datasketch

    signatures = datasketch.MinHash.bulk(given, num_perm=PERMUTATIONS)
    index = datasketch.MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)
    with index.insertion_session() as session:
        for row, signature in enumerate(signatures):
            session.insert(row, signature, check_duplication=False)
    return signatures, index


def asked_users(sets: sparse.csr_array) -> npt.NDArray[np.int64]:
    """Users to ask for, at random."""
    return np.random.default_rng(1).choice(sets.shape[0], min(ASKED, sets.shape[0]), replace=False)


def similarities(sets: sparse.csr_array, asked: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Exact Jaccard similarities (asked, users), 0 to oneself."""
    common = (sets[asked] @ sets.T).toarray()
    sizes = np.diff(sets.indptr)
    exact = common / (sizes[asked][:, None] + sizes - common)
    exact[np.arange(len(asked)), asked] = 0
    return np.asarray(exact, dtype=np.float64)


def recall(sets: sparse.csr_array, asked: npt.NDArray[np.int64], found: list[npt.NDArray[np.integer]]) -> float:
    """The share of the exact nearest neighbours from the threshold on that was found, equally near ones counting for
    each other.
    """
    exact = similarities(sets, asked)
    hits = total = 0
    for place in range(len(asked)):
        best = np.sort(exact[place])[::-1][:NEAREST]
        best = best[best >= THRESHOLD]
        if len(best):
            hits += min(len(best), int((exact[place, found[place]] >= best[-1] - 1e-9).sum()))
            total += len(best)
    return round(hits / max(total, 1), 4)


def found_by_us(
    index: MinHashLSH, sets: sparse.csr_array, asked: npt.NDArray[np.int64]
) -> list[npt.NDArray[np.integer]]:
    """The rows that our index finds for each user asked for."""
    rows, _, counts = index.query(sets[asked], NEAREST, min_similarity=THRESHOLD, excluded=asked)
    return [rows[place, : counts[place]] for place in range(len(asked))]


def found_by_peer(
    index: Any, given: list[list[bytes]], sets: sparse.csr_array, asked: npt.NDArray[np.int64]
) -> list[npt.NDArray[np.integer]]:
    """All candidates that datasketch gives, not yet ranked."""
    import datasketch

    signatures = datasketch.MinHash.bulk([given[row] for row in asked.tolist()], num_perm=PERMUTATIONS)
    return [np.array(sorted(set(index.query(one)) - {row}), int) for one, row in zip(signatures, asked, strict=True)]
