"""From a data set to numbers: features of users, items, pairs and moments."""

from foretaste.features.columns import Column, ColumnOptions
from foretaste.features.context import context_table, session_table
from foretaste.features.encoders import PLAIN, FeatureEncoder
from foretaste.features.items import item_table
from foretaste.features.pairs import co_occurrence, transitions
from foretaste.features.tables import Side, feature_table, has_features
from foretaste.features.users import user_table

__all__ = [
    "PLAIN",
    "Column",
    "ColumnOptions",
    "FeatureEncoder",
    "Side",
    "co_occurrence",
    "context_table",
    "feature_table",
    "has_features",
    "item_table",
    "session_table",
    "transitions",
    "user_table",
]
