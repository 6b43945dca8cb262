"""Lists made in advance for every user of a version: arrays beside its models, memory-mapped where they are served."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from foretaste.data import Population
from foretaste.errors import CorruptStateError
from foretaste.models.state import State

FOLDER = "lists"
"""Where they stand in a published version."""
_KIND = "lists"


@dataclass(frozen=True, eq=False)
class PreparedLists:
    """The candidates of each user, best first.

    ``rows`` is (U, k) int32 with rows of the version's items, -1 in the padding; ``scores`` (U, k) float32. They take
    8·U·k bytes on disk and, where served, only the pages that are read.
    """

    rows: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]
    models: tuple[str, ...]
    """Names of the models that gave them; the first one explains them."""

    @property
    def k(self) -> int:
        """Length of the longest list there can be."""
        return int(self.rows.shape[1])

    def save(self, folder: Path) -> str:
        """Write into a bundle's folder; returns the manifest's sha256.

        Raises:
            StorageFullError, StorageUnavailableError: the folder cannot be written.
        """
        state = State(_KIND, {"models": list(self.models)}, {"rows": self.rows, "scores": self.scores})
        return state.save(folder / FOLDER)

    @classmethod
    def load(cls, folder: Path, population: Population, *, sha256: str | None) -> "PreparedLists":
        """The lists in a bundle's folder, as memory maps.

        Raises:
            CorruptStateError: damaged, exchanged, or not of this population.
        """
        state = State.load(folder / FOLDER, sha256=sha256)
        try:
            rows, scores, models = state.arrays["rows"], state.arrays["scores"], state.meta["models"]
        except KeyError as exc:
            raise CorruptStateError(f"the saved lists in {folder} lack {exc}", hint="train again") from exc
        fits = (
            state.kind == _KIND
            and rows.dtype == np.int32
            and scores.dtype == np.float32
            and rows.shape == scores.shape
            and rows.ndim == 2
            and len(rows) == len(population.users)
            and int(rows.min(initial=-1)) >= -1
            and int(rows.max(initial=-1)) < len(population.items)
        )
        if not fits:
            raise CorruptStateError(f"the saved lists in {folder} do not fit their models", hint="train again")
        return cls(rows, scores, tuple(map(str, models)))
