"""Artifact stores, opened by URL: ``file:///folder`` is built in, others register in the group
``foretaste.artifacts``.
"""

from foretaste.storage.artifacts.base import Artifacts, ModelVersion, new_version
from foretaste.storage.urls import open_backend

BUILT_IN = {"file": "foretaste.storage.artifacts.local:from_url"}
"""Scheme → module:function of the stores that come with Foretaste."""


def open_artifacts(url: str) -> Artifacts:
    """The artifact store behind ``url``, not opened yet (``async with`` or ``open()`` does).

    Raises:
        UnknownNameError: no store for the scheme.
        ConfigurationError: the URL is malformed.
    """
    return open_backend("foretaste.artifacts", BUILT_IN, url, Artifacts)  # type: ignore[type-abstract]


__all__ = ["Artifacts", "ModelVersion", "new_version", "open_artifacts"]
