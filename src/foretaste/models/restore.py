"""Checks that a saved state fits the class and the population it is put together with."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from foretaste.data import Population
from foretaste.errors import ConfigurationError, CorruptStateError, UnknownNameError
from foretaste.models.state import State

if TYPE_CHECKING:
    from foretaste.models.fitted import Fitted


def check_fields(model: "type[Fitted]", state: State, population: Population) -> None:
    """Raise :class:`CorruptStateError` when the state lacks a part, or belongs to another model or population."""
    if state.kind != model.name:
        raise CorruptStateError(f"the saved model is a {state.kind!r}, not a {model.name!r}")
    missing = {"config", "values", "matrices", "n_users", "n_items", "users", "items"} - set(state.meta)
    if missing:
        raise CorruptStateError(f"the saved model lacks {sorted(missing)}")
    sizes = (len(population.users), len(population.items))
    digests = (population.users.digest, population.items.digest)
    saved = state.meta
    if (saved["n_users"], saved["n_items"]) != sizes or (saved["users"], saved["items"]) != digests:
        raise CorruptStateError("the saved model was fitted on other users or items than those given")
    for field_name in model.state_fields:
        present = (
            field_name in state.meta["matrices"] or field_name in state.arrays or field_name in state.meta["values"]
        )
        if not present:
            raise CorruptStateError(f"the saved {state.kind!r} lacks {field_name!r}")


@contextmanager
def refuse_malformed(kind: str) -> Iterator[None]:
    """Whatever goes wrong while the parts of a saved model are put together means that they are not what was saved."""
    try:
        yield
    except UnknownNameError:
        raise  # a model of another package, which may not be installed
    except (ConfigurationError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as exc:
        raise CorruptStateError(f"the saved {kind!r} cannot be put together: {exc}", hint="train it again") from exc
