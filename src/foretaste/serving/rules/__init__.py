"""Rules: what may be shown, what comes first, and how much of one kind; in a safe expression language."""

from foretaste.serving.rules.checking import check
from foretaste.serving.rules.evaluate import Evaluator, Situation
from foretaste.serving.rules.language import parse

__all__ = ["Evaluator", "Situation", "check", "parse"]
