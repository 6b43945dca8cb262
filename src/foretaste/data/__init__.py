"""From events and files to a data set; the query and the list that all stages speak."""

from foretaste.data.builder import DatasetBuilder, build_dataset
from foretaste.data.dataset import Dataset, DuplicatesPolicy, FeatureType, Interactions, Population
from foretaste.data.folder import load_dataset, save_dataset
from foretaste.data.growth import Growth, grown
from foretaste.data.histories import Histories, Values
from foretaste.data.intake.columns import ColumnMap
from foretaste.data.intake.config import BuildConfig
from foretaste.data.query import MAX_K, Query
from foretaste.data.readers import Loaded, format_names, read_dataset, read_split
from foretaste.data.reclist import Reason, RecList, RecLists
from foretaste.data.report import BuildReport
from foretaste.data.statistics import DatasetStatistics, describe
from foretaste.data.vocabulary import UNKNOWN_ROW, Vocabulary
from foretaste.data.weights import ActionWeights

__all__ = [
    "MAX_K",
    "UNKNOWN_ROW",
    "ActionWeights",
    "BuildConfig",
    "BuildReport",
    "ColumnMap",
    "Dataset",
    "DatasetBuilder",
    "DatasetStatistics",
    "DuplicatesPolicy",
    "FeatureType",
    "Growth",
    "Histories",
    "Interactions",
    "Loaded",
    "Population",
    "Query",
    "Reason",
    "RecList",
    "RecLists",
    "Values",
    "Vocabulary",
    "build_dataset",
    "describe",
    "format_names",
    "grown",
    "load_dataset",
    "read_dataset",
    "read_split",
    "save_dataset",
]
