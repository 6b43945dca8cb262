"""Artifact stores, opened by URL: ``file:///folder`` is built in."""

from foretaste.storage.artifacts.base import Artifacts, ModelVersion

__all__ = ["Artifacts", "ModelVersion"]
