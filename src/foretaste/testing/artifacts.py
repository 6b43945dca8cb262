"""The contract of an artifact store as tests: subclass :class:`ArtifactsContract` and say how a store is made."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from foretaste.errors import ConflictError, NotFoundError
from foretaste.storage.artifacts import Artifacts, ModelVersion, new_version


class ArtifactsContract:
    """What every artifact store must do."""

    async def make(self, place: Path) -> Artifacts:
        """A store that is not opened yet, on the data at ``place`` (a temporary folder)."""
        raise AssertionError("a subclass says how a store is made")

    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Artifacts]:
        store = await self.make(tmp_path / "store")
        await store.open()
        yield store
        await store.close()

    @pytest.fixture
    def bundle(self, tmp_path: Path) -> Path:
        folder = tmp_path / "bundle"
        (folder / "models" / "a").mkdir(parents=True)
        (folder / "models" / "a" / "manifest.json").write_text("{}")
        (folder / "models" / "a" / "arrays.safetensors").write_bytes(b"\x00" * 1000)
        return folder

    @staticmethod
    def described(version: str | None = None, **more: Any) -> ModelVersion:
        return ModelVersion(version or new_version(), 1.0, ("a",), **more)

    async def test_a_published_bundle_can_be_fetched_whole(self, store: Artifacts, bundle: Path) -> None:
        sent = self.described(metrics={"ndcg@10": 0.1}, digests={"models/a": "00"}, data={"users": 3})
        published = await store.publish(bundle, sent)
        folder = await store.fetch(published.version)
        assert (folder / "models" / "a" / "arrays.safetensors").read_bytes() == b"\x00" * 1000
        assert await store.get(published.version) == published
        assert published.size_bytes == 1002
        assert published.metrics == sent.metrics

    async def test_versions_are_listed_newest_first(self, store: Artifacts, bundle: Path) -> None:
        names = [new_version(now=float(n * 100)) for n in range(3)]
        for name in names:
            await store.publish(bundle, self.described(name))
        assert [version.version for version in await store.versions()] == list(reversed(names))

    async def test_nothing_is_live_until_it_is_said(self, store: Artifacts, bundle: Path) -> None:
        assert await store.live() is None
        published = await store.publish(bundle, self.described())
        assert await store.live() is None
        await store.set_live(published.version)
        assert await store.live() == published.version

    async def test_another_process_sees_what_is_live(self, store: Artifacts, bundle: Path, tmp_path: Path) -> None:
        published = await store.publish(bundle, self.described())
        await store.set_live(published.version)
        other = await self.make(tmp_path / "store")
        await other.open()
        assert await other.live() == published.version
        await other.close()

    async def test_a_version_is_never_overwritten(self, store: Artifacts, bundle: Path) -> None:
        published = await store.publish(bundle, self.described())
        with pytest.raises(ConflictError):
            await store.publish(bundle, self.described(published.version))

    async def test_the_live_version_cannot_be_deleted_others_can(self, store: Artifacts, bundle: Path) -> None:
        first = await store.publish(bundle, self.described("v1"))
        second = await store.publish(bundle, self.described("v2"))
        await store.set_live(second.version)
        with pytest.raises(ConflictError):
            await store.delete(second.version)
        await store.delete(first.version)
        assert [version.version for version in await store.versions()] == ["v2"]

    @pytest.mark.parametrize("name", ["missing", "../outside", "/etc", "", ".hidden", "a/b", "x" * 300, "a\x00b"])
    async def test_a_version_that_is_not_there_is_not_found(self, store: Artifacts, name: str) -> None:
        for ask in (store.fetch, store.get, store.set_live, store.delete):
            with pytest.raises(NotFoundError):
                await ask(name)
