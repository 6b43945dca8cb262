import re
from pathlib import Path

from foretaste.models.factorization.ials import ImplicitALS
from foretaste.models.registry import create_model
from foretaste.serving.config import load_pipeline

PAGE = Path(__file__).parents[3] / "docs" / "serving" / "retrieval.md"


def test_the_pipeline_of_the_page_about_retrieval_makes_a_model_that_searches_so(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "large-shop.toml"
    path.write_text(example, encoding="utf-8")
    spec = load_pipeline(path).models["factors"]
    model = create_model(spec.kind, **spec.parameters)
    assert isinstance(model, ImplicitALS)
    assert model.config.retrieval == "auto"
