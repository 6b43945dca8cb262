"""Tuning: search for the parameters of a model that do best on held-out data."""

from foretaste.models.spaces import Dimension, Space, SpaceFile, load_spaces, spaces_for
from foretaste.tuning.result import Trial, TuningResult
from foretaste.tuning.tune import tune

__all__ = ["Dimension", "Space", "SpaceFile", "Trial", "TuningResult", "load_spaces", "spaces_for", "tune"]
