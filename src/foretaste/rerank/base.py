"""The contract of a reranker: another order for lists that are there, never another item."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, SerializeAsAny, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from foretaste.errors import ConfigurationError, UnknownNameError, UnknownParameterError
from foretaste.rerank.slate import Floats, Rows, Slate
from foretaste.validation import first_fault


class RerankConfig(BaseModel):
    """Base of all rerankers' settings; ``kind`` says which one."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    kind: str
    """Registered name of the reranker."""
    relevance: Literal["score", "rank"] = "score"
    """What counts as relevance, scaled to 0 … 1 within each list: the scores, or only the places (where scores of
    several sources do not compare)."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """A slate made ready for a kernel: each item once, without gaps, with a relevance that never rises."""

    rows: Rows  # (B, n), -1 in the padding
    origins: Rows  # (B, n) column of the slate
    counts: npt.NDArray[np.int64]  # (B,)
    relevance: Floats
    """(B, n) from 1 (first) to 0 (last). An item above another is at least as relevant, whatever their scores: so what
    an earlier reranker or a rule lifted stays lifted, and an item without a score (NaN) counts as the one above it."""
    lengths: npt.NDArray[np.int64]
    """(B,) items to choose: k, or all where fewer are there."""
    pinned: Rows
    """(B, K) candidate that must stand at each place, -1 where it is free."""
    given_rows: Rows
    given_scores: Floats
    """(B, n) those of the slate, as the kernels take them."""

    @property
    def width(self) -> int:
        """The longest list K."""
        return int(self.pinned.shape[1])


class Reranker(ABC):
    """Reorders the lists of a batch: synchronous, deterministic, safe to call from several threads.

    A reranker is one class: its config, :meth:`_choose`, and :meth:`lacks` when it needs to know something of the
    items. Duplicates, padding, pins and the rest of the list are looked after here.
    """

    name: ClassVar[str]
    config_class: ClassVar[type[RerankConfig]]

    def __init__(self, config: RerankConfig) -> None:
        self.config: Any = config

    def __repr__(self) -> str:
        changed = self.config.model_dump(exclude_defaults=True, exclude={"kind"})
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in changed.items())})"

    def lacks(self, slate: Slate) -> str | None:
        """What it would need to know to have an effect, e.g. ``item vectors``; None when all is there.

        A reranker that lacks something leaves the order as it is.
        """
        return None

    @final
    def rerank(self, slate: Slate) -> Slate:
        """The same lists in a new order: the first ``ks[b]`` rows are the list, the others follow as they came.

        A row that came twice is kept once, at its first place.
        """
        from foretaste.rerank.kernels import arrange

        if slate.rows.size == 0:
            return slate
        candidates = _prepared(slate, by_rank=self.config.relevance == "rank")
        has_all = self.lacks(slate) is None
        chosen = self._choose(slate, candidates) if has_all else _as_they_came(candidates)
        shape = slate.rows.shape
        rows, places = np.full(shape, -1, np.int32), np.full(shape, -1, np.int32)
        scores = np.full(shape, np.nan, np.float32)
        old = (candidates.given_rows, candidates.given_scores, slate.places)
        arrange(chosen, candidates.origins, candidates.counts, *old, rows, scores, places)
        return slate.reordered(rows, scores, places)

    @abstractmethod
    def _choose(self, slate: Slate, candidates: Candidates) -> Rows:
        """The candidates (columns of ``candidates.rows``) at each place (B, K), -1 from ``lengths[b]`` on.

        A pinned candidate stands at its place and nowhere else; none appears twice.
        """


def _prepared(slate: Slate, *, by_rank: bool) -> Candidates:
    from foretaste.rerank.kernels import prepare, settle_pins

    rows = np.ascontiguousarray(slate.rows, dtype=np.int32)
    scores = np.ascontiguousarray(slate.scores, dtype=np.float32)
    kept, origins = np.full_like(rows, -1), np.full_like(rows, -1)
    relevance = np.zeros_like(scores)
    counts = np.zeros(len(rows), dtype=np.int64)
    prepare(rows, scores, by_rank, kept, origins, relevance, counts)
    lengths = np.minimum(np.maximum(np.asarray(slate.ks, dtype=np.int64), 0), counts)
    pinned = np.full((len(rows), int(lengths.max(initial=0))), -1, dtype=np.int32)
    if slate.pins is not None and slate.pins.size:
        settle_pins(kept, counts, lengths, np.ascontiguousarray(slate.pins, dtype=np.int32), pinned)
    return Candidates(kept, origins, counts, relevance, lengths, pinned, rows, scores)


def _as_they_came(candidates: Candidates) -> Rows:
    """The order of relevance, pins at their places."""
    from foretaste.rerank.kernels import by_score

    return by_score(candidates.relevance, candidates.counts, candidates.lengths, candidates.pinned)


# --- by their kind -----------------------------------------------------------------------------------------------


def parse_rerank(values: Any) -> RerankConfig:
    """The settings of a reranker from decoded TOML or JSON: ``kind`` and its parameters.

    >>> parse_rerank({"kind": "mmr", "trade_off": 0.8}).kind
    'mmr'

    Raises:
        UnknownNameError: no such kind.
        UnknownParameterError: a name that this kind does not have; the hint lists the valid ones.
        ConfigurationError: no kind, or a value that is wrong.
    """
    from foretaste.rerank.registry import reranker_class

    if isinstance(values, RerankConfig):
        return values
    if not isinstance(values, Mapping) or not isinstance(values.get("kind"), str):
        raise ConfigurationError(f"a reranker is a table with a kind, not {values!r}", hint='write kind = "mmr"')
    kind = values["kind"]
    config_class = reranker_class(kind).config_class
    unknown = sorted(set(values) - set(config_class.model_fields))
    if unknown:
        valid = ", ".join(sorted(set(config_class.model_fields) - {"kind"}))
        raise UnknownParameterError(f"reranker {kind!r} has no parameter {unknown[0]!r}", hint=f"valid ones: {valid}")
    try:
        return config_class.model_validate(dict(values))
    except ValidationError as exc:
        fault = first_fault(exc)
        raise ConfigurationError(
            f"reranker {kind!r}: {fault.place or 'the table'} = {fault.value!r} is wrong: {fault.message}"
        ) from exc


def _as_step(values: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return parse_rerank(values)
    except (ConfigurationError, UnknownNameError) as exc:
        raise ValueError(str(exc)) from exc


RerankStep = Annotated[SerializeAsAny[RerankConfig], WrapValidator(_as_step)]
"""The type of a field that holds the settings of any registered reranker, told apart by ``kind``."""
