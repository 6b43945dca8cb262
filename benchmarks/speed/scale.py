"""Seconds and peak memory of fitting and scoring everybody at a size where memory is what stops others.

Half a million users, 100,000 items and 22 million actions for iALS and item-kNN; as many items, with fewer actions, for
the sparse form of EASE (the dense one would take 40 GB for its matrix alone). Each model runs in a process of its own,
which maps the generated pairs from a file, so that the generator's memory does not count. There is no peer: the row
says what it takes, and fails above the limit.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.rows import Row, rounded, versions
from benchmarks.speed.als import taste_matrix
from foretaste.data import Dataset, Interactions, Vocabulary
from foretaste.models.registry import create_model
from foretaste.models.threads import n_threads

K = 20
Shape = tuple[int, int, int]
"""Users, items, and pairs drawn (repeated ones count once)."""


@dataclass(frozen=True)
class Case:
    """A model with its settings, what it is fitted on, and the most memory it may take."""

    model: str
    settings: Mapping[str, Any]
    shape: Shape
    limit_gb: float


_LARGE, _QUICK = (500_000, 100_000, 22_400_000), (20_000, 5_000, 440_000)
CASES = (
    Case("ials", {"n_factors": 64}, _LARGE, 6.0),
    Case("item_knn", {"n_neighbours": 100}, _LARGE, 6.0),
    Case("sparse_ease", {"n_neighbours": 100}, (200_000, 100_000, 4_400_000), 8.0),
)


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """A row for each model; needs no data."""
    with tempfile.TemporaryDirectory() as folder:
        made: Shape | None = None
        for number, case in enumerate(CASES):
            shape = _QUICK if quick else case.shape
            if shape != made:
                _in_process("make", folder, json.dumps(shape))
                made = shape
            found = json.loads(_in_process("measure", folder, str(number)))
            if found["peak_gb"] > case.limit_gb:
                raise AssertionError(f"{case.model} took {found['peak_gb']} GB, more than {case.limit_gb}")
            yield {"benchmark": "speed", "name": "scale", **found, "threads": n_threads(), "versions": versions()}


def _in_process(*arguments: str) -> str:
    command = [sys.executable, "-m", "benchmarks.speed.scale", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def make(folder: Path, shape: Shape) -> None:
    """Write the pairs of a generated matrix, sorted by user."""
    matrix = taste_matrix(*shape)
    np.save(folder / "shape.npy", np.array(matrix.shape))
    np.save(folder / "users.npy", np.repeat(np.arange(matrix.shape[0], dtype=np.int32), np.diff(matrix.indptr)))
    np.save(folder / "items.npy", matrix.indices.astype(np.int32))


def measure(folder: Path, case: Case) -> dict[str, object]:
    """Fit a model and rank everybody; seconds of both and the most memory that the process ever held."""
    dataset = _dataset(folder)
    before_gb = _peak_gb()
    start = perf_counter()
    model = create_model(case.model, **case.settings).fit(dataset)
    fitted = perf_counter()
    lists = model.recommend(k=K)
    done = perf_counter()
    n_lists, n_full = len(lists), int((lists.item_rows[:, -1] >= 0).sum())
    shape = f"{dataset.n_users:,} × {dataset.n_items:,}, {len(dataset.interactions):,} pairs"
    settings = ", ".join(f"{key} {value}" for key, value in case.settings.items())
    return {
        "case": f"{case.model} ({settings}): {shape}",
        "fit_s": rounded(fitted - start),
        "score_s": rounded(done - fitted),
        "peak_gb": rounded(_peak_gb()),
        "data_gb": rounded(before_gb),
        "note": f"{n_full:,} of {n_lists:,} users got {K} items; limit {case.limit_gb:g} GB",
    }


def _dataset(folder: Path) -> Dataset:
    shape = np.load(folder / "shape.npy")
    users, items = (np.load(folder / f"{side}.npy", mmap_mode="r") for side in ("users", "items"))
    n = len(users)
    ones, unknown, first = np.ones(n, np.float32), np.full(n, np.nan), np.zeros(n, np.uint8)
    vocabularies = [Vocabulary([str(row) for row in range(size)]) for size in shape.tolist()]
    return Dataset(*vocabularies, Interactions(np.asarray(users), np.asarray(items), ones, unknown, first))


def _peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main(arguments: list[str]) -> None:
    """``make FOLDER SHAPE`` or ``measure FOLDER NUMBER`` (of a case), in a process of its own."""
    os.environ.pop("OPENBLAS_CORETYPE", None)
    task, folder, what = arguments
    if task == "make":
        make(Path(folder), tuple(json.loads(what)))
    else:
        print(json.dumps(measure(Path(folder), CASES[int(what)])))


if __name__ == "__main__":
    main(sys.argv[1:])
