"""What the stages did to the lists of one batch, kept for a trace."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from foretaste.serving.source_config import SourceConfig


@dataclass(frozen=True)
class Candidates:
    """What one source gave: catalogue rows (-1 in the padding) and scores (B, n), best first."""

    config: SourceConfig
    rows: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Snapshot:
    """The lists after one stage: catalogue rows and scores (B, n)."""

    stage: str
    rows: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]

    def place(self, b: int, row: int) -> int | None:
        """Where a row stands in list ``b``, from 0."""
        found = np.flatnonzero(self.rows[b] == row)
        return int(found[0]) if len(found) else None


@dataclass
class Journal:
    """The lists after each stage that changes them, and what features added to the scores."""

    item_ids: frozenset[str] = frozenset()
    """Items that are asked about; empty means those of the list and the next candidates."""
    snapshots: list[Snapshot] = field(default_factory=list)
    features: list[Snapshot] = field(default_factory=list)
    """For each feature of the ranking what it added to each candidate; the name stands as the stage."""

    def note(self, stage: str, rows: npt.NDArray[np.int32], scores: npt.NDArray[np.float32]) -> None:
        """Keep the lists as they are after a stage."""
        self.snapshots.append(Snapshot(stage, rows.copy(), scores.copy()))

    def after(self, stage: str) -> Snapshot | None:
        """The lists after a stage; None when it did nothing."""
        return next((shot for shot in self.snapshots if shot.stage == stage), None)
