"""Train and test: how a data set is divided so that judging is fair."""

from foretaste.evaluation.splits.base import Split, Splitter
from foretaste.evaluation.splits.cold import ColdItems, ColdUsers
from foretaste.evaluation.splits.folds import KFold, k_folds
from foretaste.evaluation.splits.given import given_split
from foretaste.evaluation.splits.leakage import Leakage, check_leakage
from foretaste.evaluation.splits.per_user import LeaveLast, LeaveOneOut, RandomShare
from foretaste.evaluation.splits.registry import create_splitter, split_names
from foretaste.evaluation.splits.temporal import GlobalTime

__all__ = [
    "ColdItems",
    "ColdUsers",
    "GlobalTime",
    "KFold",
    "Leakage",
    "LeaveLast",
    "LeaveOneOut",
    "RandomShare",
    "Split",
    "Splitter",
    "check_leakage",
    "create_splitter",
    "given_split",
    "k_folds",
    "split_names",
]
