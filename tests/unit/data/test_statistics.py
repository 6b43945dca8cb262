"""Figures of a data set, checked by hand."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretaste.data import build_dataset, describe
from foretaste.data.statistics import gini


def test_figures_of_a_small_data_set_are_those_by_hand() -> None:
    data = build_dataset(
        {
            "user_id": ["a", "a", "a", "b"],
            "item_id": ["x", "y", "z", "x"],
            "rating": [5, 4, 3, 4],
            "timestamp": [0, 86_400, 43_200, 864_000],
        },
        users={"user_id": ["a", "b", "c"]},
        items={"item_id": ["x", "y", "z", "w", "v"], "genre": ["g", "h", "g", "h", "g"]},
    )
    facts = describe(data)
    assert (facts.n_users, facts.n_items, facts.n_interactions, facts.n_pairs) == (3, 5, 4, 4)
    assert facts.density == pytest.approx(4 / 15)
    assert (facts.n_cold_users, facts.n_cold_items) == (1, 2)
    assert facts.interactions_per_user["mean"] == 2.0
    assert facts.interactions_per_user["100%"] == 3.0
    assert facts.top_items_share == {"1%": 0.5, "10%": 0.5, "20%": 0.5}
    assert (facts.first_time, facts.last_time, facts.days) == ("1970-01-01T00:00:00Z", "1970-01-11T00:00:00Z", 10.0)
    assert facts.actions == {"rating": 4}
    assert facts.ratings == {"3": 1, "4": 2, "5": 1}
    assert facts.mean_rating == 4.0
    assert json.loads(json.dumps(facts.to_dict()))["item_features"] == {"genre": "categorical"}
    text = facts.to_text()
    assert "density 26.6667%" in text
    assert "4: 2" in text


def test_unknown_times_and_implicit_data_have_no_invented_figures() -> None:
    facts = describe(build_dataset({"user_id": ["a"], "item_id": ["x"]}))
    assert (facts.first_time, facts.days, facts.ratings, facts.mean_rating) == (None, None, None, None)
    assert "time: unknown" in facts.to_text()


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30))
def test_gini_is_half_the_relative_mean_difference(counts) -> None:
    values = np.array(counts)
    mean = values.mean()
    expected = np.abs(values[:, None] - values[None, :]).mean() / (2 * mean) if mean else 0.0
    assert gini(values) == pytest.approx(expected)
