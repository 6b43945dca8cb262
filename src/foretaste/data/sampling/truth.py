"""What a sample's users really like, kept beside the data so that a test can check whether a model finds it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from foretaste.errors import DataFileError

FOLDER = "ground_truth"
FILE = "factors.safetensors"


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """The hidden tastes that made the data. Rows are those of ``users.parquet`` and ``items.parquet``."""

    user_factors: npt.NDArray[np.float32]  # (U, F) unit vectors
    item_factors: npt.NDArray[np.float32]  # (I, F) unit vectors
    item_popularity: npt.NDArray[np.float64]  # (I,) r^-s, before drift and season

    def true_affinity(
        self, user_rows: npt.NDArray[np.integer], item_rows: npt.NDArray[np.integer]
    ) -> npt.NDArray[np.float32]:
        """How much each user likes the item beside it (N,): a cosine in [-1, 1], popularity apart."""
        return np.asarray(
            np.einsum("nf,nf->n", self.user_factors[user_rows], self.item_factors[item_rows]), dtype=np.float32
        )

    def affinities_of(self, user_row: int) -> npt.NDArray[np.float32]:
        """How much one user likes every item (I,)."""
        return np.asarray(self.item_factors @ self.user_factors[user_row], dtype=np.float32)

    def save(self, folder: Path | str) -> None:
        """Write into ``ground_truth/`` of a sample's folder."""
        place = Path(folder) / FOLDER
        place.mkdir(parents=True, exist_ok=True)
        arrays = {
            "user_factors": self.user_factors,
            "item_factors": self.item_factors,
            "item_popularity": self.item_popularity,
        }
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, place / FILE)

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """The ground truth of the sample in ``folder``.

        Raises:
            DataFileError: missing or damaged.
        """
        path = Path(folder) / FOLDER / FILE
        try:
            arrays = load_file(path)
            truth = cls(arrays["user_factors"], arrays["item_factors"], arrays["item_popularity"])
        except (OSError, SafetensorError, KeyError, ValueError, json.JSONDecodeError) as exc:
            raise DataFileError(
                f"{path} holds no readable ground truth: {exc}", hint="write the sample again with write_sample"
            ) from exc
        users, items = truth.user_factors, truth.item_factors
        if users.ndim != 2 or items.ndim != 2 or users.shape[1] != items.shape[1]:
            raise DataFileError(f"{path}: factors of shape {users.shape} and {items.shape} do not fit together")
        return truth
