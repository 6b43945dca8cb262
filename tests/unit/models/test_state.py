"""The saved form: what goes in comes out, memory-mapped, and no damage gets through."""

import errno
import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from foretaste.errors import CorruptStateError, StorageFullError, StorageUnavailableError
from foretaste.models import state as state_module
from foretaste.models.state import ARRAYS, MANIFEST, State, are_rows, are_slices, nest_states, nested_states, pack_csr
from foretaste.models.state import unpack_csr as unpack

reuse = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
DTYPES = ["<f8", "<f4", "<f2", "<i8", "<i4", "<i2", "<i1", "<u8", "<u4", "<u2", "<u1", "?"]


def sample() -> State:
    return State(
        "kind",
        {"config": {"a": 1.5, "b": [1, 2]}, "text": "é"},
        {
            "f": np.arange(12, dtype=np.float32).reshape(3, 4),
            "i": np.arange(5, dtype=np.int64),
            "none": np.zeros((0, 3)),
        },
    )


def same(one: State, other: State) -> bool:
    return (one.kind, one.meta, set(one.arrays)) == (other.kind, other.meta, set(other.arrays)) and all(
        np.array_equal(array, other.arrays[name]) for name, array in one.arrays.items()
    )


@reuse
@given(
    st.dictionaries(
        st.text(st.characters(categories=["L", "N"], include_characters="._-"), min_size=1, max_size=8),
        st.sampled_from(DTYPES).flatmap(
            lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
        ),
        max_size=4,
    ).filter(lambda arrays: "__metadata__" not in arrays)
)
def test_any_arrays_come_back_with_type_shape_and_bits(tmp_path: Path, arrays: dict[str, np.ndarray[Any, Any]]) -> None:
    State("k", {}, arrays).save(tmp_path)
    loaded = State.load(tmp_path).arrays
    assert set(loaded) == set(arrays)
    for name, array in arrays.items():
        assert (loaded[name].dtype, loaded[name].shape) == (array.dtype, array.shape)
        assert loaded[name].tobytes() == array.tobytes()


def test_arrays_in_another_memory_order_come_back_right(tmp_path: Path) -> None:
    array = np.arange(12.0).reshape(3, 4)
    State("k", {}, {"t": array.T, "s": array[:, ::2]}).save(tmp_path)
    loaded = State.load(tmp_path).arrays
    np.testing.assert_array_equal(loaded["t"], array.T)
    np.testing.assert_array_equal(loaded["s"], array[:, ::2])


def test_loaded_arrays_are_plain_read_only_views_of_the_mapped_file(tmp_path: Path) -> None:
    sample().save(tmp_path)
    array = State.load(tmp_path).arrays["f"]
    assert type(array) is np.ndarray
    assert not array.flags.writeable
    base: Any = array
    while getattr(base, "base", None) is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)
    assert array.flags.aligned


def test_saving_twice_gives_the_same_digest_and_leaves_two_files(tmp_path: Path) -> None:
    assert sample().save(tmp_path) == sample().save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [ARRAYS, MANIFEST]
    assert same(State.load(tmp_path), sample())


def test_the_kept_digest_finds_an_exchanged_model(tmp_path: Path) -> None:
    digest = sample().save(tmp_path)
    assert same(State.load(tmp_path, sha256=digest), sample())
    State("kind", {"config": {"a": 2.5}}, {}).save(tmp_path)
    assert State.load(tmp_path).meta == {"config": {"a": 2.5}}  # sound in itself
    with pytest.raises(CorruptStateError, match="not the one that was saved"):
        State.load(tmp_path, sha256=digest)


@reuse
@given(st.data())
@pytest.mark.parametrize("file", [ARRAYS, MANIFEST])
def test_any_changed_byte_is_found_or_changes_nothing(tmp_path: Path, file: str, data: st.DataObject) -> None:
    original = sample()
    original.save(tmp_path)
    content = bytearray((tmp_path / file).read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    (tmp_path / file).write_bytes(content)
    try:
        loaded = State.load(tmp_path)
    except CorruptStateError:
        return
    assert file == MANIFEST  # there, a blank may become another blank
    assert same(loaded, original)


@pytest.mark.parametrize("file", [ARRAYS, MANIFEST])
@pytest.mark.parametrize("kept", [0, 1, 7, 9, 40, -1])
def test_a_file_cut_short_is_found(tmp_path: Path, file: str, kept: int) -> None:
    sample().save(tmp_path)
    path = tmp_path / file
    path.write_bytes(path.read_bytes()[:kept])
    for verify in (True, False):
        with pytest.raises(CorruptStateError):
            State.load(tmp_path, verify=verify)


@pytest.mark.parametrize("file", [ARRAYS, MANIFEST])
def test_a_missing_file_is_found(tmp_path: Path, file: str) -> None:
    sample().save(tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(CorruptStateError, match="no readable saved model"):
        State.load(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorruptStateError, match="nowhere"):
        State.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"null", b"5", b'"x"', b"{}", b"\xff\xfe", b"[" * 100_000, b'{"format": 1}', b'{"format": 1e999}',
     b'{"format": 1, "sha256": "x", "arrays": {"size_bytes": 1e999}, "kind": "k", "meta": {}}',
     b'{"format": 1, "sha256": 5, "arrays": [], "kind": "k", "meta": "text"}'],
)  # fmt: skip
def test_a_manifest_of_another_kind_is_refused(tmp_path: Path, text: bytes) -> None:
    sample().save(tmp_path)
    (tmp_path / MANIFEST).write_bytes(text)
    with pytest.raises(CorruptStateError):
        State.load(tmp_path)


def write_with_header(folder: Path, header: object, *, body: bytes = bytes(64), length: int | None = None) -> None:
    """A file whose digests are all right, so that only its header can give it away."""
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / ARRAYS).write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + body)
    path = folder / ARRAYS
    body_json = {
        "format": 1,
        "kind": "k",
        "meta": {},
        "arrays": {"sha256": state_module.file_sha256(path), "size_bytes": path.stat().st_size},
    }
    sealed = body_json | {"sha256": state_module._body_sha256(body_json)}
    (folder / MANIFEST).write_text(json.dumps(sealed))


def entry(offsets: object, shape: object = (4,), dtype: object = "F32") -> dict[str, object]:
    return {"a": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


def test_a_header_written_by_hand_is_read(tmp_path: Path) -> None:
    write_with_header(tmp_path, entry([0, 16]) | {"__metadata__": {"x": "y"}})
    assert State.load(tmp_path).arrays["a"].tolist() == [0.0] * 4


@pytest.mark.parametrize(
    "header",
    [
        entry([0, 80], shape=[20]),  # beyond the end
        entry([-16, 0]),
        entry([16, 0], shape=[-4]),
        entry([0, 16], shape=[5]),
        entry([0, 16], shape=[-1, -4]),
        entry([0, 16], shape=[2**62, 4]),
        entry([0, 0], shape=[2**40, 2**40]),
        entry([0, 16], shape=[float("inf")]),
        entry([0, 16], shape="xy"),
        entry([0, 16], dtype="F31"),
        entry([0, 16], dtype=["F32"]),
        entry([0, 16], dtype="O"),
        entry([2, 18]),  # not aligned
        entry([0.0, 16.0]),
        entry([0]),
        entry([0, 16, 32]),
        entry(None),
        {"a": 5},
        {"a": {}},
        [],
        "text",
        None,
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, header: object) -> None:
    write_with_header(tmp_path, header)
    with pytest.raises(CorruptStateError):
        State.load(tmp_path)


@pytest.mark.parametrize("length", [0, 1, 10**6, 2**63, 2**64 - 1])
def test_a_header_length_that_lies_is_refused(tmp_path: Path, length: int) -> None:
    write_with_header(tmp_path, entry([0, 16]), length=length)
    with pytest.raises(CorruptStateError):
        State.load(tmp_path)


@settings(max_examples=40)
@given(hnp.arrays(np.float32, st.tuples(st.integers(0, 5), st.integers(0, 5)), elements=st.sampled_from([0, 1, 2.5])))
def test_sparse_matrices_come_back(dense: np.ndarray[Any, Any]) -> None:
    matrix = sparse.csr_array(dense)
    again = unpack("m", pack_csr("m", matrix))
    assert again.shape == dense.shape
    np.testing.assert_array_equal(again.toarray(), dense)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("indptr", np.array([0, 10**6, 2])),  # would read far outside
        ("indptr", np.array([0, -1, 2])),
        ("indptr", np.array([1, 1, 2])),
        ("indptr", np.array([0, 1])),
        ("indptr", np.array([0.0, 1.0, 2.0])),
        ("indptr", np.zeros((0,), np.int64)),
        ("indices", np.array([0, 3])),
        ("indices", np.array([-1, 0])),
        ("indices", np.array([0.0, 1.0])),
        ("indices", np.array([0])),
        ("data", np.ones(3)),
        ("data", np.ones((2, 1))),
        ("shape", np.array([2])),
        ("shape", np.array([2, -3])),
        ("shape", np.array(2)),
        ("shape", np.array([np.inf, np.nan])),
    ],
)
def test_a_sparse_matrix_that_would_run_out_of_bounds_is_refused(part: str, value: np.ndarray[Any, Any]) -> None:
    arrays = pack_csr("m", sparse.csr_array(np.array([[1.0, 0, 0], [0, 0, 2.0]])))
    assert unpack("m", arrays).nnz == 2
    with pytest.raises(CorruptStateError, match="matrix 'm'"):
        unpack("m", arrays | {f"m.{part}": value})
    del arrays[f"m.{part}"]
    with pytest.raises(CorruptStateError, match="incomplete"):
        unpack("m", arrays)


def test_slices_and_rows_are_told_from_nonsense() -> None:
    assert are_slices(np.array([0, 2, 2, 5]), 3, 5)
    assert not are_slices(np.array([0, 3, 2, 5]), 3, 5)
    assert are_rows(np.array([], dtype=np.int32), 0)
    assert not are_rows(np.array([0], dtype=np.uint8), 1)  # indices are signed everywhere


def test_states_of_parts_are_kept_apart() -> None:
    parts = {"a": sample(), "ab": State("other", {"x": 1}, {"f": np.ones(2)})}
    meta, arrays = nest_states(parts)
    back = nested_states(State("whole", {"parts": meta}, arrays | {"own": np.ones(1)}))
    assert set(back) == {"a", "ab"}
    assert all(same(back[name], part) for name, part in parts.items())


@pytest.mark.parametrize("parts", [[], 5, {"a": 5}, {"a": {}}, {"a": {"kind": "k", "meta": 5}}])
def test_parts_that_cannot_be_read_are_refused(parts: object) -> None:
    with pytest.raises(CorruptStateError, match="a part"):
        nested_states(State("whole", {"parts": parts}, {}))


def test_meta_that_json_cannot_hold_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        State("k", {"x": float("nan")}, {}).save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_save_leaves_the_old_model_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample().save(tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(state_module, "save_file", full)
    with pytest.raises(StorageFullError, match="no room"):
        State("k", {}, {"new": np.ones(3)}).save(tmp_path)
    assert same(State.load(tmp_path), sample())
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailableError, match="file"):
        sample().save(tmp_path / "file")
    with pytest.raises(StorageUnavailableError, match="proc"):
        sample().save("/proc/foretaste-model")


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    sample().save(tmp_path)
    (tmp_path / MANIFEST).unlink()
    (tmp_path / MANIFEST).mkdir()
    with pytest.raises(CorruptStateError):
        State.load(tmp_path)


def test_a_loaded_model_survives_being_written_over(tmp_path: Path) -> None:
    sample().save(tmp_path)
    loaded = State.load(tmp_path)
    State("kind", {}, {"f": np.zeros((3, 4), np.float32)}).save(tmp_path)
    assert same(loaded, sample())  # the old pages stay as long as somebody maps them
    assert os.path.exists(tmp_path / ARRAYS)
