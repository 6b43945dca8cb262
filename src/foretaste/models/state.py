"""The only saved form of a model: named arrays and JSON. Loading runs no code from the file.

A saved folder holds ``manifest.json`` (what it is, the JSON part, and the sha256 and size of the array file) and
``arrays.safetensors``, which is memory-mapped: many processes that load it share its pages.
"""

import hashlib
import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file
from scipy import sparse

from foretaste.errors import CorruptStateError

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
ARRAYS = "arrays.safetensors"
_MAX_HEADER_BYTES = 100_000_000
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
        """Write into ``folder`` (made if missing) so that a reader never sees half of it; returns the manifest's
        sha256.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {name: np.ascontiguousarray(array) for name, array in self.arrays.items()}
        staged = folder / f".{ARRAYS}.{os.getpid()}"
        try:
            save_file(arrays, staged)
            _fsync(staged)
            manifest = {
                "format": FORMAT_VERSION,
                "kind": self.kind,
                "meta": self.meta,
                "arrays": {"sha256": file_sha256(staged), "size_bytes": staged.stat().st_size},
            }
            text = json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False).encode()
            os.replace(staged, folder / ARRAYS)
        finally:
            staged.unlink(missing_ok=True)
        staged_manifest = folder / f".{MANIFEST}.{os.getpid()}"
        staged_manifest.write_bytes(text)
        _fsync(staged_manifest)
        os.replace(staged_manifest, folder / MANIFEST)
        return hashlib.sha256(text).hexdigest()

    @classmethod
    def load(cls, folder: Path | str, *, sha256: str | None = None, verify: bool = True) -> "State":
        """Read a saved state; arrays are read-only memory maps.

        ``sha256`` is the manifest's digest as :meth:`save` gave it, when the caller kept it. ``verify=False`` skips
        hashing the arrays (for a
        process that loads what another has just verified).

        Raises:
            CorruptStateError: missing parts, a digest that does not fit, a header that lies about its bounds.
        """
        folder = Path(folder)
        try:
            text = (folder / MANIFEST).read_bytes()
            manifest = json.loads(text)
            expected = manifest["arrays"]
            kind, meta, version = str(manifest["kind"]), dict(manifest["meta"]), manifest["format"]
            size_bytes, digest = int(expected["size_bytes"]), str(expected["sha256"])
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise CorruptStateError(f"{folder} holds no readable saved model: {exc}", hint="train it again") from exc
        if sha256 is not None and hashlib.sha256(text).hexdigest() != sha256:
            raise CorruptStateError(f"{folder / MANIFEST} is not the one that was saved (sha256 differs)")
        if version != FORMAT_VERSION:
            raise CorruptStateError(f"{folder} has format {version!r}, this version reads {FORMAT_VERSION}")
        path = folder / ARRAYS
        if not path.is_file() or path.stat().st_size != size_bytes:
            raise CorruptStateError(
                f"{path} is missing or cut short ({size_bytes} bytes expected)", hint="train it again"
            )
        if verify and file_sha256(path) != digest:
            raise CorruptStateError(f"{path} was changed after it was saved (sha256 differs)", hint="train it again")
        return cls(kind, meta, _map_arrays(path))


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
    except (KeyError, ValueError) as exc:
        raise CorruptStateError(f"saved matrix {name!r} is incomplete") from exc
    fits = len(indptr) == rows + 1 and len(data) == len(indices) == (int(indptr[-1]) if len(indptr) else 0)
    if not fits or (len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < columns):
        raise CorruptStateError(f"saved matrix {name!r} does not fit its shape {rows} × {columns}")
    matrix = sparse.csr_array((rows, columns), dtype=data.dtype)
    matrix.data, matrix.indices, matrix.indptr = data, indices, indptr
    return matrix


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
        whole = np.memmap(path, dtype=np.uint8, mode="r") if size > start else np.zeros(size, np.uint8)
        arrays: dict[str, Array] = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            a, b = entry["data_offsets"]
            shape = tuple(int(n) for n in entry["shape"])
            dtype = np.dtype(_DTYPES[entry["dtype"]])
            if not 0 <= a <= b <= size - start or b - a != dtype.itemsize * int(np.prod(shape, dtype=np.int64)):
                raise ValueError(f"array {name!r} lies outside the file")
            arrays[name] = whole[start + a : start + b].view(dtype).reshape(shape)
    except (OSError, ValueError, KeyError, TypeError, struct.error) as exc:
        raise CorruptStateError(f"{path} is not a sound array file: {exc}", hint="train it again") from exc
    return arrays


def _fsync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
