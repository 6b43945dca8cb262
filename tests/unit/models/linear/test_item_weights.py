import numpy as np
import pytest

from foretaste.data import Query
from foretaste.models import create_model, load_model, save_model
from foretaste.models.batches import build_batch
from foretaste.testing import dataset_of_matrix

NAMES = ["ease", "sparse_ease", "slim", "rp3beta"]


@pytest.fixture(scope="module", params=NAMES)
def model(request, weighted_matrix):
    return create_model(request.param, values="weight").fit(dataset_of_matrix(weighted_matrix))


def dense(model):
    return model.weights if isinstance(model.weights, np.ndarray) else model.weights.toarray()


def test_scores_are_the_history_times_the_weights(model, weighted_matrix):
    found = model.recommend(k=25, exclude_seen=False)
    for user, (rows, scores) in enumerate(zip(found.item_rows, found.scores, strict=True)):
        expected = weighted_matrix[user] @ dense(model)
        np.testing.assert_allclose(scores[rows >= 0], expected[rows[rows >= 0]], rtol=1e-3, atol=1e-6)


def test_contributions_add_up_to_the_score(model):
    batch, _ = build_batch(model.population, ["u4"], None)
    listed = model.recommend(["u4"], k=8)
    np.testing.assert_allclose(model._contributions(batch, listed.item_rows[0]).sum(0), listed.scores[0], rtol=1e-3)


def test_an_unseen_user_with_a_known_history_gets_the_same_list(model, weighted_matrix):
    items = np.flatnonzero(weighted_matrix[4])
    query = Query(history=[f"i{i}" for i in items], history_weights=weighted_matrix[4, items].tolist())
    assert (model.recommend([query], k=8).item_rows == model.recommend(["u4"], k=8).item_rows).all()


def test_similar_items_are_those_with_the_largest_weights(model):
    found = model.similar_items(["i7"], k=3).item_rows[0]
    assert (found == np.argsort(-dense(model)[7], kind="stable")[:3]).all()


def test_a_saved_model_gives_the_same_lists(model, tmp_path):
    save_model(model, tmp_path)
    assert (load_model(tmp_path).recommend(k=5).item_rows == model.recommend(k=5).item_rows).all()
