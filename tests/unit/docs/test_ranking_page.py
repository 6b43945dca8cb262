"""The page about ranking: its example is a pipeline, and every feature is in its table."""

import re
from pathlib import Path

from foretaste.serving.config import load_pipeline
from foretaste.serving.ranking_config import RANKING_FEATURES

PAGE = Path(__file__).parents[3] / "docs" / "serving" / "ranking.md"


def test_the_example_is_a_pipeline_that_ranks_by_features(tmp_path):
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "by-features.toml"
    path.write_text(example, encoding="utf-8")
    ranking = load_pipeline(path).ranking
    assert ranking is not None
    assert len(ranking.weights) == 7


def test_every_feature_is_in_the_table():
    names = set(re.findall(r"^\| `([a-z]+)[.A-Z]*` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert names == {*RANKING_FEATURES, "score", "rank", "affinity", "context"}
