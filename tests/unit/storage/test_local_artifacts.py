import os
import time
from pathlib import Path

import pytest

from foretaste.errors import StorageError, StorageUnavailableError, UnknownNameError
from foretaste.storage.artifacts import Artifacts, ModelVersion, open_artifacts
from foretaste.storage.artifacts.local import LocalArtifacts
from foretaste.testing.artifacts import ArtifactsContract


class TestLocalArtifacts(ArtifactsContract):
    async def make(self, place: Path) -> Artifacts:
        return open_artifacts(f"file://{place}")


async def test_what_a_crash_left_half_published_is_not_listed_and_swept_up_later(tmp_path):
    store = LocalArtifacts(tmp_path)
    await store.open()
    half = tmp_path / "versions" / ".staging-v1-123"
    half.mkdir()
    (half / "arrays.safetensors").write_bytes(b"half")
    assert await store.versions() == []
    await store.open()
    assert half.exists()  # it may be another process at work
    old = time.time() - 2 * 24 * 3600
    os.utime(half, (old, old))
    await store.open()
    assert not half.exists()


async def test_a_damaged_description_is_named(tmp_path):
    store = LocalArtifacts(tmp_path / "store")
    await store.open()
    (tmp_path / "bundle").mkdir()
    await store.publish(tmp_path / "bundle", ModelVersion("v1", 1.0, ()))
    (tmp_path / "store" / "versions" / "v1" / "version.json").write_text("{broken")
    with pytest.raises(StorageError, match=r"version\.json is damaged"):
        await store.get("v1")


async def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailableError, match="cannot be written"):
        await LocalArtifacts(tmp_path / "file").open()


def test_an_unknown_scheme_lists_the_known_ones():
    with pytest.raises(UnknownNameError) as caught:
        open_artifacts("ftp://x")
    assert "file" in caught.value.hint
