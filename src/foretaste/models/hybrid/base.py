"""What all hybrids share: parts made by name, fitted on the same data, saved inside."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from foretaste.data import Dataset, Reason
from foretaste.errors import CorruptStateError
from foretaste.models.base import FloatBlock, ModelConfig, Recommender, Rows, UserBatch
from foretaste.models.hybrid.normalize import normalize
from foretaste.models.hybrid.reasons import mixed_reason
from foretaste.models.registry import create_model, model_class
from foretaste.models.state import State


class HybridPart(ModelConfig):
    """One model of a hybrid."""

    model: str
    """Its registered name."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Its own parameters."""


class HybridConfig(ModelConfig):
    """Base of the settings of hybrids."""

    parts: tuple[HybridPart, ...] = ()
    """The models, each with its parameters."""

    @model_validator(mode="after")
    def _check_any(self) -> Self:
        if not self.parts:
            raise ValueError("a hybrid needs at least one part")
        return self


class HybridBase(Recommender):
    """Base of models made of other models: ``models`` are the parts, in the order of the config.

    Capabilities follow from those of the parts: a hybrid serves whom one of its parts serves and can be updated when
    all of them can.
    """

    config_class: ClassVar[type[ModelConfig]] = HybridConfig

    def __init__(self, config: ModelConfig | None = None, **parameters: Any) -> None:
        super().__init__(config, **parameters)
        self._use([create_model(part.model, **part.parameters) for part in self._part_specs()])

    def _part_specs(self) -> Sequence[HybridPart]:
        """Which parts there are: those of the config."""
        found: tuple[HybridPart, ...] = self.config.parts
        return found

    def _use(self, models: list[Recommender]) -> None:
        """Take the parts and the capabilities that follow from them."""
        self.models = tuple(models)
        for flag, value in self._flags(self.models).items():
            setattr(self, flag, value)

    def _flags(self, models: tuple[Recommender, ...]) -> dict[str, bool]:
        """The capabilities that follow from the parts."""
        return {
            "scores_new_users": any(m.scores_new_users for m in models),
            "scores_without_history": any(m.scores_without_history for m in models),
            "scores_new_items": any(m.scores_new_items for m in models),
            "updates_incrementally": bool(models) and all(m.updates_incrementally for m in models),
            "finds_similar_items": any(m.finds_similar_items for m in models),
        }

    # --- fitting and saving ------------------------------------------------------------------------------------------

    def _fit(self, data: Dataset) -> None:
        for done, model in enumerate(self.models):
            model.fit(data)
            self._report(done + 1, len(self.models))

    def _update(self, data: Dataset) -> None:
        for model in self.models:
            model.update(data)

    def _parts(self) -> dict[str, Recommender]:
        return {f"part{n}": model for n, model in enumerate(self.models)}

    def _restore_parts(self, parts: dict[str, State]) -> None:
        self._check_names(parts)
        states = [parts[f"part{n}"] for n in range(len(parts))]
        self._use([model_class(state.kind).from_state(state, self.population) for state in states])

    def _check_names(self, parts: dict[str, State]) -> None:
        specs = self._part_specs()
        kinds = [parts[name].kind for name in sorted(parts, key=lambda name: (len(name), name))]
        names = {f"part{n}" for n in range(len(specs))}
        if set(parts) != names or kinds != [part.model for part in specs]:
            raise CorruptStateError(f"the saved hybrid holds {kinds}, not the parts of its config")

    # --- scoring -----------------------------------------------------------------------------------------------------

    def _part_scores(self, model: Recommender, batch: UserBatch) -> FloatBlock:
        """One part's own scores, -inf for users that it cannot serve."""
        servable = model._servable(batch, [None] * len(batch), "empty")
        if not servable.any():
            return np.full((len(batch), len(self.items)), -np.inf, dtype=np.float32)
        scores = model._scores(batch)
        scores[~servable] = -np.inf
        return scores

    def _first_similarity(self, rows: Rows) -> FloatBlock:
        """Similarities of the first part that has any for an item."""
        able = [model for model in self.models if model.finds_similar_items]
        found = able[0]._item_similarity(rows)
        for model in able[1:]:
            lacking = ~np.isfinite(found).any(axis=1)
            if not lacking.any():
                break
            found[lacking] = model._item_similarity(rows[lacking])
        return found

    # --- reasons -----------------------------------------------------------------------------------------------------

    def _part_weights(self, batch: UserBatch) -> npt.NDArray[np.float32]:
        """How much each part says about one user (P,), for reasons; equal where nothing better is known."""
        return np.full(len(self.models), 1.0 / max(1, len(self.models)), dtype=np.float32)

    def _reasons_of_one(self, batch: UserBatch, item_rows: Rows) -> tuple[Reason | None, ...]:
        shown = np.maximum(item_rows, 0)
        given: list[tuple[npt.NDArray[np.float32], tuple[Reason | None, ...]]] = []
        for model, weight in zip(self.models, self._part_weights(batch), strict=True):
            if weight <= 0:
                continue
            scores = self._part_scores(model, batch)
            strength = weight * normalize(scores, "rank")[0, shown]
            strength[~np.isfinite(scores[0, shown])] = 0.0
            given.append((strength, model._reasons_of_one(batch, item_rows)))
        return tuple(
            mixed_reason([(float(s[n]), reasons[n]) for s, reasons in given if s[n] > 0]) if row >= 0 else None
            for n, row in enumerate(item_rows.tolist())
        )


def n_liked(batch: UserBatch) -> npt.NDArray[np.int64]:
    """Distinct items that each user's history speaks for (B,); what was seen without interest does not count."""
    return np.diff(batch.histories.matrix("binary").indptr).astype(np.int64)
