"""The weighted hybrid: its sum, its capabilities, its reasons, its saved form."""

import numpy as np
import pytest

from foretaste.data import Query, Reason
from foretaste.errors import ConfigurationError, CorruptStateError, NotFittedError, UnknownNameError
from foretaste.models import State, load_model, save_model
from foretaste.models.baselines.bias import Bias
from foretaste.models.baselines.newest import Newest
from foretaste.models.baselines.popular import Popular
from foretaste.models.content.tfidf import TfidfContent
from foretaste.models.hybrid.reasons import mixed_reason
from foretaste.models.hybrid.weighted import WeightedHybrid
from foretaste.testing import checkerboard, tiny_shop

PARTS = [{"model": "tfidf", "weight": 3}, {"model": "popular", "parameters": {"values": "weight"}}]


def scores_of(model, user_id, n):
    best = model.recommend([user_id], n, exclude_seen=False)[0]
    return dict(best)


def test_the_score_is_the_weighted_mean_of_normalised_scores():
    data = tiny_shop()
    tfidf, popular = TfidfContent().fit(data), Popular(values="weight").fit(data)
    hybrid = WeightedHybrid(parts=PARTS, normalization="minmax").fit(data)
    parts = [scores_of(model, "u-003", 24) for model in (tfidf, popular)]
    expected = {}
    for item in data.items.ids:
        mixed, known = 0.0, False
        for scores, weight in zip(parts, (0.75, 0.25), strict=True):
            low, high = min(scores.values()), max(scores.values())
            if item in scores:
                known = True
                mixed += weight * (scores[item] - low) / (high - low)
        if known:
            expected[item] = mixed
    assert scores_of(hybrid, "u-003", 24) == pytest.approx(expected, abs=1e-5)


def test_one_part_alone_keeps_its_order():
    data = tiny_shop()
    alone = TfidfContent().fit(data).recommend(["u-001", "u-002"], 8)
    for how in ("zscore", "minmax", "rank", "none"):
        hybrid = WeightedHybrid.of({"content": TfidfContent().fit(data)}, normalization=how)
        np.testing.assert_array_equal(hybrid.recommend(["u-001", "u-002"], 8).item_rows, alone.item_rows)


def test_capabilities_follow_from_the_parts():
    content = WeightedHybrid(parts=[{"model": "tfidf"}])
    assert content.scores_new_users
    assert content.scores_new_items
    assert content.finds_similar_items
    assert not content.scores_without_history
    both = WeightedHybrid(parts=[{"model": "tfidf"}, {"model": "bias"}], normalization="none")
    assert both.scores_without_history
    assert not both.updates_incrementally
    assert not both.predicts_ratings
    assert WeightedHybrid(parts=[{"model": "bias"}], normalization="none").predicts_ratings
    assert not WeightedHybrid(parts=[{"model": "bias"}]).predicts_ratings


def test_ratings_are_blended_on_their_own_scale():
    data = tiny_shop()
    plain, heavy = Bias().fit(data), Bias(regularization_users=500, regularization_items=500).fit(data)
    blend = WeightedHybrid.of({"plain": plain, "heavy": heavy}, {"plain": 3.0}, normalization="none")
    pairs = (["u-001", "u-002"], ["p-000", "p-007"])
    np.testing.assert_allclose(blend.score(*pairs), 0.75 * plain.score(*pairs) + 0.25 * heavy.score(*pairs), rtol=1e-5)


def test_a_user_without_history_is_served_by_the_part_that_can():
    data = tiny_shop()
    hybrid = WeightedHybrid(parts=PARTS).fit(data)
    popular = Popular(values="weight").fit(data)
    assert hybrid.recommend([Query()])[0].item_ids == popular.recommend([Query()])[0].item_ids


def test_new_items_come_from_the_part_that_knows_content():
    hybrid = WeightedHybrid(parts=PARTS).fit(tiny_shop())
    lists = hybrid.recommend(k=20)
    assert (lists.item_rows == 5).any()  # the last coffee item was taken by nobody


def test_parts_are_shared_and_keep_one_population():
    data = tiny_shop()
    popular = Popular().fit(data)
    hybrid = WeightedHybrid.of({"newest": Newest().fit(data), "popular": popular}, {"popular": 2.0})
    assert hybrid.models[1] is popular
    assert hybrid.population is popular.population
    np.testing.assert_allclose(hybrid.weights, [1 / 3, 2 / 3], rtol=1e-6)


def test_parts_that_do_not_belong_together_are_refused():
    popular = Popular().fit(tiny_shop())
    with pytest.raises(ConfigurationError, match="another data set"):
        WeightedHybrid.of({"a": popular, "b": Popular().fit(checkerboard().data)})
    with pytest.raises(ConfigurationError, match="'c' has a weight"):
        WeightedHybrid.of({"a": popular}, {"c": 1.0})
    with pytest.raises(NotFittedError):
        WeightedHybrid.of({"a": Popular()})
    with pytest.raises(ConfigurationError, match="weight above 0"):
        WeightedHybrid(parts=[{"model": "popular", "weight": 0}])
    with pytest.raises(ConfigurationError, match="at least one part"):
        WeightedHybrid(parts=[])
    with pytest.raises(UnknownNameError, match="populer"):
        WeightedHybrid(parts=[{"model": "populer"}])


def test_parts_are_saved_inside_and_an_exchanged_part_is_refused(tmp_path):
    hybrid = WeightedHybrid(parts=[*PARTS, {"model": "weighted", "parameters": {"parts": PARTS}}]).fit(tiny_shop())
    state = hybrid.state()
    assert "part0.vectors.data" in state.arrays
    assert "part2.part0.vectors.data" in state.arrays
    save_model(hybrid, tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    np.testing.assert_array_equal(loaded.recommend(k=5).scores, hybrid.recommend(k=5).scores)
    swapped = {name: state.meta["parts"][other] for name, other in (("part0", "part1"), ("part1", "part0"))}
    for parts in ({}, {"part0": 3}, state.meta["parts"] | swapped):
        with pytest.raises(CorruptStateError, match="part"):
            WeightedHybrid.from_state(State(state.kind, state.meta | {"parts": parts}, state.arrays), hybrid.population)


def test_the_strongest_reason_leads_and_history_items_are_mixed():
    content = Reason("content", ("a", "b"), (0.6, 0.4), ("wool",), exact=True)
    because = Reason("because_items", ("b",), (1.0,))
    mixed = mixed_reason([(1.0, because), (3.0, content), (0.5, Reason("popular"))])
    assert mixed.kind == "content"
    assert mixed.features == ("wool",)
    assert mixed.item_ids == ("b", "a")
    assert mixed.shares == pytest.approx((0.75 * 0.4 + 0.25, 0.75 * 0.6))
    assert not mixed.exact
    assert mixed_reason([(0.1, content), (0.5, Reason("popular"))]) == Reason("popular")
    assert mixed_reason([(0.5, None)]) is None


def test_reasons_come_from_the_parts():
    hybrid = WeightedHybrid(parts=[{"model": "tfidf"}, {"model": "popular", "weight": 0.01}]).fit(tiny_shop())
    best = hybrid.recommend(["u-000"], explain=True)[0]
    assert best.reasons[0].kind == "content"
    assert best.reasons[0].item_ids
    newcomer = hybrid.recommend([Query()], explain=True)[0]
    assert {reason.kind for reason in newcomer.reasons} == {"popular"}
