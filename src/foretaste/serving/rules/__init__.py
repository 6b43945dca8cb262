"""Rules: what may be shown, what comes first, and how much of one kind; in a safe expression language."""

from foretaste.serving.rules.checking import check
from foretaste.serving.rules.compiled import CompiledRules, User
from foretaste.serving.rules.config import Rule, RuleSet
from foretaste.serving.rules.decision import Cap, Decision, broken, settled, still_open
from foretaste.serving.rules.evaluate import Evaluator, Situation
from foretaste.serving.rules.language import parse

__all__ = [
    "Cap",
    "CompiledRules",
    "Decision",
    "Evaluator",
    "Rule",
    "RuleSet",
    "Situation",
    "User",
    "broken",
    "check",
    "parse",
    "settled",
    "still_open",
]
