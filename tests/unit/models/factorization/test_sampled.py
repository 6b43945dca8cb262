from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from foretaste.data import Query
from foretaste.errors import ConfigurationError, DataInsufficientError
from foretaste.models import Recommender, create_model, flat_index, partitioned_index
from foretaste.models.factorization.bpr import BPR
from foretaste.models.factorization.logistic_mf import LogisticMF
from foretaste.models.factorization.warp import WARP
from foretaste.models.flat_index import FlatIndex
from foretaste.models.kernels.sampled_sgd import train_block
from foretaste.models.partitioned_index import PartitionedIndex
from foretaste.models.sampling import drawn_items, equal_parts
from foretaste.testing import dataset_of_matrix

NAMES = ("bpr", "warp", "logistic_mf")
RATE, RIDGE, BIAS_RIDGE = 0.3, 0.02, 0.05


def groups(n_users: int, n_items: int, share: float = 0.5, seed: int = 0) -> np.ndarray:
    """Users take a share of the items of their own half."""
    rng = np.random.default_rng(seed)
    u, i = np.indices((n_users, n_items))
    return ((u + i) % 2 == 0) * (rng.random((n_users, n_items)) < share).astype(float)


def slow_epoch(taken: list[int], users, items, bias, loss: str, n_candidates: int = 1) -> None:
    """One pass where user u took ``taken[u]`` of two items, so that the other one is the only one to draw."""
    user_sums, item_sums = np.ones(len(users)), np.ones(2)
    for u, i in enumerate(taken):
        j = 1 - i
        score = [users[u] @ items[n] + bias[n] for n in range(2)]
        if loss == "logistic_mf":
            scores = {i: score[i], j: score[j]}  # as they stood before the first of the steps
            for n, sign in ((i, 1.0), (j, -1.0)):
                pull = sign / (1 + np.exp(sign * scores[n]))
                user_sums[u] += pull**2
                item_sums[n] += pull**2
                r_u, r_n = RATE / np.sqrt(user_sums[u]), RATE / np.sqrt(item_sums[n])
                old = users[u].copy()
                users[u] += r_u * (pull * items[n] - RIDGE * users[u])
                items[n] += r_n * (pull * old - RIDGE * items[n])
                bias[n] += r_n * (pull - BIAS_RIDGE * bias[n])
            continue
        if loss == "warp" and score[j] <= score[i] - 1:
            continue
        pull = np.log(2.0) if loss == "warp" else 1 / (1 + np.exp(score[i] - score[j]))  # one other item: rank 1
        for sums, n in ((user_sums, u), (item_sums, i), (item_sums, j)):
            sums[n] += pull**2
        r_u, r_i, r_j = RATE / np.sqrt(user_sums[u]), *(RATE / np.sqrt(item_sums[[i, j]]))
        old = users[u].copy()
        users[u] += r_u * (pull * (items[i] - items[j]) - RIDGE * users[u])
        items[i] += r_i * (pull * old - RIDGE * items[i])
        items[j] += r_j * (-pull * old - RIDGE * items[j])
        bias[i] += r_i * (pull - BIAS_RIDGE * bias[i])
        bias[j] += r_j * (-pull - BIAS_RIDGE * bias[j])


@pytest.mark.parametrize("name", NAMES)
def test_an_epoch_equals_its_slow_version(name):
    taken = [0, 1, 1, 0, 1, 0, 0]
    rng = np.random.default_rng(0)
    users, items = (rng.standard_normal((n, 16)).astype(np.float32) for n in (len(taken), 2))
    bias = np.array([0.5, -0.5], np.float32)
    wanted = [array.astype(np.float64) for array in (users, items, bias)]
    slow_epoch(taken, *wanted, name)
    compared, wrong = train_block(
        np.arange(len(taken) + 1), np.array(taken, np.int32), np.empty(0, np.float32), 0, len(taken),
        np.zeros(2, np.int32), 0, np.array([0, 1], np.int32), 1, users, items, bias,
        np.ones(len(taken), np.float32), np.ones(2, np.float32), np.full(2, -1, np.int32),
        NAMES.index(name), 1, np.float32(RATE), np.float32(RIDGE), np.float32(BIAS_RIDGE), 7,
    )  # fmt: skip
    assert 0 < compared <= 2 * len(taken)
    assert 0 <= wrong <= compared
    for found, expected in zip((users, items, bias), wanted, strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_result_does_not_depend_on_the_number_of_threads(name, monkeypatch):
    matrix = groups(80, 1200, 0.1)
    found = []
    for threads in (1, 3):
        monkeypatch.setattr("foretaste.models.threads.n_threads", lambda n=threads: n)
        monkeypatch.setattr("foretaste.models.factorization.sampled.n_threads", lambda n=threads: n)
        found.append(create_model(name, n_factors=8, epochs=2).fit(dataset_of_matrix(matrix)))
    for field in ("user_factors", "item_factors", "item_bias"):
        np.testing.assert_array_equal(getattr(found[0], field), getattr(found[1], field))


@pytest.mark.parametrize("name", NAMES)
def test_every_entry_is_visited_once_an_epoch_however_the_items_are_cut(name):
    data = dataset_of_matrix(groups(40, 1600, 0.1))
    model = create_model(name, n_factors=4, epochs=1)
    model._users, model._items = np.zeros((40, 16), np.float32), np.zeros((1600, 16), np.float32)
    model._bias, model.mean_weight = np.zeros(1600, np.float32), 1.0
    matrix = data.matrix("binary")
    model.popularity = np.bincount(matrix.indices, minlength=1600).astype(np.int32)
    schedule = model._schedule(matrix)
    assert schedule.n_parts > 1
    schedule.epoch(model, 0)
    assert np.count_nonzero(schedule.user_sums > 1) == 40
    assert (schedule.item_sums[np.unique(matrix.indices)] > 1).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_history_gives_the_same_vector_in_any_batch_and_order(name):
    data = dataset_of_matrix(groups(30, 40))
    model = create_model(name, n_factors=8, epochs=5).fit(data)
    items = [data.items.id(row) for row in data.histories.item_rows[data.histories.slice(4)]]
    forth = model.recommend([Query(history=["i1", "i3"]), Query(history=items)], k=10)
    back = model.recommend([Query(history=items[::-1])], k=10)
    learnt = model.recommend(["u4"], k=10)
    for lists, row in ((forth, 1), (back, 0)):
        np.testing.assert_array_equal(lists.item_rows[row], learnt.item_rows[0])
        np.testing.assert_allclose(lists.scores[row], learnt.scores[0], rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_training_lowers_the_share_of_pairs_in_the_wrong_order(name):
    losses = []
    create_model(name, n_factors=8, epochs=12).fit(
        dataset_of_matrix(groups(60, 60)), on_progress=lambda step, steps, loss: losses.append(loss)
    )
    assert losses[-1] < 0.85 * losses[0]


@pytest.mark.parametrize("name", NAMES)
def test_training_stops_early_and_keeps_the_best_epoch(name):
    losses = []
    model = create_model(name, n_factors=8, epochs=200, validation_share=0.2, patience=2)
    model.fit(dataset_of_matrix(groups(60, 60)), on_progress=lambda step, steps, loss: losses.append(loss))
    assert len(losses) < 200
    assert len(losses) - 1 - int(np.argmin(losses)) == 2
    assert min(losses) < 0.2


def test_weights_scale_the_steps_when_asked():
    matrix = groups(40, 30)
    heavy = matrix * np.where(np.arange(30) < 10, 5.0, 1.0)
    plain = [BPR(n_factors=4, epochs=3).fit(dataset_of_matrix(m)).item_bias for m in (matrix, heavy)]
    np.testing.assert_array_equal(*plain)
    weighted = BPR(n_factors=4, epochs=3, values="weight").fit(dataset_of_matrix(heavy)).item_bias
    assert weighted[:10].mean() > plain[0][:10].mean()
    assert BPR(values="weight").fit(dataset_of_matrix(heavy)).mean_weight == pytest.approx(heavy[heavy > 0].mean())


def test_the_harder_of_several_drawn_items_is_taken():
    data = dataset_of_matrix(groups(60, 60))
    shares = []
    for n_candidates in (1, 8):
        losses = []
        BPR(n_factors=8, epochs=1, n_candidates=n_candidates).fit(
            data, on_progress=lambda step, steps, loss, kept=losses: kept.append(loss)
        )
        shares.append(losses[0])
    assert shares[1] > shares[0] + 0.1


def test_a_user_who_took_everything_gets_an_empty_list_and_the_others_are_served():
    matrix = groups(10, 8)
    matrix[0] = 1.0
    for name in NAMES:
        lists = create_model(name, n_factors=4, epochs=2).fit(dataset_of_matrix(matrix)).recommend(k=3)
        assert lists.lengths[0] == 0
        assert lists.lengths[1:].min() > 0


def test_items_without_interactions_are_never_shown():
    matrix = groups(10, 8)
    matrix[:, 5] = 0.0
    for name in NAMES:
        model = create_model(name, n_factors=4, epochs=2).fit(dataset_of_matrix(matrix))
        assert 5 not in model.recommend(k=8, exclude_seen=False, unknown="empty").item_rows
        assert model.score(["u1"], ["i5"])[0] == -np.inf
        assert 5 not in model.similar_items(["i0"], k=8).item_rows


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (BPR, {"n_candidates": 0}),
        (BPR, {"popularity_exponent": 2.0}),
        (WARP, {"max_trials": 0}),
        (LogisticMF, {"n_negatives": 4}),
        (BPR, {"n_factors": 0}),
        (BPR, {"learning_rate": float("nan")}),
        (BPR, {"validation_share": 1.0}),
    ],
)
def test_a_setting_out_of_range_is_refused(kind, wrong):
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        kind(**wrong)


def test_nothing_liked_is_not_enough():
    data = dataset_of_matrix(groups(5, 5))
    actions = data.interactions
    nothing = data.with_interactions(replace(actions, weights=np.zeros_like(actions.weights)))
    with pytest.raises(DataInsufficientError, match="weight above 0"):
        BPR().fit(nothing)


def test_items_are_drawn_in_proportion_to_the_root_of_their_popularity():
    popularity = np.array([0, 100, 25, 1], np.int32)
    counts = np.bincount(drawn_items(np.array([1, 2, 3]), popularity, 0.5), minlength=4)
    assert counts[0] == 0
    assert counts[1] / counts[2] == pytest.approx(2.0, rel=0.1)
    assert counts[3] >= 1
    assert drawn_items(np.array([1, 3]), popularity, 0.0).tolist() == [1, 3]


def test_parts_hold_about_the_same_number_of_entries():
    matrix = sparse.csr_array(groups(50, 40))
    parts = equal_parts(matrix.indptr.astype(np.int64), 4)
    assert parts[0][0] == 0
    assert parts[-1][1] == 50
    sizes = [int(matrix.indptr[b] - matrix.indptr[a]) for a, b in parts]
    assert max(sizes) < 1.3 * min(sizes)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("retrieval", ["exact", "approximate"])
def test_lists_from_an_index_are_those_of_all_scores(name, retrieval, monkeypatch):
    monkeypatch.setattr(flat_index, "MIN_ITEMS", 100)
    monkeypatch.setattr(partitioned_index, "HEAD", 20)
    monkeypatch.setattr(partitioned_index, "MOST_SCANNED", 1.0)
    data = dataset_of_matrix(groups(300, 400, share=0.2))
    model = create_model(name, n_factors=8, epochs=2, retrieval=retrieval).fit(data)
    users = data.users.ids_of(np.arange(300))
    for _ in range(2):
        assert isinstance(model._index, PartitionedIndex if retrieval == "approximate" else FlatIndex)
        found = model.recommend(users, 20)
        with monkeypatch.context() as patch:
            patch.setattr(type(model), "_rank", Recommender._rank)
            best = model.recommend(users, 20)
        if retrieval == "exact":
            np.testing.assert_allclose(found.scores, best.scores, rtol=1e-4, atol=1e-5)
        shared = [len(np.intersect1d(a, b)) / 20 for a, b in zip(found.item_rows, best.item_rows, strict=True)]
        assert np.mean(shared) >= (0.999 if retrieval == "exact" else 0.96)
        model.update(data)
