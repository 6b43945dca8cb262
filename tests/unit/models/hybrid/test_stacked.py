"""Weights that are learned: the table they are learned on, the ways to learn, the hybrid that uses them."""

import numpy as np
import pytest

from foretaste.models import create_model
from foretaste.models.hybrid.candidates import Candidates
from foretaste.models.hybrid.genetic import Breeding, evolve
from foretaste.models.hybrid.holdout import hold_out
from foretaste.models.hybrid.stacked import StackedHybrid
from foretaste.models.hybrid.weights import blend_ndcg, learn_weights
from foretaste.testing import one_user_one_item, tiny_shop


def table(n_users=60, n_parts=3, width=40, seed=0):
    """Relevant items stand out by twice part 0 plus part 1; part 2 is noise."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n_parts, n_users, width)).astype(np.float32)
    truth = 2 * features[0] + features[1] + rng.normal(size=(n_users, width)) * 0.1
    order = np.argsort(-truth, axis=1)
    features = np.take_along_axis(features, order[None], axis=2)
    indptr = np.arange(n_users + 1) * width
    n_positive = rng.integers(1, 6, n_users)
    return Candidates(features.reshape(n_parts, -1), indptr, n_positive, rng.integers(1, 50, n_users))


def slow_ndcg(candidates, weights, k=10):
    values = []
    for u in range(len(candidates)):
        part = slice(candidates.indptr[u], candidates.indptr[u + 1])
        scores = np.asarray(weights) @ candidates.features[:, part]
        places = [(scores >= scores[c]).sum() - 1 for c in range(candidates.n_positive[u])]
        gain = sum(1 / np.log2(place + 2) for place in places if place < k)
        values.append(gain / sum(1 / np.log2(n + 2) for n in range(min(k, candidates.n_positive[u]))))
    return np.mean(values)


def test_the_quality_of_many_weightings_is_that_of_the_slow_formula():
    candidates, rng = table(), np.random.default_rng(1)
    weights = rng.random((9, 3))
    expected = [slow_ndcg(candidates, w.astype(np.float32)) for w in weights]
    np.testing.assert_allclose(blend_ndcg(candidates, weights), expected, rtol=1e-6)


@pytest.mark.parametrize("optimizer", ["genetic", "coordinate", "logistic"])
def test_every_way_finds_the_weights_behind_the_table(optimizer):
    candidates = table()
    found = learn_weights(candidates, optimizer, np.ones(3))
    assert found.sum() == pytest.approx(1.0)
    assert (found >= 0).all()
    assert found[0] / found[1] == pytest.approx(2.0, rel=0.35)
    assert found[2] < 0.1
    assert blend_ndcg(candidates, found)[0] > blend_ndcg(candidates, np.ones(3))[0] + 0.05


def test_the_same_seed_breeds_the_same_weights():
    one, other = (learn_weights(table(), "genetic", np.ones(3), seed=7) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(learn_weights(table(), "given", np.array([3.0, 1.0, 0.0])), [0.75, 0.25, 0])
    np.testing.assert_allclose(learn_weights(table(), "equal", np.array([3.0, 1.0, 0.0])), 1 / 3)


def test_breeding_climbs_a_hill_and_never_loses_its_best():
    target = np.array([0.2, 0.9, 0.5, 0.7])
    found = evolve(lambda genomes: -((genomes - target) ** 2).sum(axis=1), 4, seed=3)
    np.testing.assert_allclose(found.best, target, atol=0.05)
    assert list(found.history) == sorted(found.history)
    stopped = evolve(lambda genomes: np.zeros(len(genomes)), 2, breeding=Breeding(patience=3, population=8))
    assert len(stopped.history) == 4
    worst = evolve(lambda genomes: np.full(len(genomes), np.nan), 2, breeding=Breeding(generations=2))
    assert worst.fitness == -np.inf


def test_what_is_held_out_is_gone_from_train_and_each_user_keeps_an_item():
    data = tiny_shop()
    liked = data.matrix("binary")
    parts = [hold_out(data, 0.3, seed=1, fold=fold) for fold in range(2)]
    for holdout in parts:
        left = holdout.train.matrix("binary")
        counts, held = np.diff(liked.indptr), np.diff(holdout.indptr)
        np.testing.assert_array_equal(np.diff(left.indptr) + held, counts)
        assert (held[counts >= 2] >= 1).all()
        for row in range(data.n_users):
            own = set(holdout.item_rows[holdout.indptr[row] : holdout.indptr[row + 1]].tolist())
            assert own <= set(liked.indices[liked.indptr[row] : liked.indptr[row + 1]].tolist())
            assert not own & set(left.indices[left.indptr[row] : left.indptr[row + 1]].tolist())
    assert (parts[0].item_rows != parts[1].item_rows).any()
    assert hold_out(one_user_one_item(), 0.3) is None


def test_a_stack_of_a_good_and_a_random_model_trusts_the_good_one():
    model = StackedHybrid(parts=[{"model": "random"}, {"model": "item_knn"}], generations=10).fit(tiny_shop())
    assert model.weights[0, 1] > 0.6
    assert model.validation["blend"] >= max(model.validation["parts"]) - 1e-9
    assert model.validation["parts"][1] > model.validation["parts"][0]


def test_given_weights_make_the_weighted_hybrid():
    parts = [{"model": "tfidf", "weight": 3.0}, {"model": "popular"}]
    stacked = create_model("stacked", parts=parts, optimizer="given").fit(tiny_shop())
    weighted = create_model("weighted", parts=parts).fit(tiny_shop())
    np.testing.assert_allclose(stacked.recommend(k=8).scores, weighted.recommend(k=8).scores, rtol=1e-5)
    assert stacked.validation == {}


def test_groups_of_users_get_weights_of_their_own():
    model = StackedHybrid(n_groups=3, generations=3).fit(tiny_shop())
    assert model.weights.shape == (len(model.edges) + 1, 3)
    np.testing.assert_allclose(model.weights.sum(axis=1), 1.0, rtol=1e-5)
