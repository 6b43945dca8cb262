"""What a fitted model is made of, and how it becomes a saved state and comes back."""

from abc import ABC
from collections.abc import Mapping
from typing import Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from foretaste.data import Population, Vocabulary
from foretaste.errors import ConfigurationError, NotFittedError
from foretaste.models.config import ModelConfig, checked_config
from foretaste.models.state import State, nest_states, nested_states, pack_csr, unpack_csr


class Fitted(ABC):
    """Settings, the population fitted on, and the attributes that make up the model: the part that is saved.

    ``state_fields`` names the attributes: arrays, sparse matrices and JSON values.
    """

    name: ClassVar[str]
    config_class: ClassVar[type[ModelConfig]] = ModelConfig
    state_fields: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: ModelConfig | None = None, **parameters: Any) -> None:
        if config is not None and parameters:
            raise ConfigurationError("give either a config or parameters, not both")
        self.config: Any = config if config is not None else checked_config(self.name, self.config_class, parameters)
        self._population: Population | None = None

    def __repr__(self) -> str:
        changed = self.config.model_dump(exclude_defaults=True)
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in changed.items())})"

    @property
    def population(self) -> Population:
        """Whom and what the model was fitted on.

        Raises:
            NotFittedError: before ``fit``.
        """
        if self._population is None:
            raise NotFittedError(f"model {self.name!r} is not fitted yet", hint="call fit(dataset) first")
        return self._population

    @property
    def users(self) -> Vocabulary:
        """Ids of the users known from training."""
        return self.population.users

    @property
    def items(self) -> Vocabulary:
        """Ids of the items that can be ranked."""
        return self.population.items

    # --- saving --------------------------------------------------------------------------------------------------

    @final
    def state(self) -> State:
        """The fitted model as arrays and JSON, without the population (save that once for all models)."""
        population = self.population
        arrays: dict[str, npt.NDArray[Any]] = {}
        values: dict[str, Any] = {}
        matrices: list[str] = []
        for field_name in self.state_fields:
            value = getattr(self, field_name)
            if isinstance(value, sparse.csr_array):
                arrays |= pack_csr(field_name, value)
                matrices.append(field_name)
            elif isinstance(value, np.ndarray):
                arrays[field_name] = value
            else:
                values[field_name] = value
        meta = {
            "config": self.config.model_dump(mode="json"),
            "values": values,
            "matrices": matrices,
            "n_users": len(population.users),
            "n_items": len(population.items),
            "users": population.users.digest,
            "items": population.items.digest,
        }
        parts = {name: part.state() for name, part in self._parts().items()}
        if parts:
            meta["parts"], part_arrays = nest_states(parts)
            arrays |= part_arrays
        return State(self.name, meta, arrays)

    @classmethod
    @final
    def from_state(cls, state: State, population: Population) -> Self:
        """A fitted model from its state and the population it was fitted on.

        Raises:
            CorruptStateError: the parts do not belong together.
        """
        from foretaste.models.restore import check_fields, refuse_malformed

        with refuse_malformed(state.kind):
            check_fields(cls, state, population)
            model = cls(**state.meta["config"])
            model._population = population
            for field_name in cls.state_fields:
                if field_name in state.meta["matrices"]:
                    setattr(model, field_name, unpack_csr(field_name, state.arrays))
                elif field_name in state.arrays:
                    setattr(model, field_name, state.arrays[field_name])
                else:
                    setattr(model, field_name, state.meta["values"][field_name])
            model._restore_parts(nested_states(state))
            model._restored()
        return model

    def _parts(self) -> Mapping[str, "Fitted"]:
        """Fitted models that this one is made of; their states are saved inside its own, under these names."""
        return {}

    def _restore_parts(self, parts: dict[str, State]) -> None:  # noqa: B027 - optional hook
        """Take back what ``_parts`` gave (called after loading, before ``_restored``)."""

    def _restored(self) -> None:  # noqa: B027 - optional hook
        """Rebuild what is derived from ``state_fields`` (called after loading)."""
