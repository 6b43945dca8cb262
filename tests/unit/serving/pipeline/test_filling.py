"""Whenever k items may be shown, k come back: masks, histories, exclusions and catalogues drawn at random."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foretaste.data import Query
from foretaste.serving.config import parse_pipeline
from foretaste.serving.live.bundle import Bundle
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.live.users import EventWeights
from foretaste.serving.pipeline import Pipeline
from foretaste.serving.training import fit_models
from foretaste.storage.records import Record

CONFIG = {
    "models": {"ials": {"kind": "ials", "n_factors": 4}, "popular": {"kind": "popular"}},
    "sources": [{"model": "ials", "k": 6}, {"model": "popular", "k": 4}, {"kind": "catalogue", "k": 3}],
    "fallback": {"chain": ["popular"]},
    "pool": 9,
}


@pytest.fixture(scope="module")
def bundle(shop):
    models, _ = fit_models(parse_pipeline(CONFIG), shop)
    return Bundle("v1", models, shop.population, EventWeights())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(),
    share=st.sampled_from([0.0, 0.05, 0.3, 1.0]),
    by_query=st.booleans(),
    steps=st.sampled_from([(), ({"kind": "mmr"},), ({"kind": "freshness"},)]),
)
def test_as_many_items_come_back_as_exist_and_were_asked_for(bundle, shop, data, share, by_query, steps):
    items = [*shop.items.ids.to_list(), "new-1", "new-2"]
    some = st.lists(st.sampled_from(items), max_size=12, unique=True)
    hidden = set(data.draw(some))
    records = [Record(i, {}, i not in hidden, 1.0, 1.0, 1) for i in ("new-1", "new-2", *hidden)]
    catalogue = Catalogue(bundle.items).changed(records)
    queries = []
    for _ in range(data.draw(st.integers(1, 3))):
        who = data.draw(st.sampled_from(["known", "history", "stranger"]))
        history = tuple(data.draw(some)) if who == "history" else None
        user = shop.users.id(0) if who == "known" else None
        queries.append(Query(user, history, k=data.draw(st.integers(1, 40)), exclude=frozenset(data.draw(some))))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    n = len(catalogue.items)
    allowed = rng.random((len(queries), n) if by_query else n) < share
    pipeline = Pipeline(parse_pipeline(CONFIG | {"rerank": steps}))
    lists = pipeline.run(queries, bundle, catalogue=catalogue, allowed=allowed).lists
    for b, query in enumerate(queries):
        seen = set(query.history or ()) if query.user_id is None else _had(shop, query.user_id)
        mask = (allowed[b] if by_query else allowed) & catalogue.allowed
        may = set(catalogue.items.ids_of(np.flatnonzero(mask))) - seen - query.exclude
        one = lists[b].item_ids
        assert len(one) == len(set(one)) == min(query.k, len(may))
        assert set(one) <= may


def _had(shop, user_id):
    return set(shop.items.ids_of(shop.histories.item_rows[shop.histories.slice(shop.users.row(user_id))]))
