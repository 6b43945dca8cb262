"""The description of one source of candidates."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from foretaste.data import MAX_K
from foretaste.serving.cold.kinds import COLD_KINDS, FRIENDS, check_settings
from foretaste.serving.live.groups import LIVE_KINDS, LiveSourceConfig

PRECOMPUTED = "precomputed"
SOURCE_KINDS = ("catalogue", PRECOMPUTED, *LIVE_KINDS, *COLD_KINDS)
"""Kinds of sources beside models: ``catalogue`` gives the newest items of the catalogue, ``precomputed`` what
``[precompute]`` made in advance, the others what everybody, or those in a like situation, take right now, and what
suits those of whom little is known.
"""
CHANGING_KINDS = frozenset({*LIVE_KINDS, FRIENDS})
"""Kinds that rest on what others do, so that their lists are kept for a short time."""


class Part(BaseModel):
    """Base of all parts of a pipeline's description."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class SourceConfig(Part):
    """One source of candidates: a model of this pipeline, or something else by its ``kind``; all other keys are the
    parameters of that kind.
    """

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False, protected_namespaces=())

    model: str | None = None
    """Name of a model of this pipeline."""
    kind: str | None = None
    """Another kind of source, one of ``SOURCE_KINDS``."""
    label: str | None = None
    """What its items are labelled with; by default the model or the kind."""
    weight: PositiveFloat = 1.0
    """Its say in the merged score."""
    k: PositiveInt = Field(default=100, le=MAX_K)
    """Candidates asked for; never fewer than the list is long."""

    @property
    def name(self) -> str:
        """Its label in answers, traces and metrics."""
        return self.label or self.model or self.kind or ""

    @property
    def parameters(self) -> dict[str, Any]:
        """What a source of this kind is made with."""
        return dict(self.model_extra or {})

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.model is None) == (self.kind is None):
            raise ValueError("name either a model or a kind")
        if self.kind is not None and self.kind not in SOURCE_KINDS:
            raise ValueError(f"there is no kind of source {self.kind!r}: {', '.join(SOURCE_KINDS)}")
        if self.model is not None and self.model_extra:
            raise ValueError(f"{next(iter(self.model_extra))!r} is no setting of a source that is a model")
        if self.kind in LIVE_KINDS:
            LiveSourceConfig.of(self.parameters)
        if self.kind is not None and self.kind in COLD_KINDS:
            check_settings(self.kind, self.parameters)
        return self
