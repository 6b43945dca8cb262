import errno
import json
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest

from foretaste.errors import (
    ConfigurationError,
    CorruptStateError,
    DataFileError,
    NotFoundError,
    StorageFullError,
    StorageUnavailableError,
)
from foretaste.storage.artifacts import Artifacts, ModelVersion, local, new_version, open_artifacts
from foretaste.storage.artifacts.local import STALE_S, LocalArtifacts
from foretaste.testing.artifacts import ArtifactsContract

V1 = ModelVersion("v1", 1.0, ("a",))


class TestLocalArtifacts(ArtifactsContract):
    async def make(self, place: Path) -> Artifacts:
        return open_artifacts(f"file://{place}")


@pytest.fixture
async def store(tmp_path):
    async with LocalArtifacts(tmp_path / "store") as store:
        yield store


@pytest.fixture
def bundle(tmp_path):
    folder = tmp_path / "bundle"
    (folder / "models").mkdir(parents=True)
    (folder / "models" / "arrays").write_bytes(b"abc")
    return folder


def leftovers(store):
    return sorted(path.name for path in (store.folder / "staging").iterdir())


async def test_what_a_crash_left_is_not_listed_and_swept_up_when_it_is_old(store):
    half, young, stray = (store.folder / "staging" / name for name in ("v1-123-4", "v2-123-4", "live-1-2"))
    for folder in (half, young):
        folder.mkdir()
        (folder / "arrays.safetensors").write_bytes(b"half")
    stray.write_text("v")
    old = time.time() - STALE_S - 60
    for path in (half, stray):
        os.utime(path, (old, old))
    assert await store.versions() == []
    with pytest.raises(NotFoundError):
        await store.fetch("v1-123-4")
    await store.open()
    assert leftovers(store) == ["v2-123-4"]  # that one may be another process at work


async def test_the_card_keeps_size_and_sha256_of_every_file(store, bundle):
    await store.publish(bundle, V1)
    card = json.loads((store.folder / "versions" / "v1" / "version.json").read_text())
    assert card["files"] == {
        "models/arrays": {
            "size_bytes": 3,
            "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        }
    }
    assert card["size_bytes"] == 3


@pytest.mark.parametrize("text", ["{broken", "[]", '{"version": "v1"}', '{"models": [], "new_field": 1}', "\x00"])
async def test_a_damaged_card_is_named_and_does_not_hide_the_others(store, bundle, text):
    await store.publish(bundle, V1)
    await store.publish(bundle, ModelVersion("v2", 2.0, ()))
    (store.folder / "versions" / "v1" / "version.json").write_text(text)
    with pytest.raises(CorruptStateError, match="'v1' is damaged"):
        await store.get("v1")
    assert [version.version for version in await store.versions()] == ["v2"]
    await store.delete("v1")  # and it can be got rid of
    with pytest.raises(NotFoundError):
        await store.get("v1")


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: path.write_bytes(b"ab")])
async def test_a_bundle_with_a_missing_or_cut_file_is_not_given_out(store, bundle, harm):
    await store.publish(bundle, V1)
    harm(store.folder / "versions" / "v1" / "models" / "arrays")
    with pytest.raises(CorruptStateError, match="models/arrays is missing or cut"):
        await store.fetch("v1")


async def test_a_bundle_with_a_link_is_refused_whole(store, bundle, tmp_path):
    (tmp_path / "secret").write_text("s")
    (bundle / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(DataFileError, match="link is neither a file nor a folder"):
        await store.publish(bundle, V1)
    assert leftovers(store) == []
    assert await store.versions() == []


async def test_a_bundle_with_a_card_of_its_own_is_refused(store, bundle):
    (bundle / "version.json").write_text("{}")
    with pytest.raises(DataFileError, match="no bundle"):
        await store.publish(bundle, V1)


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, StorageFullError), (errno.EDQUOT, StorageFullError), (errno.EIO, StorageUnavailableError)],
)
async def test_a_disk_that_is_full_or_fails_publishes_nothing_and_the_next_try_works(
    store, bundle, monkeypatch, number, kind
):
    def fail(*_args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(local, "write_durably", fail)  # the card is the last thing that is written
    with pytest.raises(kind, match="model folder"):
        await store.publish(bundle, V1)
    with pytest.raises(NotFoundError):
        await store.set_live("v1")
    assert leftovers(store) == []
    monkeypatch.undo()
    await store.publish(bundle, V1)
    monkeypatch.setattr(local, "write_durably", fail)
    with pytest.raises(kind):
        await store.set_live("v1")
    assert await store.live() is None
    monkeypatch.undo()
    await store.set_live("v1")
    assert await store.live() == "v1"


async def test_a_pointer_that_was_live_stays_when_a_new_one_cannot_be_written(store, bundle, monkeypatch):
    await store.publish(bundle, V1)
    await store.publish(bundle, ModelVersion("v2", 2.0, ()))
    await store.set_live("v1")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(errno.EROFS, "read-only")))
    with pytest.raises(StorageUnavailableError, match="read-only"):
        await store.set_live("v2")
    assert await store.live() == "v1"
    assert leftovers(store) == []


async def test_arrays_that_are_mapped_survive_the_deletion_of_their_version(store, bundle):
    np.save(bundle / "x.npy", np.arange(1000))
    await store.publish(bundle, V1)
    mapped = np.load(await store.fetch("v1") / "x.npy", mmap_mode="r")
    await store.delete("v1")
    assert int(mapped.sum()) == 499_500
    assert leftovers(store) == []


async def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailableError, match="cannot be written") as caught:
        await LocalArtifacts(tmp_path / "file").open()
    assert "ARTIFACT_URL" in caught.value.hint


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
async def test_a_read_only_place_is_named_at_the_start(tmp_path):
    folder = tmp_path / "store"
    async with LocalArtifacts(folder):
        pass
    (folder / "staging").chmod(0o500)
    with pytest.raises(StorageUnavailableError, match="cannot be written"):
        await LocalArtifacts(folder).open()
    (folder / "staging").chmod(0o700)


@pytest.mark.parametrize("url", ["file://models", "file://"])
def test_an_url_without_an_absolute_folder_is_refused_with_the_right_one(url):
    with pytest.raises(ConfigurationError, match="no address of a folder") as caught:
        open_artifacts(url)
    assert "file:///" in caught.value.hint


def test_an_url_is_taken_as_it_is():
    assert open_artifacts("file:///srv/a b%20#?/models").folder == Path("/srv/a b%20#?/models")


def test_new_versions_sort_by_time_and_differ_within_a_second():
    names = [new_version(now=1.7e9) for _ in range(50)]
    assert len(set(names)) == 50
    assert all(re.fullmatch(r"20231114T221320-[0-9a-f]{6}", name) for name in names)
    assert max(names) < new_version(now=1.7e9 + 1) < new_version()
