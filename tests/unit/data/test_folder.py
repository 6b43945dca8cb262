"""A data set saved to a folder comes back the same, or is refused."""

import json

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from foretaste.data import Dataset, DatasetBuilder, build_dataset, load_dataset, read_dataset, save_dataset
from foretaste.errors import DataFileError, StorageUnavailableError


@pytest.fixture
def data() -> Dataset:
    builder = DatasetBuilder(name="shop")
    builder.add_users({"user_id": ["ann", "bob", "cold"], "age": [31, None, 52]})
    builder.add_items({"item_id": ["tea", "jam"], "title": ["Tea", "Jam"], "tags": [["hot", "leaf"], []]})
    builder.add_interactions(
        {"user_id": ["bob", "ann", "ann"], "item_id": ["tea", "jam", "egg"], "type": ["view", "buy", "skip"]}
    )
    return builder.add_links({"user_id": ["ann"], "friend_id": ["bob"]}).build()


def assert_same(one: Dataset, other: Dataset) -> None:
    assert (one.users, one.items, one.name) == (other.users, other.items, other.name)
    assert (one.is_explicit, one.duplicates) == (other.is_explicit, other.duplicates)
    for field in ("user_rows", "item_rows", "weights", "timestamps", "types"):
        ours, theirs = getattr(one.interactions, field), getattr(other.interactions, field)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    assert one.interactions.type_names == other.interactions.type_names
    for frame, same in ((one.user_frame, other.user_frame), (one.item_frame, other.item_frame)):
        assert (frame is None) == (same is None)
        if frame is not None and same is not None:
            assert_frame_equal(frame, same)
    assert (dict(one.user_features), dict(one.item_features)) == (dict(other.user_features), dict(other.item_features))
    assert (one.links is None) == (other.links is None)
    if one.links is not None and other.links is not None:
        np.testing.assert_array_equal(np.stack(one.links), np.stack(other.links))


def test_a_saved_data_set_comes_back_the_same(data, tmp_path) -> None:
    save_dataset(data, tmp_path / "shop")
    assert_same(data, load_dataset(tmp_path / "shop"))
    loaded = read_dataset(tmp_path / "shop")
    assert_same(data, loaded.dataset)
    assert loaded.report.format == "saved"
    assert loaded.report.interactions.kept == 3


def test_a_data_set_without_frames_and_links_comes_back_without_them(tmp_path) -> None:
    data = build_dataset({"user_id": ["a"], "item_id": ["x"], "rating": [3.5]})
    assert_same(data, load_dataset(save_dataset(data, tmp_path)))


def test_saving_again_replaces_what_was_there(data, tmp_path) -> None:
    save_dataset(data, tmp_path)
    smaller = build_dataset({"user_id": ["a"], "item_id": ["x"]})
    save_dataset(smaller, tmp_path)
    assert_same(smaller, load_dataset(tmp_path))
    assert not (tmp_path / "links.parquet").exists()
    assert not list(tmp_path.glob(".saving-*"))


def test_a_folder_with_other_things_is_not_written_into(data, tmp_path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DataFileError, match="holds other files"):
        save_dataset(data, tmp_path)
    with pytest.raises(DataFileError, match="is a file"):
        save_dataset(data, tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_place_that_cannot_be_written_is_told(data, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailableError, match="cannot be written"):
        save_dataset(data, tmp_path / "file" / "below")


@pytest.mark.parametrize("name", ["interactions.parquet", "items.parquet", "users.parquet", "links.parquet"])
def test_a_changed_or_missing_file_is_refused(data, tmp_path, name) -> None:
    save_dataset(data, tmp_path)
    raw = bytearray((tmp_path / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (tmp_path / name).write_bytes(bytes(raw))
    with pytest.raises(DataFileError, match=f"{name} is missing or damaged"):
        load_dataset(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(DataFileError, match=f"{name} is missing or damaged"):
        load_dataset(tmp_path)


def test_rows_that_point_nowhere_are_refused_even_when_checksums_are_not_asked(data, tmp_path) -> None:
    save_dataset(data, tmp_path)
    table = pl.read_parquet(tmp_path / "interactions.parquet")
    table.with_columns(item_row=pl.lit(99, dtype=pl.Int32)).write_parquet(tmp_path / "interactions.parquet")
    with pytest.raises(DataFileError, match="points to a item that is not there"):
        load_dataset(tmp_path, verify=False)


def test_manifests_of_other_kinds_and_later_versions_are_refused(data, tmp_path) -> None:
    with pytest.raises(DataFileError, match="holds no saved data set"):
        load_dataset(tmp_path)
    save_dataset(data, tmp_path)
    manifest = json.loads((tmp_path / "dataset.json").read_text())
    (tmp_path / "dataset.json").write_text(json.dumps({**manifest, "version": 2}))
    with pytest.raises(DataFileError, match="later version"):
        load_dataset(tmp_path)
    (tmp_path / "dataset.json").write_text("{ not json")
    with pytest.raises(DataFileError, match="not a data set's manifest"):
        load_dataset(tmp_path)
