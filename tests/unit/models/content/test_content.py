"""BM25, embeddings, the dot product and declared interests."""

import numpy as np
import polars as pl
import pytest

from foretaste.data import Dataset, Interactions, Query, Vocabulary
from foretaste.errors import ConfigurationError, DataFileError, DataFormatError
from foretaste.models import load_model, save_model
from foretaste.models.content.content import Content
from foretaste.models.content.tfidf import TfidfContent
from foretaste.testing import tiny_shop

ITEMS = pl.DataFrame(
    {
        "item_id": ["s1", "s2", "s3", "j1", "j2", "empty"],
        "title": ["navy wool socks", "red wool socks", "cotton stockings", "rain jacket", "wool coat", ""],
        "genres": [["Feet", "Warm"], ["Feet"], ["Feet"], ["Out-Door"], ["Warm"], []],
    }
)
WORDS = {
    "socks": (1.0, 0.1, 0.0),
    "stockings": (0.95, 0.15, 0.0),
    "jacket": (0.0, 0.1, 1.0),
    "coat": (0.05, 0.15, 0.95),
    "wool": (0.2, 0.9, 0.2),
    "cotton": (0.2, 0.85, 0.1),
    "parka": (0.0, 0.1, 0.98),
}


def make_data(users=None):
    items = Vocabulary(ITEMS["item_id"])
    rows = [(0, "s1"), (1, "j1")]
    interactions = Interactions(
        np.array([user for user, _ in rows], dtype=np.int32),
        items.rows([item for _, item in rows]),
        np.array([2.0, 1.0], dtype=np.float32),
        np.zeros(2),
        np.zeros(2, dtype=np.uint8),
    )
    ids = Vocabulary(["u0", "u1", "u2", "u3"])
    kinds = {"title": "text", "genres": "list"}
    return Dataset(ids, items, interactions, user_frame=users, item_frame=ITEMS, item_features=kinds)


USERS = pl.DataFrame(
    {
        "user_id": ["u0", "u1", "u2", "u3"],
        "age": [30, 40, 50, 60],
        "interests": [["out door"], None, ["WARM", "chess"], ["chess"]],
    }
)


@pytest.fixture
def folder(tmp_path):
    lines = [f"{word} " + " ".join(map(str, vector)) for word, vector in WORDS.items()]
    (tmp_path / "vectors.txt").write_text("\n".join(lines))
    return tmp_path


def test_tfidf_by_either_name_gives_the_same_lists():
    data = tiny_shop()
    one = TfidfContent().fit(data).recommend(k=5, unknown="empty")
    other = Content().fit(data).recommend(k=5, unknown="empty")
    np.testing.assert_array_equal(one.item_rows, other.item_rows)


def test_bm25_weights_are_those_of_the_formula():
    model = Content(columns=("title",), vectorization="bm25", ngrams=(1, 1), stop_words=None, similarity="dot")
    model.fit(make_data())
    texts = [title.split() for title in ITEMS["title"]]
    tokens = model._columns[0].tokens
    mean = np.mean([len(words) for words in texts if words])
    expected = np.zeros((6, len(tokens)))
    for row, words in enumerate(texts):
        for n, token in enumerate(tokens):
            df = sum(token in other for other in texts)
            tf = words.count(token)
            idf = np.log(1 + (6 - df + 0.5) / (df + 0.5))
            expected[row, n] = idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * len(words) / mean))
    found = model.vectors.toarray()
    scale = np.sqrt(np.mean((expected[:5] ** 2).sum(axis=1)))
    np.testing.assert_allclose(found, expected / scale, rtol=1e-5)
    assert model.recommend(["u0"], 3)[0].item_ids[0] == "s2"


def test_the_dot_product_leaves_items_at_their_own_length():
    cosine, dot = Content(columns=("genres",)), Content(columns=("genres",), similarity="dot")
    query = Query(history=["s2", "j2"], exclude_seen=False)
    best = dict(dot.fit(make_data()).recommend([query])[0])
    vectors = dot.vectors.toarray()
    profile = vectors[1] + vectors[4]
    expected = vectors @ profile / np.linalg.norm(profile)
    assert best == pytest.approx({i: s for i, s in zip(ITEMS["item_id"], expected, strict=True) if s > 0}, abs=1e-6)
    assert set(best) == set(dict(cosine.fit(make_data()).recommend([query])[0]))


def test_embeddings_find_items_that_share_no_word(folder):
    data = make_data()
    words = TfidfContent(columns=("title",)).fit(data)
    assert "j2" not in words.recommend(["u1"], 5)[0].item_ids  # coat and jacket share no word
    model = Content(columns=("title",), vectorization="embedding", model_path=str(folder)).fit(data)
    assert model.recommend(["u1"], 1)[0].item_ids == ("j2",)
    assert model.similar_items(["s1"], 5)[0].item_ids[0] == "s2"
    everything = model.recommend([Query(history=["s1"], k=6, exclude_seen=False)])[0]
    assert "empty" not in everything.item_ids
    assert everything.item_ids[0] == "s1"
    assert everything.scores[0] == pytest.approx(1, abs=1e-5)
    assert everything.scores[-1] < 0  # less like it than the mean


def test_embeddings_and_tags_make_one_vector_and_reasons_sum_to_the_score(folder):
    from foretaste.models.batches import build_batch

    model = Content(vectorization="embedding", model_path=str(folder)).fit(make_data())
    lengths = np.sqrt(np.asarray(model.vectors.power(2).sum(axis=1)).ravel() + (model.texts**2).sum(axis=1))
    np.testing.assert_allclose(lengths, [1, 1, 1, 1, 1, 0], atol=1e-5)
    query = Query(history=["s1", "j1"], history_weights=[3.0, 1.0], exclude_seen=False)
    best = model.recommend([query], explain=True)[0]
    batch, _ = build_batch(model.population, [query], [query])
    parts = model._contributions(batch, model.items.rows(list(best.item_ids)))
    np.testing.assert_allclose(parts.sum(axis=0), best.scores, atol=1e-5)
    assert best.reasons[0].kind == "content"
    assert best.reasons[0].exact


def test_new_items_are_embedded_with_words_that_training_did_not_see(folder, tmp_path):
    model = Content(columns=("title",), vectorization="embedding", model_path=str(folder)).fit(make_data())
    fresh = pl.DataFrame({"item_id": ["p"], "title": ["Parka"]})
    assert model.with_items(fresh).recommend(["u1"], 1)[0].item_ids == ("p",)
    save_model(model, tmp_path / "saved")
    loaded = load_model(tmp_path / "saved")
    assert list(loaded.recommend(["u1"])[0]) == list(model.recommend(["u1"])[0])
    assert loaded.with_items(fresh).recommend(["u1"], 1)[0].item_ids == ("p",)
    (folder / "vectors.txt").unlink()
    again = load_model(tmp_path / "saved")
    assert again.recommend(["u1"], 1)[0].item_ids == ("j2",)  # ranking needs the vectors no more
    with pytest.raises(DataFileError, match="no file of word vectors"):
        again.with_items(fresh)


def test_embeddings_need_a_folder_that_is_there(tmp_path):
    with pytest.raises(DataFileError, match="nowhere"):
        Content(vectorization="embedding", model_path=str(tmp_path / "nowhere")).fit(make_data())
    for parameters in ({"vectorization": "embedding"}, {"model_path": "x"}):
        with pytest.raises(ConfigurationError, match="belong together"):
            Content(**parameters)


def test_declared_interests_serve_users_without_a_history():
    model = Content().fit(make_data(USERS))
    lists = model.recommend(["u2", "u3"], 6, unknown="empty")
    assert set(lists[0].item_ids) == {"s1", "j2"}  # both are warm
    assert len(lists[1]) == 0  # nothing is about chess
    reason = model.explain("u2", ["j2"])[0]
    assert reason.kind == "content"
    assert reason.features == ("genres: Warm",)
    assert not reason.exact
    assert len(Content(interests=()).fit(make_data(USERS)).recommend(["u2"], 6, unknown="empty")[0]) == 0


def test_interests_count_beside_a_history_only_on_request():
    plain = Content().fit(make_data(USERS)).recommend(["u0"], 6)[0]
    assert "j1" not in plain.item_ids
    assert plain.item_ids == Content(interests=()).fit(make_data(USERS)).recommend(["u0"], 6)[0].item_ids
    both = Content(interest_weight=1.0).fit(make_data(USERS))
    assert "j1" in both.recommend(["u0"], 6)[0].item_ids
    assert not both.explain("u0", ["s2"])[0].exact
    assert both.explain("u0", ["j1"])[0].features == ("genres: Out-Door",)
    scores = dict(both.recommend(["u0"], 6, exclude_seen=False)[0])
    vectors = both.vectors.toarray()
    profile = 2 * vectors[0] + 2 * both.interests.toarray()[0]  # as much as the mean entry
    np.testing.assert_allclose(scores["j1"], vectors[3] @ profile / np.linalg.norm(profile), atol=1e-6)


def test_interests_match_words_of_texts_and_can_be_named():
    users = USERS.rename({"interests": "about_me"}).with_columns(about_me=pl.Series(["", "", "red socks", ""]))
    assert len(Content().fit(make_data(users)).recommend(["u2"], 6, unknown="empty")[0]) == 0
    named = Content(interests=("about_me",)).fit(make_data(users))
    assert named.recommend(["u2"], 1)[0].item_ids == ("s2",)
    with pytest.raises(DataFormatError, match="'hobby'"):
        Content(interests=("hobby",)).fit(make_data(users))


def test_an_update_takes_up_new_interests():
    model = Content().fit(make_data(USERS))
    changed = USERS.with_columns(interests=pl.Series([None, None, ["Feet"], ["Warm"]], dtype=pl.List(pl.String)))
    model.update(make_data(changed))
    assert model.recommend(["u3"], 6)[0].item_ids == ("j2", "s1")
    assert "s3" in model.recommend(["u2"], 6)[0].item_ids


def test_a_shop_customer_without_purchases_gets_the_favourite_category():
    shop = tiny_shop()
    cold = shop.n_users - 1
    favourite = shop.user_frame["favourite"][cold]
    best = Content().fit(shop).recommend([shop.users.id(cold)], 5)[0]
    kinds = dict(zip(shop.item_frame["item_id"], shop.item_frame["category"], strict=True))
    assert {kinds[item] for item in best.item_ids} == {favourite}
