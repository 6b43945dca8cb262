"""The registry: names to classes, also those of other packages, and clear words when it cannot."""

import sys
import types
from collections.abc import Iterator

import pytest

from foretaste.errors import ConfigurationError, UnknownNameError, UnknownParameterError
from foretaste.models import Recommender, create_model, model_class, model_names, registry
from foretaste.models.baselines.popular import Popular


@pytest.fixture
def third_party(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    targets: dict[str, str] = {}
    monkeypatch.setattr(registry, "_third_party", lambda: targets)
    model_class.cache_clear()  # type: ignore[attr-defined]
    yield targets
    model_class.cache_clear()  # type: ignore[attr-defined]


@pytest.fixture
def other_package(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType("other_package")
    monkeypatch.setitem(sys.modules, "other_package", module)
    return module


@pytest.mark.parametrize("name", sorted(registry.BUILT_IN))
def test_every_built_in_name_leads_to_a_class_of_that_name(name: str) -> None:
    found = model_class(name)
    assert issubclass(found, Recommender)
    assert found.name == name
    assert isinstance(create_model(name), found)


def test_names_are_sorted_and_include_our_own() -> None:
    assert model_names() == sorted(model_names())
    assert set(registry.BUILT_IN) <= set(model_names())


def test_parameters_reach_the_config() -> None:
    assert create_model("popular", values="weight").config.values == "weight"


def test_a_misspelt_name_gets_a_suggestion_and_the_list() -> None:
    with pytest.raises(UnknownNameError, match=r"no model 'populer'; did you mean 'popular'\? .*item_knn"):
        create_model("populer")


@pytest.mark.parametrize("name", ["", "../popular", "foretaste.models.base:Recommender", "os:system", None, 5])
def test_only_registered_names_are_imported(name: str) -> None:
    with pytest.raises(UnknownNameError, match="there is no model"):
        create_model(name)


def test_an_unknown_parameter_is_refused_with_the_valid_ones() -> None:
    with pytest.raises(UnknownParameterError, match=r"'windows'.*values, window_days"):
        create_model("popular", windows=3)


@pytest.mark.parametrize(("parameters", "said"), [
    ({"values": "many"}, "values = 'many'"),
    ({"window_days": -1}, "window_days = -1"),
    ({"window_days": float("nan")}, "window_days"),
])  # fmt: skip
def test_a_wrong_value_is_refused_with_its_name(parameters: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        create_model("popular", **parameters)


def test_another_package_can_bring_a_model(third_party: dict[str, str], other_package: types.ModuleType) -> None:
    class Mine(Popular):
        """The most popular, under another name."""

        name = "mine"

    other_package.Mine = Mine  # type: ignore[attr-defined]
    third_party["mine"] = "other_package:Mine"
    assert isinstance(create_model("mine"), Mine)
    assert "mine" in model_names()


def test_another_package_cannot_take_over_our_names(
    third_party: dict[str, str], other_package: types.ModuleType
) -> None:
    third_party["popular"] = "other_package:Anything"
    assert model_class("popular") is Popular


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("other_package:NotThere", "not a Recommender class"),
        ("other_package:Plain", "not a Recommender class"),
        ("other_package", "not a Recommender class"),
        ("no_such_package_anywhere:Model", "cannot be imported"),
        ("foretaste.models.baselines.popular:Popular", "calls itself 'popular'"),
    ],
)
def test_a_bad_registration_is_named(
    third_party: dict[str, str], other_package: types.ModuleType, target: str, said: str
) -> None:
    other_package.Plain = dict  # type: ignore[attr-defined]
    third_party["mine"] = target
    with pytest.raises(ConfigurationError, match=said):
        create_model("mine")
