import re
import tomllib
from pathlib import Path

from foretaste.models import model_class, model_names
from foretaste.serving.config import parse_pipeline
from foretaste.serving.live.groups import LIVE_KINDS, CountersConfig
from foretaste.serving.live.updates_config import UpdatesConfig

PAGE = (Path(__file__).parents[3] / "docs" / "serving" / "live-events.md").read_text(encoding="utf-8")
PIPELINES = [parse_pipeline(tomllib.loads(found)) for found in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)]


def test_the_pipelines_of_the_page_are_pipelines():
    assert PIPELINES[0].uses_counters
    assert PIPELINES[0].counters.attributes == ("age", "country")
    assert PIPELINES[1].updates == UpdatesConfig(every_s=60, most_events=200_000)


def test_the_page_names_every_kind_and_every_setting():
    words = set(re.findall(r"\w+", PAGE))
    assert set(LIVE_KINDS) <= words
    assert {*CountersConfig.model_fields, *UpdatesConfig.model_fields} <= words


def test_the_page_names_every_model_that_learns_in_part():
    (named,) = re.findall(r"that can \((.*?)\)", PAGE, re.DOTALL)
    assert set(re.findall(r"`(\w+)`", named)) == {n for n in model_names() if model_class(n).updates_in_part}
