"""From a data set to numbers: features of users, items, pairs and moments."""

from foretaste.features.columns import Column, ColumnOptions
from foretaste.features.encoders import PLAIN, FeatureEncoder
from foretaste.features.tables import Side, feature_table, has_features

__all__ = ["PLAIN", "Column", "ColumnOptions", "FeatureEncoder", "Side", "feature_table", "has_features"]
