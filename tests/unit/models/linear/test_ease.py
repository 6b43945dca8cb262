import numpy as np
import pytest

from foretaste.data import Query
from foretaste.errors import ModelTrainingError
from foretaste.models import load_model, memory, save_model
from foretaste.models.batches import build_batch
from foretaste.models.linear import ease as ease_module
from foretaste.models.linear.ease import EASE
from foretaste.models.linear.inverse import invert
from foretaste.testing import dataset_of_matrix


def direct(X: np.ndarray, regularization: float) -> np.ndarray:
    P = np.linalg.inv(X.T @ X + regularization * np.eye(X.shape[1]))
    B = -P / np.diag(P)
    np.fill_diagonal(B, 0)
    return B


def test_weights_equal_the_closed_form(matrix):
    model = EASE(regularization=3.0).fit(dataset_of_matrix(matrix))
    np.testing.assert_allclose(model.weights, direct(matrix, 3.0), atol=1e-5)


def test_each_column_solves_its_ridge_regression_without_itself(matrix):
    model = EASE(regularization=3.0).fit(dataset_of_matrix(matrix))
    j, others = 7, [i for i in range(25) if i != 7]
    X = matrix[:, others]
    slow = np.linalg.solve(X.T @ X + 3.0 * np.eye(24), X.T @ matrix[:, j])
    np.testing.assert_allclose(model.weights[others, j], slow, atol=1e-5)


def test_scaling_by_degrees_equals_the_scaled_closed_form(matrix):
    model = EASE(regularization=0.2, item_exponent=0.5, user_exponent=0.5).fit(dataset_of_matrix(matrix))
    scale = np.maximum(matrix.sum(0), 1) ** -0.5
    X = matrix * scale * np.maximum(matrix.sum(1), 1)[:, None] ** -0.25
    expected = direct(X, 0.2) * scale[:, None] / scale
    np.testing.assert_allclose(model.weights, expected, atol=1e-4)


def test_where_float32_fails_the_solution_is_found_in_float64(matrix, monkeypatch):
    def fail_in_float32(a):
        if a.dtype == np.float64:
            return invert(a)
        a[np.tril_indices(len(a))] = np.nan  # what a failed inversion leaves behind
        return False

    monkeypatch.setattr(ease_module, "invert", fail_in_float32)
    model = EASE(regularization=3.0).fit(dataset_of_matrix(matrix))
    np.testing.assert_allclose(model.weights, direct(matrix, 3.0), atol=1e-5)


def test_checkerboard_lists_only_items_of_the_users_parity():
    u, i = np.indices((20, 20))
    board = ((u + i) % 2 == 0).astype(float)
    np.fill_diagonal(board, 0)
    lists = EASE(regularization=1.0).fit(dataset_of_matrix(board)).recommend(k=1)
    assert (lists.item_rows[:, 0] == np.arange(20)).all()


def test_an_unseen_user_with_a_known_history_gets_the_same_list(matrix):
    model = EASE(regularization=3.0).fit(dataset_of_matrix(matrix))
    history = [f"i{i}" for i in np.flatnonzero(matrix[4])]
    folded = model.recommend([Query(history=history)], k=8)
    np.testing.assert_allclose(folded.scores, model.recommend(["u4"], k=8).scores, rtol=1e-5)


def test_contributions_add_up_to_the_score(matrix):
    model = EASE(regularization=3.0).fit(dataset_of_matrix(matrix))
    batch, _ = build_batch(model.population, ["u4"], None)
    listed = model.recommend(["u4"], k=8)
    np.testing.assert_allclose(model._contributions(batch, listed.item_rows[0]).sum(0), listed.scores[0], rtol=1e-4)
    assert model.explain("u4", [listed[0].item_ids[0]])[0].exact


def test_an_item_that_nobody_took_is_never_listed(matrix):
    empty = matrix.copy()
    empty[:, 3] = 0
    assert not (EASE().fit(dataset_of_matrix(empty)).recommend(k=25).item_rows == 3).any()


def test_more_items_than_memory_are_refused_before_starting(matrix, monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 1000)
    with pytest.raises(ModelTrainingError, match="EASE on 25 items needs about") as caught:
        EASE().fit(dataset_of_matrix(matrix))
    assert "sparse_ease" in caught.value.hint


def test_dropout_adds_a_share_of_the_diagonal(matrix):
    model = EASE(regularization=3.0, dropout=0.25).fit(dataset_of_matrix(matrix))
    X = np.vstack([matrix, np.diag(np.sqrt(matrix.sum(0) / 3))])  # p/(1-p) = 1/3 of each item's own product
    np.testing.assert_allclose(model.weights, direct(X, 3.0), atol=1e-5)


def test_two_items_alike_predict_each_other_whatever_the_ridge(matrix):
    twins = np.column_stack([matrix, matrix[:, 4]])
    weights = EASE(regularization=1e-9).fit(dataset_of_matrix(twins)).weights
    assert weights[4, 25] == pytest.approx(1, abs=1e-2)
    assert np.abs(np.delete(weights[:, 25], 4)).max() < 0.05


def test_a_singular_matrix_is_an_error_and_no_nan():
    with pytest.raises(ModelTrainingError, match="singular"):
        ease_module._inverse(np.ones((3, 3), np.float32), np.ones(3))


def test_a_saved_model_gives_the_same_lists(matrix, tmp_path):
    model = EASE().fit(dataset_of_matrix(matrix))
    save_model(model, tmp_path)
    assert (load_model(tmp_path).recommend(k=5).item_rows == model.recommend(k=5).item_rows).all()
