"""Rules: what may be shown, what comes first, and how much of one kind; in a safe expression language."""

from foretaste.serving.rules.book import RuleBook
from foretaste.serving.rules.checking import check
from foretaste.serving.rules.compiled import CompiledRules, User
from foretaste.serving.rules.config import Rule, RuleSet
from foretaste.serving.rules.decision import (
    EXCLUDED,
    Cap,
    Decision,
    Room,
    broken,
    fitting,
    placed_pins,
    settled,
    still_open,
    with_pins,
)
from foretaste.serving.rules.evaluate import Evaluator, Situation
from foretaste.serving.rules.language import parse

__all__ = [
    "EXCLUDED",
    "Cap",
    "CompiledRules",
    "Decision",
    "Evaluator",
    "Room",
    "Rule",
    "RuleBook",
    "RuleSet",
    "Situation",
    "User",
    "broken",
    "check",
    "fitting",
    "parse",
    "placed_pins",
    "settled",
    "still_open",
    "with_pins",
]
