import re
import tomllib
from pathlib import Path

from foretaste.serving.config import parse_pipeline
from foretaste.serving.live.groups import LIVE_KINDS, CountersConfig

PAGE = (Path(__file__).parents[3] / "docs" / "serving" / "live-events.md").read_text(encoding="utf-8")
PIPELINES = [parse_pipeline(tomllib.loads(found)) for found in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)]


def test_the_pipelines_of_the_page_are_pipelines():
    assert PIPELINES[0].uses_counters
    assert PIPELINES[0].counters.attributes == ("age", "country")


def test_the_page_names_every_kind_and_every_setting():
    words = set(re.findall(r"\w+", PAGE))
    assert set(LIVE_KINDS) <= words
    assert set(CountersConfig.model_fields) <= words
