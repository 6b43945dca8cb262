import re
from pathlib import Path

from foretaste.serving.config import load_pipeline
from foretaste.serving.training import check_models

PAGE = Path(__file__).parents[3] / "docs" / "serving" / "precompute.md"


def test_the_pipeline_of_the_page_is_one(tmp_path):
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "hybrid.toml"
    path.write_text(example, encoding="utf-8")
    pipeline = load_pipeline(path)
    check_models(pipeline)
    assert pipeline.precompute.k == 200
    assert [source.name for source in pipeline.sources] == ["precomputed", "item_knn"]
