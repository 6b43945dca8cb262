"""How a pipeline orders its merged candidates anew: the part ``[ranking]``."""

from collections.abc import Sequence
from typing import Self

from pydantic import Field, model_validator

from foretaste.serving.source_config import Part

RANKING_FEATURES = ("merged", "popularity", "freshness", "price")
"""Features that any ranking may weigh, see :mod:`foretaste.serving.pipeline.features`."""
_OF_SOURCES, _OF_ATTRIBUTES = ("score", "rank"), ("affinity", "context")


class RankingConfig(Part):
    """How the union of all candidates is ordered anew: by a model of this pipeline, or by weighted features."""

    model: str | None = None
    """Name of a model of this pipeline."""
    weights: dict[str, float] = Field(default_factory=dict)
    """Feature → weight; the score is the weighted sum of features from 0 to 1, of which unknown ones add nothing."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.model is None) == (not self.weights):
            raise ValueError("name either a model or weights of features")
        return self

    def check(self, sources: Sequence[str]) -> None:
        """Raise unless every feature is one for these sources."""
        for name in self.weights:
            what, _, of = name.partition(".")
            fits = of in sources if what in _OF_SOURCES else bool(of) == (what in _OF_ATTRIBUTES)
            if not fits or what not in {*RANKING_FEATURES, *_OF_SOURCES, *_OF_ATTRIBUTES}:
                named = [f"{kind}.{source}" for source in sources for kind in _OF_SOURCES]
                valid = [*RANKING_FEATURES, *named, *(f"{kind}.ATTRIBUTE" for kind in _OF_ATTRIBUTES)]
                raise ValueError(f"there is no ranking feature {name!r}; there are {', '.join(valid)}")
