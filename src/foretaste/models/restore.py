"""Checks that a saved state fits the class and the population it is put together with."""

from typing import TYPE_CHECKING

from foretaste.data import Population
from foretaste.errors import CorruptStateError
from foretaste.models.state import State

if TYPE_CHECKING:
    from foretaste.models.base import Recommender


def check_fields(model: "type[Recommender]", state: State, population: Population) -> None:
    """Raise :class:`CorruptStateError` when the state lacks a part, or belongs to another model or population."""
    if state.kind != model.name:
        raise CorruptStateError(f"the saved model is a {state.kind!r}, not a {model.name!r}")
    missing = {"config", "values", "matrices", "n_users", "n_items", "items"} - set(state.meta)
    if missing:
        raise CorruptStateError(f"the saved model lacks {sorted(missing)}")
    sizes = (len(population.users), len(population.items))
    if (state.meta["n_users"], state.meta["n_items"]) != sizes or state.meta["items"] != population.items.digest:
        raise CorruptStateError("the saved model was fitted on other users or items than those given")
    for field_name in model.state_fields:
        present = (
            field_name in state.meta["matrices"] or field_name in state.arrays or field_name in state.meta["values"]
        )
        if not present:
            raise CorruptStateError(f"the saved {state.kind!r} lacks {field_name!r}")
