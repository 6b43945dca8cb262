"""Queries: what can be asked, and what is refused at once."""

from collections.abc import Callable

import numpy as np
import pytest

from foretaste.data import MAX_K, Query
from foretaste.errors import ConfigurationError


@pytest.mark.parametrize("k", [0, -1, MAX_K + 1, 10**30, True, 2.5, "5", None])
def test_a_length_out_of_range_is_refused_with_its_value(k: object) -> None:
    with pytest.raises(ConfigurationError, match="out of range") as caught:
        Query(user_id="u", k=k)  # type: ignore[arg-type]
    assert repr(k) in str(caught.value)


@pytest.mark.parametrize("k", [1, MAX_K, np.int64(7)])
def test_a_length_in_range_is_taken(k: int) -> None:
    assert Query(k=k).k == k


@pytest.mark.parametrize(
    "make",
    [
        lambda: Query(history=["a"], history_weights=[1.0, 2.0]),
        lambda: Query(history_weights=[1.0]),
        lambda: Query(history=["a", "b"], history_timestamps=[1.0]),
        lambda: Query(history=[], history_timestamps=[1.0]),
    ],
)
def test_weights_and_times_must_fit_the_history(make: Callable[[], Query]) -> None:
    with pytest.raises(ConfigurationError, match="one value for each item"):
        make()


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_a_weight_that_is_not_finite_is_refused(weight: float) -> None:
    with pytest.raises(ConfigurationError, match="finite"):
        Query(history=["a"], history_weights=[weight])


def test_an_unknown_time_is_allowed() -> None:
    assert Query(history=["a"], history_timestamps=[float("nan")]).history == ["a"]


def test_one_text_is_no_list_of_items() -> None:
    with pytest.raises(ConfigurationError, match="not one text"):
        Query(history="abc")
    with pytest.raises(ConfigurationError, match="not one text"):
        Query(exclude="abc")  # type: ignore[arg-type]


def test_a_query_does_not_change() -> None:
    with pytest.raises(AttributeError):
        Query().k = 5  # type: ignore[misc]
