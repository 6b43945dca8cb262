import json

import numpy as np
import pytest

from foretaste.data import Dataset, Interactions, Vocabulary
from foretaste.errors import DataInsufficientError, UnknownNameError
from foretaste.evaluation import compare, create_splitter, evaluate, given_split
from foretaste.evaluation import evaluator as evaluator_module
from foretaste.models import create_model


def dataset(pairs: list[tuple[int, int]], n_users: int = 4, n_items: int = 6, weight: float = 1.0) -> Dataset:
    users, items = (np.array(column, np.int32) for column in zip(*pairs, strict=True))
    n = len(pairs)
    interactions = Interactions(
        users, items, np.full(n, weight, np.float32), np.full(n, np.nan), np.zeros(n, np.uint8)
    ).sorted()
    return Dataset(
        Vocabulary([f"u{n}" for n in range(n_users)]), Vocabulary([f"i{n}" for n in range(n_items)]), interactions
    )


TRAIN = [(0, 0), (0, 1), (1, 0), (1, 2), (2, 0), (2, 1), (2, 3)]


def split(test: list[tuple[int, int]], train: list[tuple[int, int]] = TRAIN):
    whole = dataset(train)
    return given_split(whole, whole.with_interactions(dataset(test).interactions))


def test_values_are_those_counted_by_hand():
    # popular is i0 (3), i1 (2), i2 (1), i3 (1); u0 has not seen i2, i3; u1 not i1, i3
    done = evaluate(
        create_model("popular").fit(dataset(TRAIN)), split([(0, 2), (1, 3), (1, 4)]), ["recall", "mrr"], k=[2]
    )
    assert done.n_users == 2
    assert done.values["recall@2"].mean == pytest.approx((1 + 1 / 2) / 2)
    assert done.values["mrr@2"].mean == pytest.approx((1 + 1 / 2) / 2)
    assert done.per_user["recall@2"].tolist() == [1.0, 0.5]


def test_what_train_holds_is_no_truth_and_is_counted():
    done = evaluate(create_model("popular").fit(dataset(TRAIN)), split([(0, 0), (0, 2)]), ["recall"], k=[6])
    assert done.values["recall@6"].mean == 1.0
    assert "1 test pairs that train already holds are not judged" in done.warnings
    with pytest.raises(DataInsufficientError, match="anything to find"):
        evaluate(create_model("popular").fit(dataset(TRAIN)), split([(0, 0)]), ["recall"])


def test_users_new_to_train_count_as_misses_unless_left_out():
    fitted = create_model("item_knn").fit(dataset(TRAIN))
    both = evaluate(fitted, split([(0, 3), (3, 0)]), ["hit_rate"], k=[6])
    known = evaluate(fitted, split([(0, 3), (3, 0)]), ["hit_rate"], k=[6], known_users_only=True)
    assert (both.n_users, both.values["hit_rate@6"].mean) == (2, 0.5)
    assert (known.n_users, known.values["hit_rate@6"].mean) == (1, 1.0)
    assert "1 of 2 judged users are new to train" in both.warnings
    assert "users known to train judged" in known.protocol


def test_batches_of_users_give_the_same_values(monkeypatch):
    rng = np.random.default_rng(0)
    pairs = sorted({(int(u), int(i)) for u, i in zip(rng.integers(0, 60, 900), rng.integers(0, 40, 900), strict=True)})
    divided = create_splitter("random", test_share=0.3).split(dataset(pairs, 60, 40))
    model = create_model("item_knn").fit(divided.train)
    whole = evaluate(model, divided, k=[5])
    monkeypatch.setattr(evaluator_module, "BATCH_USERS", 7)
    parts = evaluate(model, divided, k=[5])
    assert {label: value.mean for label, value in whole.values.items()} == pytest.approx(
        {label: value.mean for label, value in parts.values.items()}
    )
    ndcg = whole.values["ndcg@5"]
    assert ndcg.low < ndcg.mean < ndcg.high


def test_rating_errors_are_over_pairs_and_clipped_to_the_scale():
    train = dataset(TRAIN, weight=3.0)
    divided = given_split(train, train.with_interactions(dataset([(0, 2), (1, 1)], weight=4.0).interactions))
    done = evaluate(create_model("bias").fit(train), divided, ["rmse", "mae"])
    assert done.values["rmse"].mean == pytest.approx(1.0)  # every prediction is 3
    assert done.values["mae"].mean == pytest.approx(1.0)
    warned = evaluate(create_model("popular").fit(train), divided, ["rmse"])
    assert any("predicts no ratings" in warning for warning in warned.warnings)


def test_an_unknown_metric_lists_the_valid_ones():
    with pytest.raises(UnknownNameError) as caught:
        evaluate(create_model("popular").fit(dataset(TRAIN)), split([(0, 2)]), ["ndgc"])
    assert "ndcg" in caught.value.hint


def test_a_comparison_stands_beside_random_and_popular_and_survives_a_failure(tmp_path):
    told = []
    done = compare(
        {"knn": create_model("item_knn"), "bad": create_model("trending")},
        split([(0, 2), (1, 1), (2, 2)]),
        ["ndcg", "catalog_coverage"],
        k=[2],
        on_progress=lambda *step: told.append(step),
    )
    assert {run.name for run in done.runs} == {"random", "popular", "knn", "bad"}
    assert done.runs[-1].name == "bad"
    assert "timestamp" in done.runs[-1].error
    assert told[-1] == ("", 4, 4)
    means = [run.evaluation.values["ndcg@2"].mean for run in done.runs if run.evaluation]
    assert means == sorted(means, reverse=True)
    assert done.to_frame().height == 4
    assert "bad" in done.to_text()
    written = done.write(tmp_path / "out")
    assert {path.name for path in written} == {"comparison.md", "comparison.json", "comparison.png"}
    assert json.loads(written[1].read_text())["models"][-1]["error"]
    assert done.paired("knn", "popular", "ndcg@2").n_users == 3
