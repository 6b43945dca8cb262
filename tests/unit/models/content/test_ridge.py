"""The closed form against a slow minimum, and what it learns that shared words cannot say."""

import numpy as np
import polars as pl
import pytest

from foretaste.data import Dataset, Interactions, Query, Vocabulary
from foretaste.errors import DataFormatError, DataInsufficientError
from foretaste.models.content.ridge import ContentRidge

ITEMS = pl.DataFrame(
    {
        "item_id": ["b1", "b2", "b3", "f1", "f2", "f3", "bare"],
        "kind": ["book", "book", "book", "film", "film", "film", None],
        "tags": [["space"], ["space"], ["love"], ["robot"], ["robot"], ["kiss"], []],
    }
)
PAIRS = [(0, "b1"), (0, "f1"), (1, "b2"), (1, "f1"), (2, "b3"), (2, "f3"), (3, "b1"), (4, "b3")]


def make_data(items=ITEMS):
    vocabulary = Vocabulary(items["item_id"])
    n = len(PAIRS)
    interactions = Interactions(
        np.array([user for user, _ in PAIRS], dtype=np.int32),
        vocabulary.rows([item for _, item in PAIRS]),
        np.ones(n, dtype=np.float32),
        np.arange(n, dtype=np.float64),
        np.zeros(n, dtype=np.uint8),
    )
    kinds = {"kind": "categorical", "tags": "list"} if "tags" in items.columns else {}
    return Dataset(
        Vocabulary([f"u{n}" for n in range(5)]), vocabulary, interactions, item_frame=items, item_features=kinds
    )


def test_the_weights_are_the_minimum_of_the_loss():
    model = ContentRidge(regularization=2.0, item_regularization=0.5).fit(make_data())
    X = make_data().matrix("binary").toarray().astype(float)
    X /= np.sqrt(X.sum(axis=1, keepdims=True))
    F = model.features.toarray().astype(float)
    A, warm = X @ F, X.sum(axis=0) > 0
    X, F = X[:, warm], F[warm]

    def gradient(W):
        error = A @ W @ F.T - X
        return A.T @ error @ F + 2.0 * W @ F.T @ F + 0.5 * A.T @ A @ W + 2.0 * 0.5 * W

    assert np.abs(gradient(np.zeros_like(model.weights))).max() > 1
    np.testing.assert_allclose(gradient(model.weights.astype(float)), 0, atol=1e-5)


def test_it_learns_that_one_tag_goes_with_another():
    model = ContentRidge(regularization=0.1, item_regularization=0.1).fit(make_data())
    films = np.array([item.startswith("f") for item in ITEMS["item_id"]])
    assert model.recommend(["u3"], 2, allowed=films)[0].item_ids == ("f1", "f2")  # f2 was taken by nobody
    assert model.recommend(["u4"], 1, allowed=films)[0].item_ids == ("f3",)
    assert "bare" not in model.recommend(["u3"], 7, exclude_seen=False)[0].item_ids


def test_new_items_are_ranked_without_training():
    model = ContentRidge(regularization=0.1, item_regularization=0.1).fit(make_data())
    fresh = pl.DataFrame({"item_id": ["f9", "b3"], "kind": ["film", "book"], "tags": [["robot", "unheard"], ["space"]]})
    larger = model.with_items(fresh)
    best = dict(larger.recommend([Query(history=["b1"])], 8)[0])
    assert best["f9"] == pytest.approx(best["f2"], abs=0.2)
    assert best["b3"] == pytest.approx(best["b2"], abs=1e-6)  # its tag was changed
    with pytest.raises(DataFormatError, match="item_id"):
        model.with_items(pl.DataFrame({"kind": ["film"]}))


def test_items_without_features_are_refused():
    with pytest.raises(DataInsufficientError, match="no features"):
        ContentRidge().fit(make_data(ITEMS.select("item_id")))
    with pytest.raises(DataInsufficientError, match="nothing to learn"):
        ContentRidge(min_df=5).fit(make_data())
