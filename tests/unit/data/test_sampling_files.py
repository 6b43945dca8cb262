"""The sample shop on disk: the same data as in memory, streamed, whole or not at all."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from foretaste.data.sampling import GroundTruth, SampleConfig, activity, generate, generate_sample, write_sample
from foretaste.errors import ConfigurationError, DataFileError, StorageFullError, StorageUnavailableError

SMALL = SampleConfig.of(n_users=200, n_items=80, n_events=5_000, seed=11)


@pytest.fixture
def many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "BLOCK_EVENTS", 300)


def read(folder: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(folder / f"{name}.parquet")


@pytest.mark.usefixtures("many_blocks")
@pytest.mark.parametrize("batch_events", [1_000, 123, 1_000_000])
def test_files_hold_what_memory_holds_whatever_the_batch(tmp_path: Path, batch_events: int) -> None:
    shop = generate_sample(SMALL)
    folder = write_sample(SMALL, tmp_path / "shop", batch_events=batch_events)
    for name in ("users", "items", "interactions", "links"):
        assert read(folder, name).equals(getattr(shop, name)), name
    truth = GroundTruth.load(folder)
    np.testing.assert_array_equal(truth.user_factors, shop.truth.user_factors)
    np.testing.assert_array_equal(truth.item_popularity, shop.truth.item_popularity)


def test_the_folder_says_how_it_was_made(tmp_path: Path) -> None:
    folder = write_sample(SMALL, tmp_path)
    assert SampleConfig.of(**json.loads((folder / "sample.json").read_text())) == SMALL
    assert sorted(path.name for path in folder.iterdir()) == [
        "ground_truth", "interactions.parquet", "items.parquet", "links.parquet", "sample.json", "users.parquet",
    ]  # fmt: skip


@pytest.mark.usefixtures("many_blocks")
def test_rows_are_written_in_groups_of_the_batch(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    folder = write_sample(SMALL, tmp_path, batch_events=2_000)
    meta = pq.ParquetFile(folder / "interactions.parquet").metadata
    assert meta.num_rows == 5_000
    assert max(meta.row_group(g).num_rows for g in range(meta.num_row_groups)) <= 2_000


@pytest.mark.usefixtures("many_blocks")
def test_a_block_does_not_depend_on_the_blocks_before_it() -> None:
    world = generate.build_world(SMALL)
    in_order = list(activity.make_blocks(world))
    counts = activity.events_per_user(SMALL, world.people.activity)
    last = in_order[-1]
    first = int(np.searchsorted(np.cumsum(counts), last.first_event, side="right"))
    alone = activity._make_block(world, last.number, first, counts[first:], last.first_event)
    np.testing.assert_array_equal(alone.item_rows, last.item_rows)
    np.testing.assert_array_equal(alone.seconds, last.seconds)
    assert len(in_order) > 10


def test_true_affinity_from_the_folder_is_the_cosine_of_the_hidden_factors(tmp_path: Path) -> None:
    truth = GroundTruth.load(write_sample(SMALL, tmp_path))
    users, items = np.array([3, 3, 7]), np.array([0, 5, 5])
    slow = [float(np.dot(truth.user_factors[u], truth.item_factors[i])) for u, i in zip(users, items, strict=True)]
    np.testing.assert_allclose(truth.true_affinity(users, items), slow, rtol=1e-5)
    np.testing.assert_allclose(truth.affinities_of(3)[[0, 5]], slow[:2], rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(truth.item_factors, axis=1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("damage", ["missing", "cut", "noise"])
def test_a_damaged_ground_truth_is_refused(tmp_path: Path, damage: str) -> None:
    path = write_sample(SMALL, tmp_path) / "ground_truth" / "factors.safetensors"
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-10])
    else:
        path.write_bytes(os.urandom(500))
    with pytest.raises(DataFileError, match="ground truth"):
        GroundTruth.load(tmp_path)


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(StorageUnavailableError, match="taken"):
        write_sample(SMALL, tmp_path / "taken")


def test_a_folder_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        folder = Path("/proc/foretaste-sample")  # nobody may write there, not even root
    else:
        folder = tmp_path / "locked"
        folder.mkdir(mode=0o500)
    with pytest.raises(StorageUnavailableError, match="cannot be written"):
        write_sample(SMALL, folder)


def test_a_full_disk_is_named_and_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pl.LazyFrame, "sink_parquet", full)
    with pytest.raises(StorageFullError, match="no room"):
        write_sample(SMALL, tmp_path)
    assert not (tmp_path / "interactions.parquet").exists()
    assert not (tmp_path / "sample.json").exists()


def test_an_error_while_streaming_arrives_as_itself(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise ZeroDivisionError("the caller's own")

    with pytest.raises(ZeroDivisionError, match="the caller's own"):
        write_sample(SMALL, tmp_path, on_progress=stop)
    assert not list(tmp_path.glob("*interactions*"))


def test_a_batch_of_no_events_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="batch_events = 0"):
        write_sample(SMALL, tmp_path, batch_events=0)
