import numpy as np
import pytest
from scipy import sparse

from foretaste.data import Query
from foretaste.errors import ConfigurationError, ModelTrainingError
from foretaste.models import create_model, load_model, memory, save_model
from foretaste.models.graph.bspm import sharpening
from foretaste.models.graph.chebycf import plateau_coefficients
from foretaste.models.graph.filters import normalized_graph, power_coefficients, shortened
from foretaste.testing import dataset_of_matrix

FAMILY = ("gfcf", "chebycf", "bspm", "butterworth")
PATHS = {"dense": 8000, "sparse": 0}


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.random((90, 37)) < np.linspace(0.05, 0.6, 37)).astype(float)  # items of different popularity


def parts(X: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """P, V Vᵀ and the items' degrees, by the definitions."""
    users, items = np.maximum(X.sum(1), 1e-12), np.maximum(X.sum(0), 1e-12)
    R = X * users[:, None] ** -0.5 * items**-0.5
    V = np.linalg.svd(R)[2][:k].T
    return R.T @ R, V @ V.T, items


def slow_gfcf(X, k, ideal_share):
    P, ideal, degrees = parts(X, k)
    return X @ P + ideal_share * (X * degrees**-0.5) @ ideal * degrees**0.5


def slow_chebycf(X, k, ideal_share, degree, flatness, exponent):
    P, ideal, degrees = parts(X, k)
    y = X * degrees**-exponent
    laplacian = np.eye(len(P)) - 2 * P
    terms = [np.eye(len(P)), laplacian]
    while len(terms) <= degree:
        terms.append(2 * laplacian @ terms[-1] - terms[-2])
    j = range(degree + 1)
    x = [np.cos((degree - n) * np.pi / degree) for n in j]
    h = [0.5 * (1 + abs(v) ** flatness) if v < 0 else 0.5 * (1 - v**flatness) for v in x]
    t = [np.cos((degree + 0.5 - n) * np.pi / (degree + 1)) for n in j]
    total = np.zeros_like(P)
    for m in j:
        c = 2 / (degree + 1) * sum(h[n] * np.cos(m * np.arccos(t[n])) for n in j)
        total += (c / 2 if m == 0 else c) * terms[m]
    return (y @ total + ideal_share * y @ ideal) * degrees**exponent


def slow_bspm(X, k, ideal_share, time):
    P, ideal, degrees = parts(X, k)
    z = X @ P + ideal_share * (X * degrees**-0.5) @ ideal * degrees**0.5

    def slope(z):
        return -z @ P

    k1 = slope(z)
    k2 = slope(z + time / 2 * k1)
    k3 = slope(z + time / 2 * k2)
    k4 = slope(z + time * k3)
    return z + time / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def scores_of(model, X):
    lists = model.recommend(k=X.shape[1], exclude_seen=False)
    out = np.full(X.shape, -np.inf)
    rows, places = np.nonzero(lists.item_rows >= 0)
    out[rows, lists.item_rows[rows, places]] = lists.scores[rows, places]
    return out


@pytest.mark.parametrize("dense_items", PATHS.values(), ids=PATHS)
def test_gfcf_equals_its_formula(matrix, dense_items):
    model = create_model("gfcf", n_factors=5, ideal_share=0.3, svd_iterations=20, dense_items=dense_items)
    found = scores_of(model.fit(dataset_of_matrix(matrix)), matrix)
    np.testing.assert_allclose(found, slow_gfcf(matrix, 5, 0.3), atol=2e-4)


@pytest.mark.parametrize("dense_items", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize(("degree", "flatness", "exponent"), [(8, 1.5, 0.4), (1, 1.0, 0.0), (2, 10.0, 0.5)])
def test_chebycf_equals_its_formula(matrix, dense_items, degree, flatness, exponent):
    model = create_model(
        "chebycf",
        degree=degree,
        flatness=flatness,
        item_exponent=exponent,
        n_factors=5,
        ideal_share=0.2,
        svd_iterations=20,
        dense_items=dense_items,
    )
    found = scores_of(model.fit(dataset_of_matrix(matrix)), matrix)
    np.testing.assert_allclose(found, slow_chebycf(matrix, 5, 0.2, degree, flatness, exponent), atol=5e-4)


@pytest.mark.parametrize("dense_items", PATHS.values(), ids=PATHS)
def test_bspm_equals_the_classical_runge_kutta_steps(matrix, dense_items):
    model = create_model(
        "bspm", n_factors=5, ideal_share=0.2, sharpening_time=2.5, svd_iterations=20, dense_items=dense_items
    )
    found = scores_of(model.fit(dataset_of_matrix(matrix)), matrix)
    np.testing.assert_allclose(found, slow_bspm(matrix, 5, 0.2, 2.5), atol=5e-4)


@pytest.mark.parametrize("dense_items", PATHS.values(), ids=PATHS)
def test_butterworth_equals_its_formula(matrix, dense_items):
    model = create_model(
        "butterworth", n_factors=37, cutoff=0.1, order=2.5, item_exponent=0.3, dense_items=dense_items
    ).fit(dataset_of_matrix(matrix))
    P, _, degrees = parts(matrix, 1)
    strengths, V = np.linalg.eigh(P)
    response = strengths**2.5 / (strengths**2.5 + 0.1**2.5)
    expected = (matrix * degrees**-0.3) @ (V * response) @ V.T * degrees**0.3
    np.testing.assert_allclose(scores_of(model, matrix), expected, atol=2e-4)


def test_many_small_steps_of_either_solver_come_to_the_exponential():
    strengths = np.linspace(0, 1, 5)
    exact = np.exp(-1.5 * strengths)
    runge_kutta = np.polynomial.polynomial.polyval(strengths, sharpening(1.5, "rk4", 6))
    euler = np.polynomial.polynomial.polyval(strengths, sharpening(1.5, "euler", 8))
    np.testing.assert_allclose(runge_kutta, exact, atol=1e-4)
    np.testing.assert_allclose(euler, exact, atol=0.06)


def test_no_time_sharpens_nothing(matrix):
    still = create_model("bspm", n_factors=5, ideal_share=0.3, sharpening_time=0.0).fit(dataset_of_matrix(matrix))
    plain = create_model("gfcf", n_factors=5, ideal_share=0.3).fit(dataset_of_matrix(matrix))
    np.testing.assert_allclose(scores_of(still, matrix), scores_of(plain, matrix), atol=1e-5)


def test_the_plateau_is_one_at_the_smoothest_end_a_half_in_the_middle_and_zero_at_the_other():
    coefficients = plateau_coefficients(16, 10.0)
    ends = np.polynomial.chebyshev.chebval(np.array([-1.0, 0.0, 1.0]), coefficients)
    np.testing.assert_allclose(ends, [1, 0.5, 0], atol=0.12)


def test_a_polynomial_is_shortened_as_far_as_it_stays_right_below_the_limit():
    plateau = plateau_coefficients(8, 1.5)
    short = shortened(plateau, 0.16)
    assert len(short) < len(plateau)
    x = 1 - 2 * np.linspace(0, 0.16, 50)
    np.testing.assert_allclose(
        np.polynomial.chebyshev.chebval(x, short), np.polynomial.chebyshev.chebval(x, plateau), atol=1.1e-4
    )
    assert len(shortened(plateau_coefficients(8, 1.2), 1.0)) >= 8
    assert len(shortened(plateau, 0.0)) == 2


def test_powers_become_chebyshev_coefficients():
    powers = np.array([0.5, -1.0, 0.25, 2.0])
    strengths = np.linspace(0, 1, 7)
    found = np.polynomial.chebyshev.chebval(1 - 2 * strengths, power_coefficients(powers))
    np.testing.assert_allclose(found, np.polynomial.polynomial.polyval(strengths, powers), atol=1e-12)
    np.testing.assert_allclose(power_coefficients(np.array([3.0])), [3.0])


def test_the_normalised_graph_has_singular_values_up_to_one(matrix):
    values = np.linalg.svd(normalized_graph(sparse.csr_array(matrix)).toarray(), compute_uv=False)
    assert values[0] == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("name", FAMILY)
def test_the_dense_filter_and_the_graph_give_the_same_lists(matrix, name):
    data = dataset_of_matrix(matrix)
    dense = create_model(name, n_factors=6).fit(data)
    graph = create_model(name, n_factors=6, dense_items=0).fit(data)
    np.testing.assert_allclose(scores_of(dense, matrix), scores_of(graph, matrix), atol=1e-4)
    np.testing.assert_allclose(dense.similar_items(k=4).scores, graph.similar_items(k=4).scores, atol=1e-4)
    assert graph.dense.size == 0
    assert dense.graph.nnz == 0


@pytest.mark.parametrize("dense_items", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("name", FAMILY)
def test_an_unseen_user_with_a_known_history_gets_the_same_list(matrix, name, dense_items):
    model = create_model(name, n_factors=6, dense_items=dense_items).fit(dataset_of_matrix(matrix))
    history = [f"i{i}" for i in np.flatnonzero(matrix[4])]
    folded = model.recommend([Query(history=history)], k=8)
    np.testing.assert_allclose(folded.scores, model.recommend(["u4"], k=8).scores, rtol=1e-4)


def test_a_loaded_graph_answers_as_before(matrix, tmp_path):
    model = create_model("chebycf", n_factors=6, dense_items=0).fit(dataset_of_matrix(matrix))
    save_model(model, tmp_path / "m")
    np.testing.assert_array_equal(load_model(tmp_path / "m").recommend(k=5).item_rows, model.recommend(k=5).item_rows)


def test_a_second_fit_forgets_the_first(matrix):
    model = create_model("gfcf", n_factors=6, dense_items=0).fit(dataset_of_matrix(matrix[::-1]))
    model.recommend(k=3)
    fresh = create_model("gfcf", n_factors=6, dense_items=0).fit(dataset_of_matrix(matrix))
    np.testing.assert_array_equal(
        model.fit(dataset_of_matrix(matrix)).recommend(k=5).scores, fresh.recommend(k=5).scores
    )


@pytest.mark.parametrize("dense_items", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("name", FAMILY)
def test_one_user_and_one_item_give_one_score(name, dense_items):
    model = create_model(name, dense_items=dense_items).fit(dataset_of_matrix(np.ones((1, 1))))
    lists = model.recommend(k=3, exclude_seen=False)
    assert lists.item_rows[0].tolist() == [0]
    assert np.isfinite(lists.scores[0, 0])


@pytest.mark.parametrize("dense_items", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("name", FAMILY)
def test_items_of_no_user_and_users_of_no_item_are_left_out(matrix, name, dense_items):
    holes = matrix.copy()
    holes[:, 3] = 0
    holes[5] = 0
    model = create_model(name, n_factors=6, dense_items=dense_items).fit(dataset_of_matrix(holes))
    found = scores_of(model, holes)
    assert np.isneginf(found[:, 3]).all()
    assert np.isneginf(found[5]).all()
    assert np.isfinite(np.delete(np.delete(found, 3, axis=1), 5, axis=0)).all()


def test_a_history_longer_than_the_catalogue_is_no_different(matrix):
    model = create_model("chebycf", n_factors=6, dense_items=0).fit(dataset_of_matrix(matrix))
    once = [f"i{i}" for i in range(37)]
    lists = [model.recommend([Query(history=h)], k=37, exclude_seen=False) for h in (once, once * 3)]
    np.testing.assert_allclose(lists[0].scores, lists[1].scores, rtol=1e-5)


def test_weights_count_where_asked_for(matrix):
    weighted = matrix * np.random.default_rng(3).integers(1, 5, matrix.shape)
    model = create_model("gfcf", n_factors=5, values="weight", svd_iterations=20).fit(dataset_of_matrix(weighted))
    np.testing.assert_allclose(scores_of(model, weighted), slow_gfcf(weighted, 5, 0.3), atol=2e-3)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("chebycf", {"degree": 0}),
        ("chebycf", {"flatness": 0}),
        ("chebycf", {"item_exponent": 1.5}),
        ("gfcf", {"n_factors": 0}),
        ("gfcf", {"ideal_share": -0.1}),
        ("butterworth", {"cutoff": 0.0}),
        ("bspm", {"solver": "heun"}),
        ("bspm", {"sharpening_time": float("nan")}),
    ],
)
def test_settings_out_of_range_are_refused(name, parameters):
    with pytest.raises(ConfigurationError):
        create_model(name, **parameters)


def test_a_dense_filter_that_does_not_fit_is_refused(matrix, monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 10_000)
    with pytest.raises(ModelTrainingError, match="dense_items"):
        create_model("gfcf").fit(dataset_of_matrix(matrix))
