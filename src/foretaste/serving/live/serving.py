"""What one request takes at its start and keeps to its end: models, catalogue and pipeline that fit each other."""

from concurrent.futures import Executor
from dataclasses import dataclass, field

from foretaste.serving.config import PipelineConfig
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.live.steering import Steering
from foretaste.serving.pipeline import Pipeline


@dataclass(frozen=True)
class Live:
    """All that one request needs: models, catalogue and pipeline that fit each other."""

    bundle: Bundle
    catalogue: Catalogue
    pipeline: Pipeline
    """As described, with what the shop has set over it."""
    described: PipelineConfig
    """As its file, or the version, says."""
    steering: Steering = field(default_factory=Steering)
    """What the shop has set."""


@dataclass(frozen=True)
class Arm:
    """The version that answers one user, and the experiment that chose it."""

    live: Live
    experiment: str | None = None
    """``canary:VERSION`` for a user who sees the new version; None for all others."""
    executor: Executor | None = None
    """Threads of its own, so that a new version which hangs takes none from the others; None means the usual ones."""


@dataclass(frozen=True)
class Refusal:
    """A version that could not be taken up."""

    version: str
    why: str
    at: float
