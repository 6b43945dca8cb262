"""Foretaste: turn what people do into what they are shown next.

A library of recommenders with honest evaluation, a real-time service and a dashboard in one package.
Names are imported on first use, so that ``import foretaste`` stays fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foretaste.data import Dataset, Query, RecList, RecLists
    from foretaste.errors import ForetasteError
    from foretaste.models import Recommender, create_model, load_model, save_model

__version__ = "0.1.0"

_HOMES = {
    "Dataset": "foretaste.data",
    "ForetasteError": "foretaste.errors",
    "Query": "foretaste.data",
    "RecList": "foretaste.data",
    "RecLists": "foretaste.data",
    "Recommender": "foretaste.models",
    "create_model": "foretaste.models",
    "load_model": "foretaste.models",
    "save_model": "foretaste.models",
}

__all__ = [
    "Dataset",
    "ForetasteError",
    "Query",
    "RecList",
    "RecLists",
    "Recommender",
    "__version__",
    "create_model",
    "load_model",
    "save_model",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its home the first time it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'foretaste' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
