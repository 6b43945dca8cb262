"""Search spaces: which parameters of a model may be changed, and between what. TOML files for data of several sizes."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from foretaste.data import Dataset
from foretaste.errors import ConfigurationError, UnknownNameError

SIZES = ("small", "medium", "large")


class Dimension(BaseModel):
    """One parameter: a range from ``low`` to ``high``, or a list of ``choices``."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)

    low: float | None = None
    """Least value."""
    high: float | None = None
    """Largest value."""
    log: bool = False
    """Even in the logarithm instead of in the value."""
    whole: bool = Field(default=False, alias="int")
    """Whole numbers only."""
    choices: tuple[Any, ...] = ()
    """The values to choose from, instead of a range."""

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if bool(self.choices) == (self.low is not None or self.high is not None):
            raise ValueError("give either low and high or choices")
        if not self.choices:
            if self.low is None or self.high is None or not self.low < self.high:
                raise ValueError("low must be there and below high")
            if self.log and self.low <= 0:
                raise ValueError("low must be above 0 where log is true")
        return self

    def at(self, place: float) -> Any:
        """The value at ``place`` from 0 (low, or the first choice) to 1 (high, or the last)."""
        place = min(max(place, 0.0), 1.0)
        if self.choices:
            return self.choices[min(int(place * len(self.choices)), len(self.choices) - 1)]
        low, high = float(self.low or 0.0), float(self.high or 0.0)
        if self.log:
            value = math.exp(math.log(low) + place * (math.log(high) - math.log(low)))
        else:
            value = low + place * (high - low)
        value = min(max(value, low), high)
        return round(value) if self.whole else value


class SpaceFile(BaseModel):
    """What a TOML file of spaces holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    size: dict[str, int] = Field(default_factory=dict)
    """``max_interactions``: the largest data set that it is for."""
    auto: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """``models``: what the automatic choice tries, in this order."""
    defaults: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Parameters of each model to start from."""
    search: dict[str, dict[str, Dimension]] = Field(default_factory=dict)
    """What may be changed of each model."""

    def space(self, model: str) -> "Space":
        """The space of one model; without dimensions where the file has none."""
        return Space(model, dict(self.search.get(model, {})), dict(self.defaults.get(model, {})))


@dataclass(frozen=True)
class Space:
    """The parameters of one model that a search may change, and those it starts from."""

    model: str
    dimensions: Mapping[str, Dimension]
    defaults: Mapping[str, Any]

    @property
    def names(self) -> list[str]:
        """The parameters that may be changed."""
        return list(self.dimensions)

    def at(self, genome: npt.NDArray[np.floating]) -> dict[str, Any]:
        """The parameters at a point (D,) of the unit cube, defaults included."""
        found = {n: d.at(float(g)) for (n, d), g in zip(self.dimensions.items(), genome, strict=True)}
        return {**self.defaults, **found}


def load_spaces(source: str | Path) -> SpaceFile:
    """Spaces from a TOML file, or the packaged ones by their name (small, medium, large).

    Raises:
        UnknownNameError: neither a file nor a packaged name.
        ConfigurationError: the file cannot be read or has wrong values.
    """
    packaged = str(source) in SIZES
    path = files("foretaste") / "pipelines" / "search" / f"{source}.toml" if packaged else Path(source)
    if not path.is_file():
        raise UnknownNameError(f"there is no file of search spaces {str(source)!r}", hint=f"or one of {SIZES}")
    try:
        return SpaceFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (ValidationError, tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigurationError(f"search spaces {str(source)!r} are wrong: {exc}") from exc


def spaces_for(data: Dataset) -> SpaceFile:
    """The packaged spaces for data of this size."""
    found = [load_spaces(size) for size in SIZES]
    fitting = [spaces for spaces in found if data.n_interactions <= spaces.size["max_interactions"]]
    return (fitting or found[-1:])[0]
