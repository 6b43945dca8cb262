"""Saving and loading fitted models: one folder for one model, or a bundle that shares its population.

A bundle folder holds ``population/`` (vocabularies and histories, once) and ``models/NAME/`` for each model.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import numpy as np

from foretaste.data import DuplicatesPolicy, Histories, Population, Vocabulary
from foretaste.errors import ConfigurationError, CorruptStateError, DataFormatError, UnknownNameError
from foretaste.models.base import Recommender
from foretaste.models.registry import model_class
from foretaste.models.state import State, are_rows, are_slices

_POPULATION = "population"
_MODEL_NAME = "model"
_SAFE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


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
    except (KeyError, DataFormatError) as exc:
        raise CorruptStateError(f"the saved population is incomplete: {exc}") from exc
    rows, weights, times = histories.item_rows, histories.weights, histories.timestamps
    fits = (
        are_slices(histories.indptr, len(users), len(rows))
        and are_rows(rows, len(items))
        and rows.dtype == np.int32
        and weights.shape == times.shape == rows.shape
        and weights.dtype.kind == times.dtype.kind == "f"
    )
    if not fits:
        raise CorruptStateError("the saved histories do not fit the saved users and items")
    if duplicates not in get_args(DuplicatesPolicy):
        raise CorruptStateError(f"the saved population has the duplicates policy {duplicates!r}")
    return Population(users, items, histories, duplicates, is_explicit)


def save_bundle(models: Mapping[str, Recommender], folder: Path | str) -> dict[str, str]:
    """Save models fitted on the same data set; returns the sha256 of every manifest by its path inside ``folder``.

    Raises:
        ConfigurationError: no model, an unsafe name, models of different data sets, or a folder that holds other
            models.
        StorageFullError, StorageUnavailableError: the folder cannot be written.
    """
    folder = Path(folder)
    if not models:
        raise ConfigurationError("there is no model to save")
    population = next(iter(models.values())).population
    for name, model in models.items():
        if not _SAFE_NAME.fullmatch(name):
            raise ConfigurationError(
                f"{name[:80]!r} cannot be the name of a saved model", hint="use up to 64 letters, digits, - and _"
            )
        if not _same_population(model.population, population):
            raise ConfigurationError("models of one bundle must be fitted on the same data set")
    others = sorted(set(_saved_names(folder)) - set(models))
    if others:
        raise ConfigurationError(
            f"{folder} already holds other models: {', '.join(others)}", hint="save into an empty folder"
        )
    digests = {}
    for name, model in models.items():
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
        return State.load(folder / part, sha256=None if digests is None else digests[part], verify=verify)

    names = _saved_names(folder)
    parts = {_POPULATION, *(f"models/{name}" for name in names)}
    if not names or (digests is not None and parts != set(digests)):
        expected = "a population and a model" if digests is None else ", ".join(sorted(digests))
        raise CorruptStateError(f"{folder} holds {', '.join(sorted(parts))}; expected {expected}")
    population = population_from_state(state(_POPULATION))
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
    try:
        return model_class(state.kind).from_state(state, population)
    except UnknownNameError as exc:
        raise CorruptStateError(
            f"the saved model is of an unknown kind: {exc.message}", hint="install the package that brings it"
        ) from exc


def _saved_names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "models").glob("*") if path.is_dir())


def _same_population(a: Population, b: Population) -> bool:
    if a is b:
        return True
    one, other = a.histories, b.histories
    return (
        (a.users, a.items, a.duplicates, a.is_explicit) == (b.users, b.items, b.duplicates, b.is_explicit)
        and np.array_equal(one.indptr, other.indptr)
        and np.array_equal(one.item_rows, other.item_rows)
        and np.array_equal(one.weights, other.weights)
    )


__all__ = [
    "load_bundle",
    "load_model",
    "population_from_state",
    "population_state",
    "save_bundle",
    "save_model",
]
