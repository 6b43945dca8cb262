"""Public names: what is promised is there, and importing the package costs next to nothing."""

import importlib
import subprocess
import sys

import pytest

import foretaste

HOMES = ["foretaste", "foretaste.data", "foretaste.data.sampling", "foretaste.events",
         "foretaste.features", "foretaste.models", "foretaste.testing"]  # fmt: skip


@pytest.mark.parametrize("home", HOMES)
def test_every_public_name_exists_and_they_are_in_order(home: str) -> None:
    module = importlib.import_module(home)
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_a_star_import_gives_exactly_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from foretaste import *", names)
    assert set(names) - {"__builtins__"} == set(foretaste.__all__)
    assert sorted(foretaste.__all__) == dir(foretaste)


def test_lazy_names_are_the_objects_of_their_homes() -> None:
    from foretaste.data import Dataset
    from foretaste.models import load_model

    assert foretaste.Dataset is Dataset
    assert foretaste.load_model is load_model


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = foretaste.nonsense
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = importlib.import_module("foretaste.testing").nonsense


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_imports_no_heavy_library() -> None:
    loaded = modules_after("import foretaste, foretaste.errors")
    assert not loaded & {"numpy", "polars", "scipy", "numba", "sklearn", "pydantic", "sqlalchemy", "fastapi"}


def test_the_models_are_imported_without_compiler_and_server() -> None:
    loaded = modules_after("import foretaste.models")
    assert "numpy" in loaded
    assert not loaded & {"numba", "sklearn", "matplotlib", "pandas", "pyarrow", "sqlalchemy", "fastapi"}


def test_the_sample_shop_needs_no_models() -> None:
    loaded = modules_after("import foretaste.data.sampling")
    assert not {name for name in loaded if name.startswith(("foretaste.models", "numba", "scipy.stats"))}
