"""The only saved form of a model: named arrays and JSON. Loading runs no code from the file.

A saved folder holds ``manifest.json`` (what it is, the JSON part, and the sha256 and size of the array file) and
``arrays.safetensors``, which is memory-mapped: many processes that load it share its pages.
"""

import errno
import hashlib
import json
import os
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import save_file
from scipy import sparse

from foretaste.errors import CorruptStateError, StorageFullError, StorageUnavailableError

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
ARRAYS = "arrays.safetensors"
_MAX_HEADER_BYTES = 100_000_000
_MALFORMED = (
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
    struct.error,
)
_DTYPES: dict[str, str] = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "<u1",
    "BOOL": "?",
}

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class State:
    """What a model is made of: ``kind`` (its registered name), ``meta`` (JSON values) and ``arrays``."""

    kind: str
    meta: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)

    def save(self, folder: Path | str) -> str:
        """Write into ``folder`` (made if missing); returns the manifest's sha256.

        Each file appears whole or not at all. Who reads while an older state is written over finds the old one, the
        new one, or two files that do not fit, which :meth:`load` refuses.

        Raises:
            StorageFullError, StorageUnavailableError: the folder cannot be written.
        """
        folder = Path(folder)
        with _clear_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with _staged(folder / ARRAYS) as staged:
                save_file({name: np.asarray(array, order="C") for name, array in self.arrays.items()}, staged)
                body = {
                    "format": FORMAT_VERSION,
                    "kind": self.kind,
                    "meta": self.meta,
                    "arrays": {"sha256": file_sha256(staged), "size_bytes": staged.stat().st_size},
                }
                manifest = body | {"sha256": _body_sha256(body)}
                text = json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False).encode()
            with _staged(folder / MANIFEST) as staged:
                staged.write_bytes(text)
            _fsync(folder)
        return hashlib.sha256(text).hexdigest()

    @classmethod
    def load(cls, folder: Path | str, *, sha256: str | None = None, verify: bool = True) -> "State":
        """Read a saved state; arrays are read-only memory maps.

        ``sha256`` is the manifest's digest as :meth:`save` gave it, when the caller kept it: with it nobody can
        exchange the model, without it only damage is found. ``verify=False`` skips hashing the arrays (for a process
        that loads what another has just verified).

        Raises:
            CorruptStateError: missing parts, a digest that does not fit, a header that lies about its bounds.
        """
        folder = Path(folder)
        path = folder / ARRAYS
        try:
            text = (folder / MANIFEST).read_bytes()
            if sha256 is not None and hashlib.sha256(text).hexdigest() != sha256:
                raise CorruptStateError(f"{folder / MANIFEST} is not the one that was saved (sha256 differs)")
            manifest = json.loads(text)
            if manifest["format"] != FORMAT_VERSION:
                raise CorruptStateError(
                    f"{folder} has format {manifest['format']!r}, this version reads {FORMAT_VERSION}"
                )
            if manifest.pop("sha256") != _body_sha256(manifest):
                raise CorruptStateError(f"{folder / MANIFEST} was changed after it was saved (sha256 differs)")
            expected, kind, meta = manifest["arrays"], str(manifest["kind"]), dict(manifest["meta"])
            if path.stat().st_size != expected["size_bytes"]:
                raise CorruptStateError(f"{path} is cut short or too long ({expected['size_bytes']} bytes expected)")
            if verify and file_sha256(path) != expected["sha256"]:
                raise CorruptStateError(
                    f"{path} was changed after it was saved (sha256 differs)", hint="train it again"
                )
            return cls(kind, meta, _map_arrays(path))
        except (OSError, *_MALFORMED) as exc:
            raise CorruptStateError(f"{folder} holds no readable saved model: {exc}", hint="train it again") from exc


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pack_csr(name: str, matrix: sparse.csr_array) -> dict[str, Array]:
    """A sparse matrix as arrays ``name.data``, ``name.indices``, ``name.indptr`` and ``name.shape``."""
    return {
        f"{name}.data": matrix.data,
        f"{name}.indices": matrix.indices,
        f"{name}.indptr": matrix.indptr,
        f"{name}.shape": np.asarray(matrix.shape, dtype=np.int64),
    }


def unpack_csr(name: str, arrays: Mapping[str, Array]) -> sparse.csr_array:
    """The opposite of :func:`pack_csr`; shares the arrays' memory.

    Raises:
        CorruptStateError: when the parts do not make a matrix.
    """
    try:
        rows, columns = (int(n) for n in arrays[f"{name}.shape"])
        data, indices, indptr = (arrays[f"{name}.{part}"] for part in ("data", "indices", "indptr"))
    except _MALFORMED as exc:
        raise CorruptStateError(f"saved matrix {name!r} is incomplete") from exc
    fits = data.ndim == 1 and len(data) == len(indices) and columns >= 0
    if not fits or not are_slices(indptr, rows, len(data)) or not are_rows(indices, columns):
        raise CorruptStateError(f"saved matrix {name!r} does not fit its shape {rows} × {columns}")
    matrix = sparse.csr_array((rows, columns), dtype=data.dtype)
    matrix.data, matrix.indices, matrix.indptr = data, indices, indptr
    return matrix


def are_slices(indptr: Array, n: int, total: int) -> bool:
    """Whether ``indptr`` cuts ``total`` entries into ``n`` slices, so that no compiled loop runs out of bounds."""
    if indptr.ndim != 1 or indptr.dtype.kind != "i" or len(indptr) != n + 1:
        return False
    return bool(indptr[0] == 0 and indptr[-1] == total and (indptr[1:] >= indptr[:-1]).all())


def are_rows(rows: Array, count: int) -> bool:
    """Whether all of ``rows`` (any number) are whole numbers 0 … ``count`` - 1."""
    if rows.ndim != 1 or rows.dtype.kind != "i":
        return False
    return len(rows) == 0 or 0 <= int(rows.min()) <= int(rows.max()) < count


def nest_states(parts: Mapping[str, State]) -> tuple[dict[str, Any], dict[str, Array]]:
    """States of models inside a model as JSON and arrays: ``name.`` stands before the names of a part's arrays."""
    meta = {name: {"kind": part.kind, "meta": part.meta} for name, part in parts.items()}
    arrays = {f"{name}.{key}": array for name, part in parts.items() for key, array in part.arrays.items()}
    return meta, arrays


def nested_states(state: State) -> dict[str, State]:
    """The opposite of :func:`nest_states`, from the whole model's state (JSON under ``parts``).

    Raises:
        CorruptStateError: a part is not as it was saved.
    """
    parts: dict[str, State] = {}
    try:
        for name, fields in state.meta.get("parts", {}).items():
            start = f"{name}."
            arrays = {key.removeprefix(start): a for key, a in state.arrays.items() if key.startswith(start)}
            parts[name] = State(str(fields["kind"]), dict(fields["meta"]), arrays)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise CorruptStateError(f"the saved {state.kind!r} holds a part that cannot be read: {exc}") from exc
    return parts


def _map_arrays(path: Path) -> dict[str, Array]:
    """Memory-map a safetensors file: an 8-byte header length, a JSON header, then the raw arrays."""
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(_MAX_HEADER_BYTES, size - 8):
                raise ValueError(f"header of {length} bytes in a file of {size}")
            header = json.loads(file.read(length))
        start = 8 + length
        whole = np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))
        arrays: dict[str, Array] = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            a, b = entry["data_offsets"]
            shape = tuple(int(n) for n in entry["shape"])
            dtype = np.dtype(_DTYPES[entry["dtype"]])
            if min(shape, default=0) < 0 or not 0 <= a <= b <= size - start or b - a != dtype.itemsize * prod(shape):
                raise ValueError(f"array {name!r} lies outside the file")
            if (start + a) % dtype.itemsize:
                raise ValueError(f"array {name!r} is not aligned")
            arrays[name] = whole[start + a : start + b].view(dtype).reshape(shape)
    except (OSError, *_MALFORMED) as exc:
        raise CorruptStateError(f"{path} is not a sound array file: {exc}", hint="train it again") from exc
    return arrays


def _body_sha256(body: Mapping[str, Any]) -> str:
    """The digest of a manifest but for its own entry, whatever its spacing."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@contextmanager
def _staged(path: Path) -> Iterator[Path]:
    """A place to write beside ``path``; what is there in the end becomes ``path``, durably."""
    place = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        yield place
        _fsync(place)
        os.replace(place, path)
    finally:
        place.unlink(missing_ok=True)


@contextmanager
def _clear_errors(folder: Path) -> Iterator[None]:
    """Failures of the file system as ours, with what to do."""
    try:
        yield
    except (OSError, SafetensorError) as exc:
        is_full = getattr(exc, "errno", None) in {errno.ENOSPC, errno.EDQUOT} or "No space left" in str(exc)
        if is_full:
            raise StorageFullError(f"no room to save a model in {folder}: {exc}", hint="free some space") from exc
        raise StorageUnavailableError(
            f"a model cannot be saved in {folder}: {exc}", hint="choose a folder you may write"
        ) from exc


def _fsync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
