import numpy as np
import pytest

from foretaste.data import Query
from foretaste.errors import ConfigurationError
from foretaste.rerank import Slate, create_reranker
from foretaste.serving.config import parse_pipeline
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.live.users import EventWeights
from foretaste.serving.live.view import Views, content_vectors, item_vectors
from foretaste.serving.pipeline import Pipeline
from foretaste.serving.training import fit_models
from foretaste.storage.records import Record

CONFIG = {
    "models": {"ials": {"kind": "ials", "n_factors": 8}, "popular": {"kind": "popular"}},
    "sources": [{"model": "ials"}],
    "fallback": {"chain": ["popular"]},
}
DIVERSE = {"rerank": [{"kind": "mmr", "trade_off": 0.1}]}


@pytest.fixture(scope="module")
def bundle(shop):
    models, _ = fit_models(parse_pipeline(CONFIG), shop)
    return Bundle("v1", models, shop.population, EventWeights())


def run(bundle, shop, *, k=5, **changes):
    return Pipeline(parse_pipeline(CONFIG | changes)).run([Query(user_id=shop.users.id(0), k=k)], bundle)


def test_a_reranker_chooses_from_the_whole_pool_as_it_does_alone(bundle, shop):
    plain = bundle.models["ials"].recommend([Query(user_id=shop.users.id(0), k=24)])
    query = [Query(user_id=shop.users.id(0), k=5)]
    found = Pipeline(parse_pipeline(CONFIG | DIVERSE)).run(query, bundle).lists
    view = Views().of(bundle, Catalogue(bundle.items))
    slate = Slate(plain.item_rows, plain.scores, np.array([5]), view)
    expected = create_reranker("mmr", trade_off=0.1).rerank(slate)
    assert found.item_rows[0].tolist() == expected.rows[0, :5].tolist()
    assert found.item_rows[0].tolist() != plain.item_rows[0, :5].tolist()
    assert set(found[0].sources) == {"ials"}


def test_items_keep_their_scores_and_sources_when_they_move(bundle, shop):
    plain = run(bundle, shop, k=20).lists[0]
    moved = run(bundle, shop, **DIVERSE).lists[0]
    score = dict(zip(plain.item_ids, plain.scores, strict=True))
    assert moved.scores == pytest.approx([score[i] for i in moved.item_ids])


def test_a_scenario_has_rerankers_of_its_own(bundle, shop):
    config = parse_pipeline(CONFIG | DIVERSE | {"scenarios": {"plain": {"rerank": []}}})
    queries = [Query(user_id=shop.users.id(0), k=5, scenario="plain")]
    assert Pipeline(config).run(queries, bundle).lists[0].item_ids == run(bundle, shop).lists[0].item_ids


def test_a_wrong_reranker_is_refused_with_what_is_wrong():
    with pytest.raises(ConfigurationError, match="no reranker 'mrm'"):
        parse_pipeline(CONFIG | {"rerank": [{"kind": "mrm"}]})


def test_a_pipeline_with_rerankers_survives_being_dumped():
    config = parse_pipeline(CONFIG | DIVERSE)
    assert parse_pipeline(config.dump()) == config


def test_later_arrivals_have_no_vectors_and_a_known_popularity_of_none(bundle, shop):
    catalogue = Catalogue(bundle.items).changed([Record("fresh", {"category": "hats"}, True, 10.0, 10.0, 1)])
    view = Views().of(bundle, catalogue)
    row = catalogue.items.row("fresh")
    assert view.n_items == len(catalogue.items)
    assert row == len(view.vectors)
    assert view.popularity[row] == 0
    assert view.created_at[row] == 10.0
    assert view.fields["category"].names[view.codes("category")[row]] == "hats"
    assert view.labels("colour") is None


def test_a_view_is_made_once_for_the_same_models_and_catalogue(bundle):
    views, catalogue = Views(), Catalogue(bundle.items)
    assert views.of(bundle, catalogue) is views.of(bundle, catalogue)
    changed = views.of(bundle, catalogue.changed([Record("fresh", version=2)]))
    assert changed.n_items == len(bundle.items) + 1


def test_vectors_come_from_factors_before_content_and_have_length_one(bundle, shop):
    vectors = item_vectors(bundle)
    lengths = np.linalg.norm(vectors, axis=1)
    assert vectors.shape == (len(shop.items), 8)
    assert np.allclose(lengths[lengths > 0], 1, atol=1e-5)


def test_projected_content_keeps_its_cosines():
    from scipy import sparse

    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(4), 10)
    dense = (rng.random((40, 900)) < 0.02) + 0.0
    dense[np.arange(40), groups] = 4.0  # one strong word a group
    made = content_vectors(sparse.csr_array(dense.astype(np.float32)), None)
    assert made.shape == (40, 64)
    unit = dense / np.linalg.norm(dense, axis=1, keepdims=True)
    assert np.abs(made @ made.T - unit @ unit.T).mean() < 0.12
    assert content_vectors(sparse.csr_array((3, 0), dtype=np.float32), None).tolist() == [[0.0], [0.0], [0.0]]
