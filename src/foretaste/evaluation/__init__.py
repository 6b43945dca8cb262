"""Honest evaluation: splits, full-ranking metrics with intervals, and comparisons beside random and popular."""

from foretaste.evaluation.evaluator import Evaluation, Value, evaluate
from foretaste.evaluation.intervals import PairedTest, bootstrap, mean_intervals, paired_test
from foretaste.evaluation.runner import Comparison, Run, compare
from foretaste.evaluation.splits import Split, create_splitter, given_split, split_names

__all__ = [
    "Comparison",
    "Evaluation",
    "PairedTest",
    "Run",
    "Split",
    "Value",
    "bootstrap",
    "compare",
    "create_splitter",
    "evaluate",
    "given_split",
    "mean_intervals",
    "paired_test",
    "split_names",
]
