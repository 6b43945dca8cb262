"""Asking a MinHash LSH index of users for neighbours beside datasketch: the same sets, permutations, bands, one run.

Two things are timed, in microseconds a query. «sets»: from a set to its neighbours, which is what a new user needs; the
peer hashes and looks up, we also compare the candidates exactly and rank them. «signatures»: the peer is given its
signatures ready made; ours are made anew all the same. Ours runs on all threads, the peer on its one; a last row gives
ours on one at a time, called set by set. Then the crowd: 100,000 people who all took the same items, where a query that
reads its buckets whole reads everybody.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import sparse

from benchmarks.rows import Row, rounded, speed_row
from benchmarks.speed.lsh_build import (
    NEAREST,
    PERMUTATIONS,
    THRESHOLD,
    asked_users,
    byte_sets,
    found_by_peer,
    found_by_us,
    ours,
    recall,
    sets_of_users,
    theirs,
)
from benchmarks.timing import in_turns
from foretaste.models.neighbours.lsh import MinHashLSH

QUERIES = 20_000
PEER_QUERIES = 1_000


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """Rows for queries as usual and for a crowd; needs no data."""
    yield from _usual(quick=quick)
    yield from _crowd(quick=quick)


def _usual(*, quick: bool) -> Iterator[Row]:
    import datasketch

    sets = sets_of_users(quick=quick)
    given = byte_sets(sets)
    index, (signatures, peer) = ours(sets), theirs(given)
    chosen = np.random.default_rng(2).permutation(sets.shape[0])[:QUERIES]
    few = chosen[: min(PEER_QUERIES, len(chosen))]
    queries, alone = sets[chosen], [sets[[row]] for row in few]

    def ask(one: sparse.csr_array) -> object:
        return index.query(one, NEAREST, min_similarity=THRESHOLD)

    def from_sets() -> None:
        for signature in datasketch.MinHash.bulk([given[row] for row in few], num_perm=PERMUTATIONS):
            peer.query(signature)

    seconds = in_turns(
        {
            "ours": lambda: ask(queries),
            "alone": lambda: [ask(one) for one in alone],
            "sets": from_sets,
            "signatures": lambda: [peer.query(signatures[row]) for row in few],
        },
        rounds=3,
    )
    asked = asked_users(sets)
    quality = {
        "recall": recall(sets, asked, found_by_us(index, sets, asked)),
        "peer_recall": recall(sets, asked, found_by_peer(peer, given, sets, asked)),
        "recall_of": f"the {NEAREST} nearest with J ≥ {THRESHOLD}",
        "unit": "µs",
        "packages": ["datasketch"],
        "peer_name": "datasketch MinHashLSH",
    }
    size = f"{sets.shape[0]:,} sets"
    batched, single = seconds["ours"] / len(chosen) * 1e6, seconds["alone"] / len(few) * 1e6
    for kind in ("sets", "signatures"):
        peer_us = seconds[kind] / len(few) * 1e6
        yield speed_row("lsh_query", ours=batched, peer=peer_us, case=f"{size}, from {kind}", **quality)
    peer_us = seconds["sets"] / len(few) * 1e6
    yield speed_row(
        "lsh_query", ours=single, peer=peer_us, case=f"{size}, from sets, one a call", **{**quality, "threads": 1}
    )


def _crowd(*, quick: bool) -> Iterator[Row]:
    """The same query against an index with no, a small and a large crowd of people like the one who asks."""
    import datasketch

    n_crowd = 5_000 if quick else 100_000
    sets = sets_of_users(quick=quick)[:n_crowd]
    popular = np.sort(np.argsort(-np.bincount(sets.indices, minlength=sets.shape[1]))[:3]).astype(np.int32)
    one = sparse.csr_array((np.ones(3, np.float32), popular, [0, 3]), shape=(1, sets.shape[1]))
    crowd = sparse.csr_array(
        (np.ones(3 * n_crowd, np.float32), np.tile(popular, n_crowd), 3 * np.arange(n_crowd + 1)),
        shape=(n_crowd, sets.shape[1]),
    )
    calm, small_crowd, crowded = (
        ours(sparse.csr_array(sparse.vstack([sets, crowd[:n]]))) for n in (0, n_crowd // 10, n_crowd)
    )
    peer = datasketch.MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)
    signature = datasketch.MinHash.bulk(byte_sets(one), num_perm=PERMUTATIONS)[0]
    with peer.insertion_session() as session:
        for row in range(n_crowd):
            session.insert(row, signature, check_duplication=False)

    def ask(index: MinHashLSH) -> None:
        for _ in range(100):
            index.query(one, NEAREST, min_similarity=THRESHOLD)

    seconds = in_turns(
        {
            "calm": lambda: ask(calm),
            "small": lambda: ask(small_crowd),
            "crowded": lambda: ask(crowded),
            "peer": lambda: peer.query(signature),
        },
        rounds=5,
    )
    yield speed_row(
        "lsh_query",
        ours=seconds["crowded"] * 1e4,
        peer=seconds["peer"] * 1e6,
        peer_name="datasketch MinHashLSH",
        unit="µs",
        packages=["datasketch"],
        threads=1,
        case=f"{n_crowd:,} identical sets beside {sets.shape[0]:,} others",
        without_the_crowd_us=rounded(seconds["calm"] * 1e4),
        tenth_of_the_crowd_us=rounded(seconds["small"] * 1e4),
    )
