import re
import tomllib
from pathlib import Path

from foretaste.serving.rules import RuleSet
from foretaste.serving.rules.config import POLICIES, AnyRule
from foretaste.serving.rules.functions import FUNCTIONS

PAGE = (Path(__file__).parents[3] / "docs" / "serving" / "rules.md").read_text(encoding="utf-8")
CODE = set(re.findall(r"`(\w+)[(`]", PAGE))


def test_the_rules_of_the_page_are_rules():
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    rules = RuleSet.parse(tomllib.loads(example)).rules
    assert [rule.name for rule in rules][2] == "campaign"
    assert len(rules) == 6


def test_the_page_names_every_kind_and_every_function():
    kinds = {rule.model_fields["kind"].annotation.__args__[0] for rule in AnyRule.__origin__.__args__}
    assert {"filter", "cap"} < kinds
    assert {policy.kind for policy in POLICIES} < kinds
    assert kinds <= CODE
    assert set(FUNCTIONS) <= CODE
