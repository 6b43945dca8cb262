"""A data set as a folder: Parquet tables and a manifest with their checksums."""

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from foretaste.data.dataset import Dataset, DuplicatesPolicy, FeatureType, Interactions
from foretaste.data.vocabulary import Vocabulary
from foretaste.errors import DataFileError, StorageFullError, StorageUnavailableError

MANIFEST = "dataset.json"
_INTERACTIONS, _USERS, _ITEMS, _LINKS = "interactions.parquet", "users.parquet", "items.parquet", "links.parquet"
_NO_SPACE = 28


class Manifest(BaseModel):
    """What the folder holds, and sha256 sums to tell a damaged file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["foretaste-dataset"] = "foretaste-dataset"
    version: Literal[1] = 1
    name: str
    n_users: int
    n_items: int
    n_interactions: int
    type_names: tuple[str, ...]
    is_explicit: bool
    duplicates: DuplicatesPolicy
    has_user_frame: bool
    has_item_frame: bool
    user_features: dict[str, FeatureType]
    item_features: dict[str, FeatureType]
    sha256: dict[str, str]


def save_dataset(dataset: Dataset, folder: Path | str) -> Path:
    """Write ``dataset`` into ``folder`` (made when missing) and return it; a data set that is there is replaced.

    The files are written beside and moved in with the manifest last, so a broken-off save is never read as whole.

    Raises:
        DataFileError: the folder holds other things than a data set.
        StorageUnavailableError, StorageFullError: it cannot be written.
    """
    folder = Path(folder)
    _check_replaceable(folder)
    staging: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".saving-", dir=folder))
        _write(dataset, staging)
        (folder / MANIFEST).unlink(missing_ok=True)
        for old in (_INTERACTIONS, _USERS, _ITEMS, _LINKS):
            (folder / old).unlink(missing_ok=True)
        for path in sorted(staging.iterdir(), key=lambda p: p.name == MANIFEST):
            path.replace(folder / path.name)
    except OSError as exc:
        if exc.errno == _NO_SPACE:
            raise StorageFullError(f"no room is left for a data set in {folder}", hint="free some space") from exc
        raise StorageUnavailableError(
            f"{folder} cannot be written: {exc.strerror or exc}", hint="choose another folder"
        ) from exc
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
    return folder


def load_dataset(folder: Path | str, *, verify: bool = True) -> Dataset:
    """The data set that :func:`save_dataset` wrote; ``verify`` compares checksums first.

    Raises:
        DataFileError: no data set there, one of a later version, or damaged files.
    """
    folder = Path(folder)
    manifest = _manifest(folder)
    if verify:
        for name, digest in manifest.sha256.items():
            if not (folder / name).is_file() or _sha256(folder / name) != digest:
                raise DataFileError(
                    f"{folder / name} is missing or damaged (its checksum differs)", hint="save it again"
                )
    try:
        return _read(folder, manifest)
    except (OSError, pl.exceptions.PolarsError) as exc:
        raise DataFileError(f"the data set in {folder} cannot be read: {str(exc)[:200]}") from exc


def is_dataset_folder(folder: Path) -> bool:
    """Whether a saved data set is there."""
    return (folder / MANIFEST).is_file()


def _check_replaceable(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise DataFileError(f"{folder} is a file, not a folder")
    if folder.is_dir() and any(folder.iterdir()) and not is_dataset_folder(folder):
        raise DataFileError(f"{folder} holds other files", hint="choose a new or empty folder")


def _write(dataset: Dataset, folder: Path) -> None:
    events = dataset.interactions
    tables = {
        _INTERACTIONS: pl.DataFrame(
            {
                "user_row": events.user_rows,
                "item_row": events.item_rows,
                "weight": events.weights,
                "timestamp": events.timestamps,
                "type": events.types,
            }
        ),
        _USERS: _side_table(dataset.users, dataset.user_frame, "user_id"),
        _ITEMS: _side_table(dataset.items, dataset.item_frame, "item_id"),
    }
    if dataset.links is not None:
        tables[_LINKS] = pl.DataFrame({"user_row": dataset.links[0], "friend_row": dataset.links[1]})
    for name, table in tables.items():
        table.write_parquet(folder / name, compression="zstd", mkdir=False)
    manifest = Manifest(
        name=dataset.name,
        n_users=dataset.n_users,
        n_items=dataset.n_items,
        n_interactions=dataset.n_interactions,
        type_names=events.type_names,
        is_explicit=dataset.is_explicit,
        duplicates=dataset.duplicates,
        has_user_frame=dataset.user_frame is not None,
        has_item_frame=dataset.item_frame is not None,
        user_features=dict(dataset.user_features),
        item_features=dict(dataset.item_features),
        sha256={name: _sha256(folder / name) for name in tables},
    )
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _side_table(ids: Vocabulary, frame: pl.DataFrame | None, column: str) -> pl.DataFrame:
    return frame if frame is not None else pl.DataFrame({column: ids.ids})


def _manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    if not path.is_file():
        raise DataFileError(f"{folder} holds no saved data set ({MANIFEST} is missing)")
    try:
        raw: Any = json.loads(path.read_text(encoding="utf-8"))
        return Manifest.model_validate(raw)
    except (OSError, ValueError, ValidationError) as exc:
        version = raw.get("version") if isinstance(locals().get("raw"), dict) else None
        if isinstance(version, int) and version > 1:
            raise DataFileError(f"{folder} was saved by a later version of Foretaste", hint="upgrade it") from exc
        raise DataFileError(f"{path} is not a data set's manifest", hint="save the data set again") from exc


def _read(folder: Path, manifest: Manifest) -> Dataset:
    user_table = pl.read_parquet(folder / _USERS)
    item_table = pl.read_parquet(folder / _ITEMS)
    events = pl.read_parquet(folder / _INTERACTIONS)
    users, items = Vocabulary(user_table["user_id"]), Vocabulary(item_table["item_id"])
    interactions = Interactions(
        events["user_row"].to_numpy().astype(np.int32, copy=False),
        events["item_row"].to_numpy().astype(np.int32, copy=False),
        events["weight"].to_numpy().astype(np.float32, copy=False),
        events["timestamp"].to_numpy().astype(np.float64, copy=False),
        events["type"].to_numpy().astype(np.uint8, copy=False),
        manifest.type_names,
    )
    _check_rows(folder, manifest, users, items, interactions)
    links = pl.read_parquet(folder / _LINKS) if _LINKS in manifest.sha256 else None
    return Dataset(
        users=users,
        items=items,
        interactions=interactions,
        name=manifest.name,
        is_explicit=manifest.is_explicit,
        duplicates=manifest.duplicates,
        user_frame=user_table if manifest.has_user_frame else None,
        item_frame=item_table if manifest.has_item_frame else None,
        user_features=manifest.user_features,
        item_features=manifest.item_features,
        links=None if links is None else (links["user_row"].to_numpy(), links["friend_row"].to_numpy()),
    )


def _check_rows(folder: Path, manifest: Manifest, users: Vocabulary, items: Vocabulary, events: Interactions) -> None:
    """Rows out of range would read foreign memory in the compiled kernels, so they are refused here."""
    sizes = (len(users), len(items), len(events))
    if sizes != (manifest.n_users, manifest.n_items, manifest.n_interactions):
        raise DataFileError(f"the tables in {folder} do not fit their manifest: {sizes} users, items, interactions")
    for rows, size, what in (
        (events.user_rows, len(users), "user"),
        (events.item_rows, len(items), "item"),
        (events.types, len(events.type_names), "action"),
    ):
        if len(rows) and (int(rows.min()) < 0 or int(rows.max()) >= size):
            raise DataFileError(f"an interaction in {folder} points to a {what} that is not there")
    if np.any(np.diff(events.user_rows) < 0):
        raise DataFileError(f"the interactions in {folder} are not in the order of users")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
