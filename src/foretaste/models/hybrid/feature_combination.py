"""Item features as more users: a collaborative model that also learns what items have in common."""

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field, PositiveFloat, PositiveInt
from scipy import sparse

from foretaste.data import Dataset, FeatureType, Histories, Interactions, Population, Reason, Vocabulary
from foretaste.data.feature_types import infer_features
from foretaste.models.base import FloatBlock, ModelConfig, Recommender, Rows, UserBatch
from foretaste.models.hybrid.base import HybridBase, HybridPart
from foretaste.models.registry import model_class
from foretaste.models.state import State

_MARK = "\x1e"
"""Stands before the ids of attributes among those of users."""


class FeatureCombinationConfig(ModelConfig):
    """Settings of :class:`FeatureCombination`."""

    part: HybridPart = HybridPart(model="item_knn", parameters={"values": "weight"})
    """The model that learns from users and attributes alike. Where it has a setting ``values`` it should say
    ``weight``, or attributes count as much as users do whatever ``feature_weight`` is."""
    columns: tuple[str, ...] | None = None
    """Item columns to use; None for all categories, lists and texts."""
    feature_weight: PositiveFloat = 0.5
    """What an attribute says about an item, next to a user's interaction of weight 1."""
    min_items: int = Field(default=2, ge=1)
    """Fewest items with an attribute: one that a single item has tells nothing about others."""
    max_share: float = Field(default=0.5, gt=0.0, le=1.0)
    """Largest share of the items: what most of them have tells nothing either."""
    max_attributes: PositiveInt = 20_000
    """Most attributes, those of the most items first."""
    values: Literal["binary", "weight"] = "binary"
    """Every interaction counts 1, or by its weight."""


class FeatureCombination(HybridBase):
    """Fits another model on the user-item matrix with the items' attributes as rows of their own below the users'.

    X' = [X; w·T] with T attributes × items: «everybody who likes wool» is one more user of weight w, who took all
    that is made of wool. So an item-item model sees items that share attributes as taken together, and an item that
    nobody took has neighbours. Attributes are the values of category and list columns and the words of text columns.
    Without features it is the model alone.

    Source: the «feature combination» of Burke 2002, doi:10.1023/A:1021240730564; with EASE it is the collective EASE of
    Jeunen, Van Balen and Goethals 2020, doi:10.1145/3383313.3418480.
    Cost: that of the model with as many more users as there are attributes.
    """

    name = "feature_combination"
    config_class = FeatureCombinationConfig
    state_fields = ("attribute_text", "attribute_offsets", "attributes")
    scores_new_items = True

    def _part_specs(self) -> tuple[HybridPart, ...]:
        return (self.config.part,)

    def _flags(self, models: tuple[Recommender, ...]) -> dict[str, bool]:
        return super()._flags(models) | {
            "scores_new_items": True,
            "updates_incrementally": False,
            "explains_exactly": models[0].explains_exactly,
        }

    def _fit(self, data: Dataset) -> None:
        names, table = _attributes(data, self.config)
        self.attribute_text, self.attribute_offsets = Vocabulary(names).arrays()
        self.attributes = table  # (A, I)
        self.models[0].fit(self._widened(data), on_progress=self._report)

    def _names(self) -> list[str]:
        return Vocabulary.from_arrays(self.attribute_text, self.attribute_offsets).ids.to_list()

    def _widened(self, data: Dataset) -> Dataset:
        """The data set with one more user for each attribute; frames of users and links stay behind."""
        events, table = data.interactions, self.attributes
        n, at = table.nnz, np.repeat(np.arange(table.shape[0]), np.diff(table.indptr))
        last = np.nanmax(events.timestamps) if np.isfinite(events.timestamps).any() else np.nan
        joined = Interactions(
            np.concatenate([events.user_rows, (data.n_users + at).astype(np.int32)]),
            np.concatenate([events.item_rows, table.indices.astype(np.int32)]),
            np.concatenate([self._counted(events.weights), table.data.astype(np.float32)]),
            np.concatenate([events.timestamps, np.full(n, last)]),
            np.concatenate([events.types, np.zeros(n, dtype=events.types.dtype)]),
            events.type_names,
        )
        users = data.users.extended(self._names())
        return replace(
            data, users=users, interactions=joined, user_frame=None, user_features={}, links=None,
            duplicates="last" if self.config.values == "binary" else data.duplicates,
        )  # fmt: skip

    def _counted(self, weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return weights if self.config.values == "weight" else (weights > 0).astype(np.float32)

    # --- saving ------------------------------------------------------------------------------------------------------

    def _restore_parts(self, parts: dict[str, State]) -> None:
        self._check_names(parts)
        state = parts["part0"]
        self._use([model_class(state.kind).from_state(state, self._wide_population())])

    def _wide_population(self) -> Population:
        known, table = self.population, self.attributes
        own, n = known.histories, table.nnz
        histories = Histories(
            np.concatenate([own.indptr, own.indptr[-1] + table.indptr[1:].astype(np.int64)]),
            np.concatenate([own.item_rows, table.indices.astype(np.int32)]),
            np.concatenate([self._counted(own.weights), table.data.astype(np.float32)]),
            np.concatenate([own.timestamps, np.full(n, np.nan)]),
            own.n_items,
        )
        duplicates = "last" if self.config.values == "binary" else known.duplicates
        return Population(known.users.extended(self._names()), known.items, histories, duplicates, known.is_explicit)

    # --- scoring -----------------------------------------------------------------------------------------------------

    def _inner(self, batch: UserBatch) -> UserBatch:
        weights, importance = self._counted(batch.histories.weights), batch.histories.importance
        if importance is not None:
            weights = weights * importance
        histories = replace(batch.histories, weights=weights, importance=None)
        return UserBatch(batch.rows, histories, batch.folded)

    def _scores(self, batch: UserBatch) -> FloatBlock:
        return self._part_scores(self.models[0], self._inner(batch))

    def _item_similarity(self, rows: Rows) -> FloatBlock:
        return self.models[0]._item_similarity(rows)

    def _contributions(self, batch: UserBatch, item_rows: Rows) -> npt.NDArray[np.floating] | None:
        return self.models[0]._contributions(self._inner(batch), item_rows)

    def _reasons_of_one(self, batch: UserBatch, item_rows: Rows) -> tuple[Reason | None, ...]:
        return self.models[0]._reasons_of_one(self._inner(batch), item_rows)


def _attributes(data: Dataset, config: FeatureCombinationConfig) -> tuple[list[str], sparse.csr_array]:
    """Names of attributes and which items have them, (A, I) of ``feature_weight``."""
    found: dict[str, npt.NDArray[np.integer[Any]]] = {}
    frame = data.item_frame
    if frame is not None and frame.width > 1:
        columns = [name for name in config.columns or frame.columns if name in frame.columns and name != "item_id"]
        declared = {name: kind for name, kind in data.item_features.items() if name in columns}
        typed, kinds = infer_features(frame.select(["item_id", *columns]), declared, skip="item_id")
        for name, kind in kinds.items():
            found |= _values(name, typed[name], kind)
    most = config.max_share * data.n_items
    kept = [(name, items) for name, items in found.items() if config.min_items <= len(items) <= most]
    kept.sort(key=lambda pair: (-len(pair[1]), pair[0]))
    kept = kept[: config.max_attributes]
    counts = np.array([len(items) for _, items in kept], dtype=np.int64)
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]).astype(np.int64)
    items = np.concatenate([items for _, items in kept]) if kept else np.zeros(0, np.int64)
    weights = np.full(len(items), config.feature_weight, dtype=np.float32)
    table = sparse.csr_array((weights, items.astype(np.int64), indptr), shape=(len(kept), data.n_items))
    return [name for name, _ in kept], table


def _values(column: str, values: pl.Series, kind: FeatureType) -> dict[str, npt.NDArray[np.integer[Any]]]:
    """For each value of a column the items that have it, ascending; nothing for numbers and dates."""
    if kind not in {"categorical", "list", "text"}:
        return {}
    table = pl.DataFrame({"item": np.arange(len(values)), "value": values})
    if kind == "text":
        table = table.with_columns(pl.col("value").cast(pl.String).str.to_lowercase().str.extract_all(r"\w{2,}"))
    if kind != "categorical":
        table = table.explode("value")
    table = table.drop_nulls().with_columns(pl.col("value").cast(pl.String)).unique().sort("value", "item")
    grouped = table.group_by("value", maintain_order=True).agg("item")
    return {
        f"{_MARK}{column}: {value}": np.asarray(items, dtype=np.int64)
        for value, items in zip(grouped["value"].to_list(), grouped["item"].to_list(), strict=True)
    }
