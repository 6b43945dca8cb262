"""From events and files to a data set; the query and the list that all stages speak."""

from foretaste.data.dataset import Dataset, DuplicatesPolicy, FeatureType, Interactions, Population
from foretaste.data.histories import Histories, Values
from foretaste.data.query import MAX_K, Query
from foretaste.data.reclist import Reason, RecList, RecLists
from foretaste.data.vocabulary import UNKNOWN_ROW, Vocabulary

__all__ = [
    "MAX_K",
    "UNKNOWN_ROW",
    "Dataset",
    "DuplicatesPolicy",
    "FeatureType",
    "Histories",
    "Interactions",
    "Population",
    "Query",
    "Reason",
    "RecList",
    "RecLists",
    "Values",
    "Vocabulary",
]
