"""Popularity against counts made by hand."""

import numpy as np
import polars as pl
import pytest

from foretaste.data import Dataset, Interactions, Query, Vocabulary
from foretaste.errors import ConfigurationError, DataFormatError, DataInsufficientError, NotFoundError
from foretaste.models.baselines.popular import Popular

DAY = 86_400.0


def make_data(rows, items, *, frame=None, kinds=None):
    """Rows are (user number, item id, weight, day)."""
    vocabulary = Vocabulary(items)
    n_users = max(row[0] for row in rows) + 1
    interactions = Interactions(
        np.array([row[0] for row in rows], dtype=np.int32),
        vocabulary.rows([row[1] for row in rows]),
        np.array([row[2] for row in rows], dtype=np.float32),
        np.array([row[3] * DAY for row in rows], dtype=np.float64),
        np.zeros(len(rows), dtype=np.uint8),
    ).sorted()
    return Dataset(
        Vocabulary([f"u{n}" for n in range(n_users)]),
        vocabulary,
        interactions,
        item_frame=frame,
        item_features=kinds or {},
    )


def test_a_user_who_comes_back_counts_once():
    data = make_data([(0, "a", 1, 0), (0, "a", 1, 1), (0, "a", 1, 2), (1, "b", 1, 0), (2, "b", 1, 0)], "ab")
    assert Popular().fit(data).recommend(k=2, exclude_seen=False)[0].item_ids == ("b", "a")


def test_weights_are_added_up_on_request():
    data = make_data([(0, "a", 5, 0), (1, "b", 1, 0), (2, "b", 1, 0)], "ab")
    best = Popular(values="weight").fit(data).recommend(["u0"], k=2, exclude_seen=False)[0]
    assert list(best) == [("a", 5.0), ("b", 2.0)]


def test_the_window_ends_at_the_newest_interaction_and_forgets_the_rest():
    data = make_data([(0, "old", 1, 0), (1, "old", 1, 1), (2, "new", 1, 99), (3, "new", 0, 99.5)], ["old", "new"])
    model = Popular(window_days=7).fit(data)
    assert list(model.recommend(["u0"], exclude_seen=False)[0]) == [("new", 1.0)]


def test_a_window_over_data_without_times_is_refused():
    data = make_data([(0, "a", 1, float("nan"))], "a")
    with pytest.raises(DataInsufficientError, match="timestamp"):
        Popular(window_days=7).fit(data)


def grouped():
    frame = pl.DataFrame({"item_id": list("abcdef"), "category": ["x", "x", "y", "y", None, "z"]})
    rows = [(0, "a", 1, 0), (1, "a", 1, 0), (2, "a", 1, 0), (0, "b", 1, 0), (1, "c", 1, 0), (3, "c", 1, 0)]
    rows += [(3, "d", 1, 0), (4, "e", 1, 0)]
    return make_data(rows, "abcdef", frame=frame, kinds={"category": "categorical"})


def test_scores_per_category_are_the_share_of_taste_times_the_share_within_the_category():
    model = Popular(per="category", prior=0).fit(grouped())
    best = model.recommend([Query(history=["a", "b", "d"], exclude_seen=False)], k=6)[0]
    # taken of x: a 3, b 1; of y: c 2, d 1; the history is x, x, y
    expected = {"a": 2 / 3 * 3 / 4, "b": 2 / 3 * 1 / 4, "c": 1 / 3 * 2 / 3, "d": 1 / 3 * 1 / 3}
    assert dict(best) == pytest.approx(expected, abs=1e-6)
    assert best.item_ids[0] == "a"


def test_a_prior_lets_other_categories_follow_at_the_end():
    best = Popular(per="category", prior=0.5).fit(grouped()).recommend([Query(history=["d"], exclude_seen=False)])[0]
    assert set(best.item_ids[:2]) == {"c", "d"}
    assert set(best.item_ids) == {"a", "b", "c", "d", "e"}  # f was taken by nobody


def test_without_a_history_categories_give_plain_popularity():
    plain = Popular().fit(grouped()).recommend([Query()], k=6)[0]
    mixed = Popular(per="category").fit(grouped()).recommend([Query()], k=6)[0]
    assert mixed.item_ids == plain.item_ids
    assert mixed.scores == pytest.approx([count / 8 for count in plain.scores], abs=1e-6)


def test_one_category_can_be_asked_for():
    model = Popular(per="category").fit(grouped())
    best = model.by_category("y", 5)
    assert list(best) == [("c", 2.0), ("d", 1.0)]
    assert best.reasons[0].features == ("category: y",)
    assert len(model.by_category("z")) == 0
    with pytest.raises(NotFoundError, match="'w'"):
        model.by_category("w")
    with pytest.raises(ConfigurationError, match="categories"):
        Popular().fit(grouped()).by_category("y")


def test_an_item_with_several_tags_is_popular_in_each():
    frame = pl.DataFrame({"item_id": ["a", "b", "c"], "tags": ["red|big", "red|small", "small|big"]})
    data = make_data([(0, "a", 1, 0), (1, "b", 1, 0), (2, "b", 1, 0)], "abc", frame=frame, kinds={"tags": "list"})
    with pytest.raises(ConfigurationError, match="k = 0"):
        Popular(per="tags").fit(data).by_category("red", 0)
    inferred = make_data([(0, "a", 1, 0), (1, "b", 1, 0), (2, "b", 1, 0)], "abc", frame=frame)
    model = Popular(per="tags").fit(inferred)
    assert list(model.by_category("red")) == [("b", 2.0), ("a", 1.0)]
    assert list(model.by_category("big")) == [("a", 1.0)]


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(DataFormatError, match=r"'brand'.*category"):
        Popular(per="brand").fit(grouped())
