"""The contract of an artifact store as tests: subclass :class:`ArtifactsContract` and say how a store is made."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from foretaste.errors import ConfigurationError, ConflictError, DataFileError, NotFoundError
from foretaste.storage.artifacts import Artifacts, ModelVersion, new_version

NO_VERSIONS = ("missing", "../outside", "..", ".", "/etc", "", ".hidden", "a/b", "a\\b", "x" * 300, "a\x00b", "é")
"""Ids of which there is no version; most could not be one."""


class ArtifactsContract:
    """What every artifact store must do."""

    async def make(self, place: Path) -> Artifacts:
        """A store that is not opened yet, on the data at ``place`` (a temporary folder)."""
        raise AssertionError("a subclass says how a store is made")

    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Artifacts]:
        async with await self.make(tmp_path / "store") as store:
            yield store

    @pytest.fixture
    def bundle(self, tmp_path: Path) -> Path:
        folder = tmp_path / "bundle"
        (folder / "models" / "a").mkdir(parents=True)
        (folder / "models" / "a" / "manifest.json").write_text("{}")
        (folder / "models" / "a" / "arrays.safetensors").write_bytes(b"\x00" * 1000)
        (folder / "empty").touch()
        return folder

    @staticmethod
    def described(version: str | None = None, **more: Any) -> ModelVersion:
        return ModelVersion(version or new_version(), more.pop("created_at", 1.0), ("a", "b"), **more)

    # --- publishing and reading ----------------------------------------------------------------------------------

    async def test_a_published_bundle_can_be_fetched_whole(self, store: Artifacts, bundle: Path) -> None:
        sent = self.described(
            metrics={"ndcg@10": 0.1, "by": {"é": None}},
            digests={"models/a": "00"},
            data={"users": 3},
            pipeline={"sources": [{"name": "ease"}]},
        )
        published = await store.publish(bundle, sent)
        folder = await store.fetch(published.version)
        for path in bundle.rglob("*"):
            if path.is_file():
                assert (folder / path.relative_to(bundle)).read_bytes() == path.read_bytes()
        assert await store.get(published.version) == published
        assert published.size_bytes == 1002
        assert (published.metrics, published.pipeline) == (sent.metrics, sent.pipeline)
        assert published.models == ("a", "b")

    async def test_a_bundle_stays_as_it_was_published(self, store: Artifacts, bundle: Path) -> None:
        published = await store.publish(bundle, self.described())
        (bundle / "models" / "a" / "manifest.json").write_text('{"changed": 1}')
        folder = await store.fetch(published.version)
        assert (folder / "models" / "a" / "manifest.json").read_text() == "{}"

    async def test_a_version_without_a_time_gets_one(self, store: Artifacts, bundle: Path) -> None:
        published = await store.publish(bundle, self.described(created_at=0.0))
        assert published.created_at > 1e9
        assert await store.get(published.version) == published

    async def test_versions_are_listed_newest_first(self, store: Artifacts, bundle: Path) -> None:
        assert list(await store.versions()) == []
        names = [new_version(now=100.0 + n) for n in range(3)]
        for n in (1, 0, 2):
            await store.publish(bundle, self.described(names[n], created_at=100.0 + n))
        assert [version.version for version in await store.versions()] == list(reversed(names))

    async def test_a_version_is_never_overwritten(self, store: Artifacts, bundle: Path) -> None:
        published = await store.publish(bundle, self.described())
        with pytest.raises(ConflictError):
            await store.publish(bundle, self.described(published.version, metrics={"other": 1}))
        assert (await store.get(published.version)).metrics == {}

    async def test_of_many_that_publish_one_version_one_wins(self, store: Artifacts, bundle: Path) -> None:
        results = await asyncio.gather(
            *(store.publish(bundle, self.described("v1", metrics={"by": n})) for n in range(6)), return_exceptions=True
        )
        (winner,) = [result for result in results if isinstance(result, ModelVersion)]
        assert sum(isinstance(result, ConflictError) for result in results) == 5
        assert list(await store.versions()) == [winner]

    async def test_versions_published_at_once_are_all_there(self, store: Artifacts, bundle: Path) -> None:
        published = await asyncio.gather(*(store.publish(bundle, self.described()) for _ in range(8)))
        assert {version.version for version in await store.versions()} == {version.version for version in published}

    @pytest.mark.parametrize("name", ["../outside", "/abs", "", ".", "..", "a/b", "a\x00b", "x" * 300])
    async def test_a_version_that_is_no_name_is_not_published(self, store: Artifacts, bundle: Path, name: str) -> None:
        with pytest.raises(ConfigurationError):
            await store.publish(bundle, ModelVersion(name, 1.0, ()))
        assert list(await store.versions()) == []

    async def test_what_cannot_be_described_is_not_published(self, store: Artifacts, bundle: Path) -> None:
        for metrics in ({"ndcg": float("nan")}, {"ndcg": object()}):
            with pytest.raises(ConfigurationError, match="JSON"):
                await store.publish(bundle, self.described(metrics=metrics))
        assert list(await store.versions()) == []

    async def test_a_folder_that_is_not_there_is_not_published(self, store: Artifacts, tmp_path: Path) -> None:
        with pytest.raises(DataFileError):
            await store.publish(tmp_path / "nothing", self.described())
        assert list(await store.versions()) == []

    @pytest.mark.parametrize("name", NO_VERSIONS)
    async def test_a_version_that_is_not_there_is_not_found(self, store: Artifacts, name: str) -> None:
        for ask in (store.fetch, store.get, store.set_live, store.delete):
            with pytest.raises(NotFoundError):
                await ask(name)
        assert await store.live() is None

    # --- what is live, and deleting ------------------------------------------------------------------------------

    async def test_nothing_is_live_until_it_is_said(self, store: Artifacts, bundle: Path) -> None:
        assert await store.live() is None
        first = await store.publish(bundle, self.described())
        second = await store.publish(bundle, self.described())
        assert await store.live() is None
        for version in (first.version, second.version, first.version):
            await store.set_live(version)
            assert await store.live() == version

    async def test_another_process_sees_what_is_live(self, store: Artifacts, bundle: Path, tmp_path: Path) -> None:
        async with await self.make(tmp_path / "store") as other:
            assert await other.live() is None
            published = await store.publish(bundle, self.described())
            await store.set_live(published.version)
            assert await other.live() == published.version
            assert await other.get(published.version) == published

    async def test_what_is_published_is_there_after_reopening(self, bundle: Path, tmp_path: Path) -> None:
        async with await self.make(tmp_path / "store") as store:
            published = await store.publish(bundle, self.described())
            await store.set_live(published.version)
        async with await self.make(tmp_path / "store") as store:
            assert list(await store.versions()) == [published]
            assert await store.live() == published.version

    async def test_the_live_version_cannot_be_deleted_others_can(self, store: Artifacts, bundle: Path) -> None:
        first = await store.publish(bundle, self.described("v1"))
        second = await store.publish(bundle, self.described("v2"))
        await store.set_live(second.version)
        with pytest.raises(ConflictError):
            await store.delete(second.version)
        await store.delete(first.version)
        with pytest.raises(NotFoundError):
            await store.fetch(first.version)
        assert [version.version for version in await store.versions()] == ["v2"]

    async def test_whatever_is_live_can_be_fetched_while_others_are_deleted(
        self, store: Artifacts, bundle: Path
    ) -> None:
        names = [(await store.publish(bundle, self.described(f"v{n}"))).version for n in range(8)]
        await store.set_live(names[0])
        work = [store.set_live(name) for name in names] + [store.delete(name) for name in names]
        results = await asyncio.gather(*work, return_exceptions=True)
        assert all(result is None or isinstance(result, ConflictError | NotFoundError) for result in results)
        live = await store.live()
        assert live is not None
        assert (await store.fetch(live)).is_dir()
