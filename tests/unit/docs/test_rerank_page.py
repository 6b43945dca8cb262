import re
import subprocess
import sys
import tomllib
from pathlib import Path

from foretaste.models.bandits import bandit_class, bandit_names
from foretaste.rerank import reranker_class, reranker_names
from foretaste.serving.config import parse_pipeline
from foretaste.serving.exploration import ExplorationConfig

PAGE = (Path(__file__).parents[3] / "docs" / "serving" / "rerank.md").read_text(encoding="utf-8")
CODE = set(re.findall(r"`([\w.]+)`", PAGE))


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_pipeline_of_the_page_is_one():
    (example,) = blocks("toml")
    config = parse_pipeline(tomllib.loads(example))
    assert [step.kind for step in config.rerank] == ["mmr", "freshness"]
    assert config.scenario("email").exploration.share == 0
    assert config.scenario("app").exploration.ranks(10) == [2, 7]
    assert config.scenario("home").exploration == config.exploration


def test_the_example_of_the_page_runs():
    (example,) = blocks("python")
    assert "assert " in example
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_the_page_names_every_reranker_with_its_keys_and_their_defaults():
    assert set(reranker_names()) <= CODE
    for kind in reranker_names():
        fields = reranker_class(kind).config_class.model_fields
        assert set(fields) - {"kind"} <= CODE, kind
        for name in set(fields) & {"smoothing", "half_life_days", "slots", "younger_than_days", "significance"}:
            assert re.search(rf"`{name}` [^`]*\({fields[name].default:g}\)", PAGE), name


def test_the_page_names_every_key_of_exploration_and_every_policy_with_its_parameters():
    table = dict(re.findall(r"^\| `(\w+)` \| ([^|]*?) ?\|", PAGE, re.MULTILINE))
    for name, field in ExplorationConfig.model_fields.items():
        default = field.get_default(call_default_factory=True)
        assert table[name].strip(" `") == ("" if default in ((), {}) else str(default).removesuffix(".0")), name
    assert set(bandit_names()) <= CODE
    for name in bandit_names():
        assert set(bandit_class(name).config_class.model_fields) - {"n_features", "seed"} <= CODE, name
