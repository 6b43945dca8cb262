from itertools import pairwise

import numpy as np
import pytest
from scipy import sparse

from foretaste.data import Query
from foretaste.errors import ConfigurationError
from foretaste.models import load_model, partitioned_index, save_model
from foretaste.models.batches import build_batch
from foretaste.models.factorization.als_solver import Basis, Entries, half_step, loss, solve_exactly
from foretaste.models.factorization.ials import ImplicitALS
from foretaste.models.partitioned_index import PartitionedIndex
from foretaste.testing import dataset_of_matrix, random_weights


def checkerboard(n: int = 20) -> np.ndarray:
    """User u likes the items of u's parity; the diagonal is held out."""
    u, i = np.indices((n, n))
    board = ((u + i) % 2 == 0).astype(float)
    np.fill_diagonal(board, 0.0)
    return board


def dense_loss(weights, users, items, alpha, regularization, exponent) -> float:
    confidence = 1 + alpha * weights
    wanted = (weights > 0).astype(float)
    ridges = [regularization * confidence.sum(axis=axis) ** exponent for axis in (1, 0)]
    everything = (confidence * (wanted - users @ items.T) ** 2).sum()
    return everything + ridges[0] @ (users**2).sum(1) + ridges[1] @ (items**2).sum(1)


def direct_solution(weights: np.ndarray, items: np.ndarray, alpha: float, ridges: np.ndarray) -> np.ndarray:
    """Every row by its normal equations, in float64."""
    items = items.astype(np.float64)
    solved = []
    for row, ridge in zip(weights, ridges, strict=True):
        confidence = 1 + alpha * row
        system = items.T @ (confidence[:, None] * items) + ridge * np.eye(items.shape[1])
        solved.append(np.linalg.solve(system, items.T @ (confidence * (row > 0))))
    return np.array(solved)


@pytest.mark.parametrize("exponent", [0.0, 0.75, 1.0])
@pytest.mark.parametrize("n_factors", [1, 8, 16, 17, 40])
def test_a_row_equals_the_direct_solution_of_its_normal_equations(exponent, n_factors):
    weights = random_weights((40, 30))
    weights[:10] = np.tri(10, 30, -1)  # lists of 0 to 9 entries
    items = np.random.default_rng(1).standard_normal((30, n_factors)).astype(np.float32)
    entries = Entries.of(sparse.csr_array(weights), alpha=2.0, regularization=0.3, exponent=exponent)
    direct = direct_solution(weights, items, 2.0, 0.3 * (1 + 2.0 * weights).sum(axis=1) ** exponent)
    np.testing.assert_allclose(solve_exactly(entries, Basis.of(items)), direct, rtol=1e-4, atol=1e-4)


def test_great_confidence_and_little_regularization_are_solved_too():
    weights = random_weights((40, 30), seed=1)
    items = np.random.default_rng(1).standard_normal((30, 24)).astype(np.float32)
    entries = Entries.of(sparse.csr_array(weights), alpha=1000.0, regularization=0.1, exponent=0.0)
    direct = direct_solution(weights, items, 1000.0, np.full(40, 0.1))
    np.testing.assert_allclose(solve_exactly(entries, Basis.of(items)), direct, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("relaxation", [1.0, 1.5])
@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_a_half_step_returns_the_loss_that_it_leaves(exponent, relaxation):
    weights = random_weights((40, 30), seed=2)
    rng = np.random.default_rng(3)
    users, items = (0.3 * rng.standard_normal((n, 6)).astype(np.float32) for n in weights.shape)
    of_users = Entries.of(sparse.csr_array(weights), alpha=3.0, regularization=0.1, exponent=exponent)
    of_items = Entries.of(sparse.csr_array(weights.T), alpha=3.0, regularization=0.1, exponent=exponent)
    left = half_step(of_users, Basis.of(items), users, steps=2, relaxation=relaxation)
    left += of_items.ridge @ np.square(items).sum(axis=1)
    assert left == pytest.approx(dense_loss(weights, users, items, 3.0, 0.1, exponent), rel=1e-5)


def test_the_loss_equals_the_sum_over_all_pairs():
    weights = random_weights((40, 30))
    rng = np.random.default_rng(2)
    users, items = (rng.standard_normal((n, 5)).astype(np.float32) for n in weights.shape)
    of_users = Entries.of(sparse.csr_array(weights), alpha=3.0, regularization=0.1, exponent=0.5)
    of_items = Entries.of(sparse.csr_array(weights.T), alpha=3.0, regularization=0.1, exponent=0.5)
    ours = loss(of_users, of_items.ridge, users, items)
    assert ours == pytest.approx(dense_loss(weights, users, items, 3.0, 0.1, 0.5), rel=1e-5)


@pytest.mark.parametrize("relaxation", [1.0, 1.5])
def test_no_half_step_raises_the_loss(relaxation):
    weights = random_weights((40, 30), seed=3)
    of_users = Entries.of(sparse.csr_array(weights), alpha=5.0, regularization=0.1, exponent=0.0)
    of_items = Entries.of(sparse.csr_array(weights.T), alpha=5.0, regularization=0.1, exponent=0.0)
    items = np.random.default_rng(4).standard_normal((30, 6)).astype(np.float32) * 0.1
    users = np.zeros((40, 6), np.float32)
    losses = [loss(of_users, of_items.ridge, users, items)]
    for _ in range(6):
        half_step(of_users, Basis.of(items), users, steps=2, relaxation=relaxation)
        losses.append(loss(of_users, of_items.ridge, users, items))
        half_step(of_items, Basis.of(users), items, steps=2, relaxation=relaxation)
        losses.append(loss(of_users, of_items.ridge, users, items))
    assert all(after <= before * (1 + 1e-6) for before, after in pairwise(losses))
    assert losses[-1] < 0.7 * losses[0]


def test_checkerboard_lists_only_items_of_the_users_parity():
    model = ImplicitALS(n_factors=4, epochs=20).fit(dataset_of_matrix(checkerboard()))
    lists = model.recommend(k=1)
    assert (lists.item_rows[:, 0] == np.arange(20)).all()  # the held-out one is the only liked item not seen


@pytest.mark.parametrize("parameters", [{}, {"epochs": 1, "cg_steps": 1}, {"regularization_exponent": 0.0}])
def test_folding_in_a_known_history_gives_the_learnt_scores(parameters):
    data = dataset_of_matrix(random_weights((40, 30), seed=5))
    model = ImplicitALS(n_factors=8, **parameters).fit(data)
    history = [data.items.id(row) for row in data.histories.item_rows[data.histories.slice(3)]]
    learnt = model.recommend(["u3"], k=10)
    folded = model.recommend([Query(user_id="u3", history=history)], k=10)
    np.testing.assert_allclose(folded.scores, learnt.scores, atol=1e-4)
    assert model.recommend([Query(history=history)], k=5).item_rows.tolist() == folded.item_rows[:, :5].tolist()


def test_contributions_add_up_to_the_score_of_a_known_user():
    data = dataset_of_matrix(random_weights((40, 30), seed=6))
    model = ImplicitALS(n_factors=6, epochs=2).fit(data)
    ranked = model.recommend(["u2"], k=10)
    batch, _ = build_batch(model.population, ["u2"], None)
    shares = model._contributions(batch, ranked.item_rows[0])
    np.testing.assert_allclose(shares.sum(axis=0), ranked.scores[0], rtol=1e-3, atol=1e-4)


def test_contributions_add_up_to_the_folded_in_score():
    data = dataset_of_matrix(random_weights((40, 30), seed=6))
    model = ImplicitALS(n_factors=6, alpha=4.0, values="weight").fit(data)
    part = data.histories.slice(2)
    history = [data.items.id(row) for row in data.histories.item_rows[part]]
    query = Query(history=history, history_weights=data.histories.weights[part].tolist(), exclude_seen=False, k=30)
    ranked = model.recommend([query])
    batch, _ = build_batch(model.population, [query], [query])
    shares = model._contributions(batch, ranked.item_rows[0])
    np.testing.assert_allclose(shares.sum(axis=0), ranked.scores[0], rtol=1e-3, atol=1e-4)
    reason = model.explain(query, [ranked[0].item_ids[0]])[0]
    assert reason.kind == "because_items"
    assert reason.exact


def test_similar_items_are_those_taken_by_the_same_users():
    found = ImplicitALS(n_factors=4, epochs=20).fit(dataset_of_matrix(checkerboard())).similar_items(["i0"], k=9)
    assert all(row % 2 == 0 for row in found.item_rows[0])


def test_users_and_items_without_interactions_get_nothing_and_stay_finite():
    weights = random_weights((40, 30), seed=7)
    weights[4] = 0
    weights[:, 9] = 0
    model = ImplicitALS(n_factors=50).fit(dataset_of_matrix(weights))  # more factors than either side
    lists = model.recommend(k=30, exclude_seen=False)
    assert not (lists.item_rows == 9).any()
    assert np.isfinite(model.user_factors).all()
    assert not model.user_factors[4].any()
    assert (lists.item_rows[4] == -1).all()
    unmoved = model.recommend([Query(history=["i1", "i2"], history_weights=[0.0, 0.0])], k=5)
    assert (unmoved.item_rows == -1).all()  # seen, but no interest
    assert np.isneginf(model.score(["u4", "u5"], ["i1", "i9"])).all()


def test_one_user_and_one_item_is_enough():
    model = ImplicitALS(n_factors=3).fit(dataset_of_matrix(np.ones((1, 1))))
    assert model.recommend(["u0"], k=1, exclude_seen=False)[0].item_ids == ("i0",)


def test_update_learns_new_interactions_from_where_it_stands():
    board = checkerboard()
    held_back = board.copy()
    held_back[:6, 10:] = 0
    model = ImplicitALS(n_factors=4, epochs=20).fit(dataset_of_matrix(held_back))
    of_users = model._entries(sparse.csr_array(board))
    of_items = model._entries(sparse.csr_array(board.T))
    stale = loss(of_users, of_items.ridge, model.user_factors, model.item_factors)
    model.update(dataset_of_matrix(board))
    assert loss(of_users, of_items.ridge, model.user_factors, model.item_factors) < stale


def test_a_saved_model_gives_the_same_lists_and_folds_in(tmp_path):
    data = dataset_of_matrix(random_weights((40, 30), seed=8))
    model = ImplicitALS(n_factors=8).fit(data)
    save_model(model, tmp_path)
    loaded = load_model(tmp_path)
    assert (loaded.recommend(k=5).item_rows == model.recommend(k=5).item_rows).all()
    query = [Query(history=["i1", "i2"])]
    np.testing.assert_allclose(loaded.recommend(query).scores, model.recommend(query).scores, rtol=1e-5)


def test_tolerance_stops_early_and_progress_tells_the_loss():
    told: list[tuple[int, int, float | None]] = []
    ImplicitALS(n_factors=4, epochs=200, tolerance=1e-3).fit(
        dataset_of_matrix(random_weights((40, 30), seed=9)), on_progress=lambda *step: told.append(step)
    )
    assert 1 < len(told) < 100
    assert told[-1][2] < told[0][2]


@pytest.mark.parametrize("parameters", [{"n_factors": 0}, {"alpha": -1.0}, {"alpha": float("nan")}, {"epochs": 0}])
def test_parameters_out_of_range_are_refused(parameters):
    with pytest.raises(ConfigurationError, match=next(iter(parameters))):
        ImplicitALS(**parameters)


@pytest.mark.parametrize("n_factors", [3, 20])
def test_the_spectral_start_is_nearer_to_the_solution_than_noise(n_factors):
    data = dataset_of_matrix(random_weights((60, 40), seed=2))
    losses = {"spectral": [], "random": []}
    for start, seen in losses.items():
        model = ImplicitALS(n_factors=n_factors, epochs=3, start=start)
        model.fit(data, on_progress=lambda *step, seen=seen: seen.append(step[2]))
    assert losses["spectral"][0] < losses["random"][0]
    assert losses["spectral"][2] < losses["random"][2] * 1.001


def test_more_factors_than_the_matrix_has_rank_are_all_used():
    data = dataset_of_matrix(random_weights((12, 8), share=0.5))
    model = ImplicitALS(n_factors=16, epochs=4).fit(data)
    assert np.isfinite(model.item_factors).all()
    assert np.isfinite(model.user_factors).all()


def test_an_approximate_search_gives_nearly_the_exact_lists_before_and_after_an_update(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(partitioned_index, "HEAD", 20)
    monkeypatch.setattr(partitioned_index, "MOST_SCANNED", 1.0)
    data = dataset_of_matrix(random_weights((300, 400), share=0.1, seed=1))
    exact = ImplicitALS(n_factors=8, epochs=3).fit(data)
    near = ImplicitALS(n_factors=8, epochs=3, retrieval="approximate").fit(data)
    users = data.users.ids_of(np.arange(300))
    for _ in range(2):
        assert isinstance(near._index, PartitionedIndex)
        best, found = (model.recommend(users, 20).item_rows for model in (exact, near))
        shared = [len(np.intersect1d(a, b)) / 20 for a, b in zip(best, found, strict=True)]
        assert np.mean(shared) >= 0.96
        exact.update(data)
        near.update(data)
