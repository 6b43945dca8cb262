"""Saving and loading fitted models: one folder for one model, or a bundle that shares its population.

A bundle folder holds ``population/`` (vocabularies and histories, once) and ``models/NAME/`` for each model.
"""

from collections.abc import Mapping
from pathlib import Path

from foretaste.data import Histories, Population, Vocabulary
from foretaste.errors import ConfigurationError, CorruptStateError
from foretaste.models.base import Recommender
from foretaste.models.registry import model_class
from foretaste.models.state import State

_POPULATION = "population"
_MODEL_NAME = "model"


def population_state(population: Population) -> State:
    """A population as a saved state."""
    user_text, user_offsets = population.users.arrays()
    item_text, item_offsets = population.items.arrays()
    histories = population.histories
    return State(
        _POPULATION,
        {"duplicates": population.duplicates, "is_explicit": population.is_explicit},
        {
            "users.text": user_text,
            "users.offsets": user_offsets,
            "items.text": item_text,
            "items.offsets": item_offsets,
            "histories.indptr": histories.indptr,
            "histories.item_rows": histories.item_rows,
            "histories.weights": histories.weights,
            "histories.timestamps": histories.timestamps,
        },
    )


def population_from_state(state: State) -> Population:
    """The opposite of :func:`population_state`; histories stay memory-mapped.

    Raises:
        CorruptStateError: parts are missing or do not fit together.
    """
    try:
        arrays = state.arrays
        users = Vocabulary.from_arrays(arrays["users.text"], arrays["users.offsets"])
        items = Vocabulary.from_arrays(arrays["items.text"], arrays["items.offsets"])
        histories = Histories(
            arrays["histories.indptr"],
            arrays["histories.item_rows"],
            arrays["histories.weights"],
            arrays["histories.timestamps"],
            len(items),
        )
        duplicates, is_explicit = state.meta["duplicates"], bool(state.meta["is_explicit"])
    except (KeyError, ValueError) as exc:
        raise CorruptStateError(f"the saved population is incomplete: {exc}") from exc
    rows = histories.item_rows
    fits = len(histories) == len(users) and len(rows) == int(histories.indptr[-1])
    if not fits or (len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < len(items)):
        raise CorruptStateError("the saved histories do not fit the saved users and items")
    return Population(users, items, histories, duplicates, is_explicit)


def save_bundle(models: Mapping[str, Recommender], folder: Path | str) -> dict[str, str]:
    """Save models fitted on the same data set; returns the sha256 of every manifest by its path inside ``folder``.

    Raises:
        ConfigurationError: no model, an unsafe name, or models of different data sets.
    """
    folder = Path(folder)
    if not models:
        raise ConfigurationError("there is no model to save")
    population = next(iter(models.values())).population
    digests = {}
    for name, model in models.items():
        if not name.replace("_", "").replace("-", "").isalnum():
            raise ConfigurationError(
                f"{name!r} cannot be the name of a saved model", hint="use letters, digits, - and _"
            )
        if model.population is not population and model.population.items != population.items:
            raise ConfigurationError("models of one bundle must be fitted on the same data set")
        digests[f"models/{name}"] = model.state().save(folder / "models" / name)
    digests[_POPULATION] = population_state(population).save(folder / _POPULATION)
    return digests


def load_bundle(
    folder: Path | str, *, digests: Mapping[str, str] | None = None, verify: bool = True
) -> dict[str, Recommender]:
    """The models of a bundle, by name, sharing one population.

    Raises:
        CorruptStateError: see :meth:`State.load`; with ``digests`` (as :func:`save_bundle` gave them) also for an
        exchanged manifest.
    """
    folder = Path(folder)

    def state(part: str) -> State:
        return State.load(folder / part, sha256=digests[part] if digests else None, verify=verify)

    population = population_from_state(state(_POPULATION))
    names = sorted(path.name for path in (folder / "models").glob("*") if path.is_dir())
    expected = sorted(part.removeprefix("models/") for part in digests if part != _POPULATION) if digests else names
    if not names or names != expected:
        raise CorruptStateError(f"{folder} holds models {names}, expected {expected}")
    return {name: _restore(state(f"models/{name}"), population) for name in names}


def save_model(model: Recommender, folder: Path | str) -> dict[str, str]:
    """Save one fitted model with its population."""
    return save_bundle({_MODEL_NAME: model}, folder)


def load_model(folder: Path | str, *, verify: bool = True) -> Recommender:
    """A model saved by :func:`save_model`.

    Raises:
        CorruptStateError: damaged, tampered with, or not one single model.
    """
    models = load_bundle(folder, verify=verify)
    if len(models) != 1:
        raise CorruptStateError(f"{folder} holds {len(models)} models: {', '.join(models)}", hint="use load_bundle")
    return next(iter(models.values()))


def _restore(state: State, population: Population) -> Recommender:
    return model_class(state.kind).from_state(state, population)


__all__ = [
    "load_bundle",
    "load_model",
    "population_from_state",
    "population_state",
    "save_bundle",
    "save_model",
]
