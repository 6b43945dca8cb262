"""Fitting item-kNN with 100 neighbours beside implicit's cosine model, same threads, one run."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import sparse

from benchmarks.rows import Row, speed_row
from benchmarks.speed.als import dataset_of, taste_matrix
from benchmarks.timing import in_turns
from foretaste.models.neighbours.item_knn import ItemKNN
from foretaste.models.threads import n_threads

NEIGHBOURS = 100


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """One row; needs no data."""
    from implicit.nearest_neighbours import CosineRecommender

    matrix = taste_matrix(*((10_000, 5_000, 220_000) if quick else (100_000, 20_000, 2_200_000)))
    dataset = dataset_of(matrix)
    pairs = sparse.csr_matrix((matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape)

    def ours() -> ItemKNN:
        # the plain cosine, as the peer has it
        return ItemKNN(n_neighbours=NEIGHBOURS, shrinkage=0.0, user_exponent=0.0, history_share=0.5).fit(dataset)

    def theirs() -> CosineRecommender:
        model = CosineRecommender(K=NEIGHBOURS + 1, num_threads=n_threads())  # it counts the item itself
        model.fit(pairs, show_progress=False)
        return model

    same = _same_similarities(ours(), theirs())
    seconds = in_turns({"ours": ours, "theirs": theirs}, rounds=3)
    yield speed_row(
        "item_knn",
        ours=seconds["ours"],
        peer=seconds["theirs"],
        peer_name="implicit CosineRecommender",
        unit="s",
        packages=["implicit"],
        case=f"{matrix.shape[0]:,} × {matrix.shape[1]:,}, {matrix.nnz:,} pairs, K = {NEIGHBOURS}",
        largest_difference=same,
    )


def _same_similarities(ours: ItemKNN, theirs: object) -> float:
    """The largest difference between the sorted similarities of 200 items."""
    similarity = sparse.csr_array(theirs.similarity)  # type: ignore[attr-defined]
    worst = 0.0
    for item in range(0, similarity.shape[0], max(1, similarity.shape[0] // 200)):
        row = similarity[[item]]
        peer = np.sort(row.data[row.indices != item])[::-1][:NEIGHBOURS]
        own = np.sort(ours.neighbours[[item]].data)[::-1]
        n = min(len(peer), len(own))
        worst = max(worst, float(np.abs(peer[:n] - own[:n]).max(initial=0.0)))
    return round(worst, 6)
