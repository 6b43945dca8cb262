"""Content: the cosine of profiles and items, exact reasons, new items without training."""

import numpy as np
import polars as pl
import pytest

from foretaste.data import Dataset, Interactions, Query, Vocabulary
from foretaste.errors import ConfigurationError, DataFormatError, DataInsufficientError
from foretaste.models import load_model, save_model
from foretaste.models.content.labels import label_of
from foretaste.models.content.tfidf import TfidfContent
from foretaste.testing import checkerboard, tiny_shop

ITEMS = pl.DataFrame(
    {
        "item_id": ["s1", "s2", "s3", "j1", "j2", "empty"],
        "title": ["Navy wool socks", "Red wool socks", "Cotton socks", "Rain jacket", "Wool jacket", ""],
        "category": ["socks", "socks", "socks", "jackets", "jackets", None],
        "price": [9.0, 10.0, 7.0, 120.0, 150.0, None],
    }
)
KINDS = {"title": "text", "category": "categorical", "price": "numeric"}


def make_data(rows=((0, "s1", 1.0, 0.0),), frame=ITEMS, kinds=KINDS):
    """Rows are (user number, item id, weight, day)."""
    vocabulary = Vocabulary(frame["item_id"])
    interactions = Interactions(
        np.array([row[0] for row in rows], dtype=np.int32),
        vocabulary.rows([row[1] for row in rows]),
        np.array([row[2] for row in rows], dtype=np.float32),
        np.array([row[3] * 86_400.0 for row in rows], dtype=np.float64),
        np.zeros(len(rows), dtype=np.uint8),
    ).sorted()
    users = Vocabulary([f"u{n}" for n in range(max(row[0] for row in rows) + 1)])
    return Dataset(users, vocabulary, interactions, item_frame=frame, item_features=kinds)


def test_the_score_is_the_cosine_of_the_profile_and_the_item():
    model = TfidfContent().fit(make_data())
    vectors = model.vectors.toarray()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 1, 1, 1, 1, 0], atol=1e-6)
    query = Query(history=["s1", "j1"], history_weights=[3.0, 1.0], exclude_seen=False)
    profile = 3 * vectors[0] + vectors[3]
    cosines = vectors @ profile / np.linalg.norm(profile)
    best = dict(model.recommend([query])[0])
    assert best == pytest.approx({i: c for i, c in zip(ITEMS["item_id"], cosines, strict=True) if c > 0}, abs=1e-6)
    assert "empty" not in best


def test_items_like_those_of_the_history_come_first_even_when_nobody_took_them():
    model = TfidfContent().fit(make_data())
    assert model.recommend(["u0"], 2)[0].item_ids == ("s2", "s3")
    assert model.similar_items(["j1"], 1)[0].item_ids == ("j2",)


def test_old_interests_fade_on_request():
    rows = [(0, "s1", 1.0, 0.0), (0, "j1", 1.0, 365.0)]
    plain = dict(TfidfContent(columns=("category",)).fit(make_data(rows)).recommend(["u0"])[0])
    fading = dict(TfidfContent(columns=("category",), half_life_days=30).fit(make_data(rows)).recommend(["u0"])[0])
    assert plain["s2"] == pytest.approx(1 / np.sqrt(2), abs=1e-6) == plain["j2"]
    assert fading["j2"] > 0.99 > 0.01 > fading["s2"] > 0


def test_a_column_weight_of_zero_leaves_the_column_out():
    words = TfidfContent(columns=("title", "category"), column_weights={"category": 0}).fit(make_data())
    assert set(words.recommend(["u0"], 10)[0].item_ids) == {"s2", "s3", "j2"}  # j1 shares no word
    strong = TfidfContent(columns=("title", "category"), column_weights={"category": 20}).fit(make_data())
    assert strong.recommend(["u0"], 10)[0].scores[1] > 0.99


def test_reasons_sum_to_the_score_and_name_what_is_shared():
    model = TfidfContent().fit(make_data())
    query = Query(history=["s1", "j1"], history_weights=[3.0, 1.0], exclude_seen=False)
    best = model.recommend([query], explain=True)[0]
    place = best.item_ids.index("s2")
    reason = best.reasons[place]
    assert reason.kind == "content"
    assert reason.exact
    assert reason.item_ids[0] == "s1"
    assert reason.features[0] in {"wool socks", "category: socks", "socks", "wool"}
    assert "category: socks" in reason.features
    from foretaste.models.batches import build_batch

    batch, _ = build_batch(model.population, [query], [query])
    parts = model._contributions(batch, model.items.rows(list(best.item_ids)))
    np.testing.assert_allclose(parts.sum(axis=0), best.scores, atol=1e-6)


def test_numbers_are_named_only_where_nothing_else_is_shared():
    prices = TfidfContent(columns=("price",), n_bins=2).fit(make_data())
    reason = prices.explain("u0", ["s2"])[0]
    assert reason.features
    assert all(feature.startswith("price: about ") for feature in reason.features)
    every = TfidfContent(number_weight=50).fit(make_data()).explain("u0", ["s2"])[0]
    assert not any("price" in feature for feature in every.features)


def test_numbers_weigh_less_than_words_unless_told_otherwise():
    def share(**parameters):
        model = TfidfContent(columns=("title", "price"), **parameters).fit(make_data())
        tokens = np.flatnonzero([label_of(model._columns, n)[0] == "numeric" for n in range(model.vectors.shape[1])])
        return float((model.vectors.toarray()[0, tokens] ** 2).sum())

    assert share() < share(number_weight=1.0) < share(column_weights={"price": 3.0})
    assert share(number_weight=0.0, column_weights={"price": 1.0}) == pytest.approx(share(number_weight=1.0))


def test_new_items_are_ranked_at_once_without_training(tmp_path):
    model = TfidfContent().fit(make_data())
    fresh = pl.DataFrame(
        {"item_id": ["n1", "j1"], "title": ["Thick wool socks", "Wool socks"], "category": ["socks"] * 2}
    )
    larger = model.with_items(fresh)
    assert len(model.items) == 6
    assert len(larger.items) == 7
    assert larger.items.row("j1") == model.items.row("j1")
    top = dict(larger.recommend(["u0"])[0])
    assert top["n1"] > 0.3
    assert top["j1"] > top["j2"]
    assert larger.similar_items(["n1"], 1)[0].item_ids == ("j1",)
    save_model(larger, tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    assert list(loaded.recommend(["u0"])[0]) == list(larger.recommend(["u0"])[0])
    again = loaded.with_items(fresh)
    np.testing.assert_allclose(again.vectors.toarray(), larger.vectors.toarray(), atol=1e-7)


def test_new_items_must_have_ids():
    with pytest.raises(DataFormatError, match="item_id"):
        TfidfContent().fit(make_data()).with_items(pl.DataFrame({"title": ["x"]}))


def test_an_update_takes_up_new_items():
    model = TfidfContent().fit(make_data())
    more = pl.concat(
        [ITEMS, pl.DataFrame({"item_id": ["n"], "title": ["Navy wool"], "category": ["socks"], "price": [9.0]})]
    )
    model.update(make_data(rows=[(0, "s1", 1.0, 0.0), (1, "n", 1.0, 1.0)], frame=more))
    assert model.recommend(["u0"], 1)[0].item_ids == ("n",)
    assert model.recommend(["u1"], 1)[0].item_ids == ("s1",)


def test_kinds_are_inferred_where_none_are_declared():
    shop = tiny_shop()
    bare = Dataset(shop.users, shop.items, shop.interactions, item_frame=shop.item_frame)
    assert TfidfContent().fit(bare).similar_items(["p-000"], 3)[0].item_ids[0] == "p-001"
    similar = TfidfContent().fit(checkerboard().data).similar_items(["i0"], 9)[0]
    assert {int(item[1:]) % 2 for item in similar.item_ids} == {0}


def test_items_without_features_are_refused():
    data = make_data()
    for frame in (None, ITEMS.select("item_id")):
        with pytest.raises(DataInsufficientError, match="no features"):
            TfidfContent().fit(Dataset(data.users, data.items, data.interactions, item_frame=frame))
    with pytest.raises(DataInsufficientError, match="tells items apart"):
        TfidfContent(columns=("title",), min_df=6).fit(data)
    with pytest.raises(DataFormatError, match="'brand'"):
        TfidfContent(columns=("brand",)).fit(data)
    with pytest.raises(ConfigurationError, match="run of words"):
        TfidfContent(ngrams=(2, 1))
