"""Every registered reranker keeps the contract."""

import pytest

from foretaste.rerank import reranker_names
from foretaste.testing.rerank import RerankerContract

ADJUSTED = {
    "calibration": {"field": "genre"},
    "freshness": {"half_life_days": 20.0},
    "exposure_fairness": {"field": "seller", "trade_off": 0.5},
    "demographic_parity": {"field": "seller", "group": ["s1"], "share": 0.6},
}
"""Parameters with which a reranker has an effect on the toy lists."""


def test_every_reranker_is_under_contract():
    assert {cls.kind for cls in CLASSES} == set(reranker_names())


CLASSES = [
    type(f"Test_{kind}", (RerankerContract,), {"kind": kind, "parameters": ADJUSTED.get(kind, {})})
    for kind in reranker_names()
]
globals().update({cls.__name__: cls for cls in CLASSES})


def test_the_contract_catches_a_reranker_that_drops_items():
    from foretaste.rerank.mmr import MMR

    class Dropping(MMR):
        def _choose(self, slate, candidates):
            chosen = super()._choose(slate, candidates)
            return chosen[:, ::-1].copy()

    contract = RerankerContract()
    from foretaste.testing.rerank import toy_slate, toy_view

    with pytest.raises(AssertionError):
        contract.test_pinned_items_stand_at_their_places(Dropping(MMR.config_class()), toy_slate(toy_view()))
