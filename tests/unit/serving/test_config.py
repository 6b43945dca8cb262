import pytest

from foretaste.errors import ConfigurationError
from foretaste.models import model_names
from foretaste.serving.config import ModelSpec, load_pipeline, packaged_pipelines, parse_pipeline

SMALL = {"models": {"popular": {"kind": "popular"}}}


@pytest.mark.parametrize("name", packaged_pipelines())
def test_each_packaged_pipeline_is_valid_and_survives_being_dumped(name):
    pipeline = load_pipeline(name)
    assert parse_pipeline(pipeline.dump()) == pipeline
    for spec in pipeline.models.values():
        assert spec.kind in model_names()


def test_the_shop_pipeline_takes_another_model_for_a_large_catalogue():
    spec = load_pipeline("shop").models["collaborative"]
    assert spec.chosen(1000).kind == "ease"
    assert spec.chosen(1000).parameters == {"regularization": 300.0}
    assert spec.chosen(100_000).kind == "ials"


def test_a_spec_without_an_alternative_is_taken_whatever_the_size():
    assert ModelSpec(kind="ease", max_items=10).chosen(11).kind == "ease"


def test_a_scenario_overrides_only_what_it_names():
    pipeline = parse_pipeline(
        SMALL
        | {"sources": [{"model": "popular"}], "scenarios": {"email": {"exclude_seen": False}, "empty": {"sources": []}}}
    )
    assert pipeline.scenario("email").sources == pipeline.sources
    assert pipeline.scenario("email").exclude_seen is False
    assert pipeline.scenario("empty").sources == ()
    assert pipeline.scenario("no such scenario").sources == pipeline.sources


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (SMALL | {"sources": [{"model": "ials"}]}, ["'ials'", "not among the models", "popular"]),
        (SMALL | {"fallback": {"chain": ["newest"]}}, ["'newest'"]),
        (SMALL | {"scenarios": {"home": {"ranking": {"model": "gbm"}}}}, ["'gbm'"]),
        (SMALL | {"sources": [{"model": "popular", "weight": 0}]}, ["sources.0.weight", "0"]),
        (SMALL | {"sources": [{"model": "popular", "k": 5000}]}, ["sources.0.k", "5000"]),
        (SMALL | {"merge": {"method": "magic"}}, ["merge.method", "magic"]),
        (SMALL | {"sorces": []}, ["sorces"]),
        ({"models": {}}, ["models"]),
        ({}, ["models"]),
    ],
)
def test_a_wrong_pipeline_is_refused_with_the_place_and_the_value(values, words):
    with pytest.raises(ConfigurationError) as caught:
        parse_pipeline(values)
    for word in words:
        assert word in str(caught.value)


def test_a_missing_file_names_the_packaged_pipelines(tmp_path):
    with pytest.raises(ConfigurationError, match="shop"):
        load_pipeline(tmp_path / "none.toml")


def test_a_broken_file_says_where(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("[models\n")
    with pytest.raises(ConfigurationError, match="line 1"):
        load_pipeline(path)


def test_a_file_of_ones_own_is_read(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('[models.best]\nkind = "popular"\nwindow_days = 30\n')
    assert load_pipeline(path).models["best"].parameters == {"window_days": 30}


def test_a_source_is_a_model_or_a_kind_with_its_own_parameters():
    sources = parse_pipeline(SMALL | {"sources": [{"model": "popular"}, {"kind": "catalogue", "label": "new"}]}).sources
    assert [(source.name, source.parameters) for source in sources] == [("popular", {}), ("new", {})]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"weight": 1.0}, ["a model or a kind"]),
        ({"model": "popular", "kind": "catalogue"}, ["a model or a kind"]),
        ({"kind": "oracle"}, ["'oracle'", "catalogue"]),
        ({"model": "popular", "wieght": 2}, ["'wieght'"]),
    ],
)
def test_a_wrong_source_is_refused_with_what_is_wrong(source, words):
    with pytest.raises(ConfigurationError) as caught:
        parse_pipeline(SMALL | {"sources": [source]})
    for word in words:
        assert word in str(caught.value)


def test_two_sources_need_two_names():
    with pytest.raises(ConfigurationError, match="named twice"):
        parse_pipeline(SMALL | {"sources": [{"model": "popular"}, {"model": "popular"}]})
    elsewhere = {"scenarios": {"home": {"sources": [{"kind": "catalogue", "label": "popular"}]}}}
    with pytest.raises(ConfigurationError, match="give each a label"):
        parse_pipeline(SMALL | {"sources": [{"model": "popular"}]} | elsewhere)


def test_the_pool_is_a_hundred_or_five_lists_but_never_shorter_than_the_list():
    scenario = parse_pipeline(SMALL).scenario("home")
    assert [scenario.pool_for(k) for k in (10, 50, 1000)] == [100, 250, 1000]
    assert [parse_pipeline(SMALL | {"pool": 30}).scenario("home").pool_for(k) for k in (10, 50)] == [30, 50]
