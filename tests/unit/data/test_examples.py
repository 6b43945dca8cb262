"""The examples in the documentation of the data modules give what they say."""

import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize("name", ["builder", "weights", "vocabulary"])
def test_examples_give_what_they_say(name) -> None:
    result = doctest.testmod(import_module(f"foretaste.data.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
