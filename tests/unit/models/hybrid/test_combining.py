"""Switching, cascade and rank fusion against what is plain by hand."""

import numpy as np
import pytest

from foretaste.data import Query
from foretaste.errors import ConfigurationError
from foretaste.models.baselines.popular import Popular
from foretaste.models.batches import known_batch
from foretaste.models.content.tfidf import TfidfContent
from foretaste.models.hybrid.cascade import CascadeHybrid
from foretaste.models.hybrid.feature_combination import FeatureCombination
from foretaste.models.hybrid.rank_fusion import RankFusion
from foretaste.models.hybrid.switching import SwitchingHybrid
from foretaste.models.linear.ease import EASE
from foretaste.testing import tiny_shop

CONTENT, POPULAR = {"model": "tfidf"}, {"model": "popular"}


def everybody(model):
    return known_batch(model.population, np.arange(len(model.users), dtype=np.int32))


def test_each_user_gets_the_first_part_whose_conditions_hold():
    data = tiny_shop()
    parts = [CONTENT | {"min_history": 4, "max_history": 5}, POPULAR]
    model = SwitchingHybrid(parts=parts).fit(data)
    counts = np.diff(data.matrix("binary").indptr)
    expected = np.where((counts >= 4) & (counts <= 5), 0, 1)
    assert len(set(expected.tolist())) == 2
    np.testing.assert_array_equal(model.chosen(everybody(model)), expected)
    content, popular = TfidfContent().fit(data).recommend(k=5), Popular().fit(data).recommend(k=5)
    rows = np.where(expected[:, None] == 0, content.item_rows, popular.item_rows)
    np.testing.assert_array_equal(model.recommend(k=5).item_rows, rows)


def test_a_part_without_evidence_passes_the_user_on():
    model = SwitchingHybrid(parts=[CONTENT, POPULAR]).fit(tiny_shop())
    newcomer = model.recommend([Query()], explain=True)[0]
    assert newcomer.item_ids == Popular().fit(tiny_shop()).recommend([Query()])[0].item_ids
    assert {reason.kind for reason in newcomer.reasons} == {"popular"}
    none = SwitchingHybrid(parts=[POPULAR | {"min_history": 1000}]).fit(tiny_shop())
    assert none.recommend(k=5).lengths.sum() == 0


def test_a_cascade_orders_the_first_parts_best_items_by_the_second():
    data = tiny_shop()
    data = data.with_interactions(data.interactions.where(data.interactions.weights > 0))
    model = CascadeHybrid(parts=[POPULAR | {"n_candidates": 6}, CONTENT]).fit(data)
    proposed = Popular().fit(data).recommend(k=6)
    content = TfidfContent().fit(data)
    lists = model.recommend(k=6)
    for row in range(data.n_users):
        items = proposed.item_rows[row]
        assert set(lists.item_rows[row]) == set(items)
        scores = content._scores(known_batch(content.population, np.array([row], np.int32)))[0, items]
        order = sorted(range(6), key=lambda place: (-scores[place], place))
        assert lists.item_rows[row].tolist() == items[order].tolist()


def test_a_cascade_may_only_break_ties_and_may_leave_out_the_rest():
    data = tiny_shop()
    popular = Popular().fit(data)
    model = CascadeHybrid(parts=[POPULAR, CONTENT | {"tie_width": 1e-6}]).fit(data)
    lists, plain = model.recommend(k=12), popular.recommend(k=12)
    np.testing.assert_array_equal(
        popular.score_rows(np.repeat(np.arange(36, dtype=np.int32), 12), lists.item_rows.ravel()),
        plain.scores.ravel(),
    )
    assert (lists.item_rows != plain.item_rows).any()
    short = CascadeHybrid(parts=[POPULAR | {"n_candidates": 3}, CONTENT], keep_rest=False).fit(data)
    assert short.recommend(k=12).lengths.max() == 3


@pytest.mark.parametrize("method", ["reciprocal_rank", "borda"])
def test_places_are_worth_what_the_formula_says(method):
    data = tiny_shop()
    parts = [CONTENT | {"weight": 3.0}, POPULAR]
    model = RankFusion(parts=parts, method=method, damping=7, depth=30).fit(data)
    lists = [m.fit(data).recommend(["u-003"], 24)[0].item_ids for m in (TfidfContent(), Popular())]
    worth = {}
    for items, weight in zip(lists, (0.75, 0.25), strict=True):
        for place, item in enumerate(items, start=1):
            value = 1 / (7 + place) if method == "reciprocal_rank" else (31 - place) / 30
            worth[item] = worth.get(item, 0.0) + weight * value
    assert dict(model.recommend(["u-003"], 24)[0]) == pytest.approx(worth, rel=1e-5)


def test_places_below_the_depth_are_tied():
    model = RankFusion(parts=[POPULAR], depth=2).fit(tiny_shop())
    scores = model.recommend(["u-003"], 10)[0].scores
    assert scores[0] > scores[1] > scores[2]
    assert len(set(scores[2:])) == 1


def test_weights_that_say_nothing_are_refused():
    for kind in (RankFusion, SwitchingHybrid, CascadeHybrid):
        with pytest.raises(ConfigurationError, match="at least one part"):
            kind(parts=[])
    with pytest.raises(ConfigurationError, match="weight above 0"):
        RankFusion(parts=[POPULAR | {"weight": 0}])


def test_attributes_are_more_users_of_the_model():
    """Collective EASE in NumPy: users and attributes in one Gram matrix."""
    data = tiny_shop()
    part = {"model": "ease", "parameters": {"regularization": 5.0, "values": "weight"}}
    model = FeatureCombination(part=part, columns=["category"], feature_weight=0.5).fit(data)
    category = data.item_frame["category"].to_list()
    T = np.array([[name == own for own in category] for name in sorted(set(category))], dtype=float)
    X = np.vstack([data.matrix("binary").toarray(), 0.5 * T])
    P = np.linalg.inv(X.T @ X + 5.0 * np.eye(24))
    B = -P / np.diag(P)
    np.fill_diagonal(B, 0.0)
    expected = data.matrix("binary").toarray() @ B
    served = np.flatnonzero(data.histories.lengths > 0).astype(np.int32)
    found = model._scores(known_batch(model.population, served))
    np.testing.assert_allclose(found, expected[served], atol=1e-4)


def test_an_item_that_nobody_took_is_found_by_its_attributes():
    model = FeatureCombination(feature_weight=0.5).fit(tiny_shop())
    assert (model.recommend(k=24, exclude_seen=False).item_rows == 5).any()
    plain = tiny_shop()
    alone = EASE().fit(plain)
    bare = FeatureCombination(part={"model": "ease", "parameters": {"values": "weight"}}, max_share=0.01).fit(plain)
    np.testing.assert_allclose(bare.recommend(k=5).scores, alone.recommend(k=5).scores, rtol=1e-5)
