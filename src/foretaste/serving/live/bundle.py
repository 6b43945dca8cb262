"""One version of the models, loaded and ready: immutable, and swapped as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from foretaste.data import Histories, Population, Vocabulary
from foretaste.models import Recommender, load_bundle
from foretaste.serving.live.prepared import FOLDER, PreparedLists
from foretaste.serving.live.users import EventWeights
from foretaste.storage.artifacts import ModelVersion


@dataclass(frozen=True)
class Bundle:
    """Models fitted on one population. Requests in flight keep theirs while another becomes live.

    After an update ``population`` has grown at the ends: a model that was not updated has the first rows of it.
    """

    version: str | None
    """None for the empty bundle that serves before the first training."""
    models: Mapping[str, Recommender]
    population: Population
    weights: EventWeights
    """How live events are weighted: as the training weighted its own."""
    trained_at: float = 0.0
    info: Mapping[str, Any] = field(default_factory=dict)
    lists: PreparedLists | None = None
    """Lists made in advance; None where the training made none."""
    sequence: int | None = None
    """The newest event of the store that it knows; None where that was not noted."""
    n_taken_in: int = 0
    """Events since the training that some of the models know too."""

    @property
    def label(self) -> str | None:
        """The version, with the number of events that it has taken in since: ``VERSION+17``."""
        return f"{self.version}+{self.n_taken_in}" if self.version is not None and self.n_taken_in else self.version

    @property
    def users(self) -> Vocabulary:
        """Ids of the users known from training."""
        return self.population.users

    @property
    def items(self) -> Vocabulary:
        """Ids of the items that the models rank."""
        return self.population.items


def empty_bundle() -> Bundle:
    """A bundle without models."""
    nobody = Population(Vocabulary([]), Vocabulary([]), Histories.empty(0, 0))
    return Bundle(None, {}, nobody, EventWeights())


def load(folder: Path, version: ModelVersion) -> Bundle:
    """The bundle of a published version; checks every digest.

    Raises:
        CorruptStateError: damaged, tampered with or incomplete.
    """
    digests = dict(version.digests)
    of_lists = digests.pop(FOLDER, None)
    bundle = bundle_of(load_bundle(folder, digests=digests or None), version)
    if of_lists is None:
        return bundle
    return replace(bundle, lists=PreparedLists.load(folder, bundle.population, sha256=of_lists))


def bundle_of(models: Mapping[str, Recommender], version: ModelVersion) -> Bundle:
    """A bundle of fitted models that share one population."""
    population = next(iter(models.values())).population
    return Bundle(
        version.version,
        models,
        population,
        EventWeights.of(version.pipeline.get("data", {}), version.data),
        float(version.data.get("trained_at", version.created_at)),
        version.data,
        sequence=version.data.get("newest_sequence"),
    )
