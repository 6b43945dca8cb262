"""Artifact stores, opened by URL: ``file:///folder`` is built in, others register in the group
``foretaste.artifacts``.
"""

from foretaste.storage.artifacts.base import Artifacts, ModelVersion, new_version
from foretaste.storage.urls import backend

BUILT_IN = {"file": "foretaste.storage.artifacts.local:from_url"}


def open_artifacts(url: str) -> Artifacts:
    """The artifact store behind ``url``, not opened yet.

    Raises:
        UnknownNameError: no store for the scheme.
    """
    store: Artifacts = backend("foretaste.artifacts", BUILT_IN, url)(url)
    return store


__all__ = ["Artifacts", "ModelVersion", "new_version", "open_artifacts"]
