"""One batch of queries on its way through the stages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from foretaste.data import Query
from foretaste.logs import get_logger
from foretaste.models.batches import QueryBatch
from foretaste.rerank import ItemView
from foretaste.serving.answers import Skipped
from foretaste.serving.config import PipelineConfig, ScenarioConfig
from foretaste.serving.exploration import Explored
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.pipeline.guard import Guard, T, Told, Trouble
from foretaste.serving.pipeline.journal import Candidates, Journal
from foretaste.serving.pipeline.parts import Mask
from foretaste.serving.pipeline.timing import Watch
from foretaste.serving.rules import Decision, User

log = get_logger(__name__)


@dataclass
class Draft:
    """Lists while they are being made, best first: catalogue rows (-1 in the padding), scores and source numbers
    (B, n).
    """

    rows: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]
    codes: npt.NDArray[np.int16]
    """Into ``names``, -1 in the padding."""
    names: list[str]
    """Labels of sources."""

    @classmethod
    def empty(cls, n_lists: int, width: int) -> "Draft":
        """Lists without items."""
        shape = (n_lists, width)
        rows, scores = np.full(shape, -1, dtype=np.int32), np.full(shape, np.nan, dtype=np.float32)
        return cls(rows, scores, np.full(shape, -1, dtype=np.int16), [])

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Items in each list (B,)."""
        return np.asarray((self.rows >= 0).sum(axis=1))

    def code(self, name: str) -> int:
        """The number of a source."""
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)

    def append(self, b: int, rows: Sequence[int], scores: Sequence[float], source: str) -> None:
        """Add items at the end of list ``b``."""
        start = int((self.rows[b] >= 0).sum())
        stop = start + len(rows)
        self.rows[b, start:stop], self.scores[b, start:stop] = rows, scores
        self.codes[b, start:stop] = self.code(source)

    def labels(self, b: int) -> dict[int, str]:
        """Row → source of list ``b``."""
        listed = zip(self.rows[b].tolist(), self.codes[b].tolist(), strict=True)
        return {row: self.names[code] for row, code in listed if row >= 0}

    def write(self, b: int, rows: Sequence[int], labels: Mapping[int, str], pool: "Draft") -> None:
        """Make ``rows`` list ``b``: each with its score in list ``b`` of ``pool``, if it is there, and with the source
        that ``labels`` or else the pool gives it.
        """
        places = {row: place for place, row in enumerate(pool.rows[b].tolist()) if row >= 0}
        scores = [float(pool.scores[b, places[row]]) if row in places else np.nan for row in rows]
        codes = [self.code(labels[row]) if row in labels else int(pool.codes[b, places[row]]) for row in rows]
        self.rows[b], self.scores[b], self.codes[b] = -1, np.nan, -1
        n = len(rows)
        self.rows[b, :n], self.scores[b, :n], self.codes[b, :n] = rows, scores, codes

    def reorder(self, order: npt.NDArray[np.integer]) -> None:
        """Put the items of each list in another order (B, n)."""
        self.rows = np.take_along_axis(self.rows, order, axis=1)
        self.scores = np.take_along_axis(self.scores, order, axis=1)
        self.codes = np.take_along_axis(self.codes, order, axis=1)

    def cut(self, ks: npt.NDArray[np.integer]) -> "Draft":
        """The lists shortened to ``ks[b]`` items, in arrays as wide as the longest of them."""
        width = int(ks.max(initial=1))
        made = Draft.empty(len(self.rows), width)
        made.names = self.names
        beyond = np.arange(width)[None, :] >= ks[:, None]
        n = min(width, self.rows.shape[1])
        for own, target in ((self.rows, made.rows), (self.scores, made.scores), (self.codes, made.codes)):
            target[:, :n] = own[:, :n]
        made.rows[beyond], made.scores[beyond], made.codes[beyond] = -1, np.nan, -1
        return made


@dataclass
class Batch:
    """Queries of one scenario, what they are answered from, and what is known of their lists so far."""

    queries: Sequence[Query]
    users: Sequence[User | None]
    """What is known of each query's user."""
    bundle: Bundle
    catalogue: Catalogue
    config: PipelineConfig
    scenario: ScenarioConfig
    decision: Decision
    """What the rules say."""
    warm: Mask
    """(B,) enough is known of the user to ask the sources."""
    now: float
    """Seconds since 1970 UTC."""
    seed: int
    guard: Guard | None
    watch: Watch
    draft: Draft
    skipped: list[list[Skipped]]
    view: Callable[[], ItemView]
    """What rerankers know of the items; made when first asked for."""
    candidates: list[Candidates] = field(default_factory=list)
    """What each source gave."""
    journal: Journal | None = None
    """What the stages did, kept only where somebody asks."""
    failed: list[str] = field(default_factory=list)
    explored: list[Explored | None] = field(default_factory=list)
    """What was explored in each list; empty where nothing could be."""
    _asked: dict[tuple[int, ...], QueryBatch] = field(default_factory=dict)

    @property
    def shown(self) -> Mask:
        """What may be shown: over the rows of the catalogue (I,), or by query (B, I)."""
        return self.decision.mask

    @property
    def ks(self) -> npt.NDArray[np.int64]:
        """Length that each list should have (B,)."""
        return np.array([query.k for query in self.queries], dtype=np.int64)

    @property
    def places(self) -> list[int]:
        """Which queries the sources are asked for."""
        found: list[int] = np.flatnonzero(self.warm).tolist()
        return found

    def asked(self, places: Sequence[int]) -> QueryBatch:
        """The queries at some places as sources and ranking are asked them: each for as many items as any source gives
        at most, so that all are asked the same.
        """
        key = tuple(places)
        if key not in self._asked:
            chosen = [self.queries[b] for b in places]
            given = [source.k for source in self.scenario.sources or ()]
            most = max([*given, *(query.k for query in chosen)])
            self._asked[key] = QueryBatch(query if query.k == most else replace(query, k=most) for query in chosen)
        return self._asked[key]

    def note(self, stage: str) -> None:
        """Keep how the lists are after a stage, where somebody asks."""
        if self.journal is not None:
            self.journal.note(stage, self.draft.rows, self.draft.scores)

    def together(
        self, stage: str, calls: Sequence[tuple[str, Callable[[], T]]], *, least_s: float = 0.0
    ) -> list[Told[T]]:
        """Run named calls within the deadline of a stage (but at least ``least_s``), or one after the other where
        there are no deadlines. Whatever is no value is logged and counted.
        """
        limit = self.watch.limit(stage)
        if self.guard is None or limit is None:
            told = [_directly(name, work, self.bundle.version) for name, work in calls]
        else:
            told = self.guard.together(calls, version=self.bundle.version, limit_s=max(limit, least_s))
        self.failed += [name for (name, _), one in zip(calls, told, strict=True) if one.trouble is not None]
        return told

    def pass_over(self, stage: str, why: Trouble) -> None:
        """Say of every list with candidates that a stage was left out."""
        self.failed.append(stage)
        log.warning("stage_skipped", stage=stage, why=why, version=self.bundle.version)
        for b in np.flatnonzero(self.draft.rows[:, 0] >= 0).tolist():
            self.skipped[b].append(Skipped(stage, why))


def _directly(name: str, work: Callable[[], T], version: str | None) -> Told[T]:
    try:
        return Told(work())
    except Exception as exc:  # noqa: BLE001 - whatever a source does, the list must come; it is logged and counted
        log.warning("source_failed", source=name, version=version, error=f"{type(exc).__name__}: {exc}")
        return Told(trouble="error")
