"""What a new part is tested with: conformance suites, and toy data whose right answer is known.

Names are imported on first use, so that the toy data needs no test runner.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foretaste.testing.toy import (
        Checkerboard,
        checkerboard,
        dataset_of_matrix,
        dataset_of_ratings,
        one_user_one_item,
        random_weights,
        tiny_shop,
    )

_HOMES = {
    "Checkerboard": "foretaste.testing.toy",
    "checkerboard": "foretaste.testing.toy",
    "dataset_of_matrix": "foretaste.testing.toy",
    "dataset_of_ratings": "foretaste.testing.toy",
    "one_user_one_item": "foretaste.testing.toy",
    "random_weights": "foretaste.testing.toy",
    "tiny_shop": "foretaste.testing.toy",
}

__all__ = [
    "Checkerboard",
    "checkerboard",
    "dataset_of_matrix",
    "dataset_of_ratings",
    "one_user_one_item",
    "random_weights",
    "tiny_shop",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its home the first time it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'foretaste.testing' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
