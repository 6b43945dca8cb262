"""Models: learn from a data set, then score and rank."""

from foretaste.models.base import ModelConfig, Recommender, UserBatch
from foretaste.models.persistence import load_bundle, load_model, save_bundle, save_model
from foretaste.models.registry import create_model, model_class, model_names
from foretaste.models.state import State

__all__ = [
    "ModelConfig",
    "Recommender",
    "State",
    "UserBatch",
    "create_model",
    "load_bundle",
    "load_model",
    "model_class",
    "model_names",
    "save_bundle",
    "save_model",
]
