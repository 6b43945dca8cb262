"""What every reranker must do. Subclass :class:`RerankerContract`, name the kind, and pytest runs it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from foretaste.errors import ConfigurationError, UnknownParameterError
from foretaste.rerank import ItemView, Labels, Reranker, Slate, create_reranker, parse_rerank, reranker_class

DAY_S = 86_400.0
NOW = 1_800_000_000.0


def toy_view(n_items: int = 40, *, seed: int = 0) -> ItemView:
    """Items of which everything is known, but for every seventh, of which nothing is."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n_items, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    created = NOW - rng.uniform(0, 100, n_items) * DAY_S
    genres = [[f"g{g}" for g in rng.choice(4, size=rng.integers(1, 3), replace=False)] for _ in range(n_items)]
    unknown = np.arange(n_items) % 7 == 6
    vectors[unknown] = 0.0
    created[unknown] = np.nan
    sellers = [[] if unknown[i] else [f"s{rng.integers(3)}"] for i in range(n_items)]
    return ItemView(
        n_items,
        vectors,
        {"genre": Labels.of([[] if unknown[i] else own for i, own in enumerate(genres)]), "seller": Labels.of(sellers)},
        created,
        rng.uniform(0, 50, n_items),
        rng.uniform(0, 200, n_items),
    )


def toy_slate(view: ItemView, ks: tuple[int, ...] = (5, 8, 3, 12), n: int = 20, *, seed: int = 1) -> Slate:
    """Lists of several lengths, the last one short, with a history each."""
    rng = np.random.default_rng(seed)
    rows = np.stack([rng.choice(view.n_items, size=n, replace=False) for _ in ks]).astype(np.int32)
    scores = -np.sort(-rng.uniform(0, 5, rows.shape).astype(np.float32), axis=1)
    rows[-1, n // 2 :], scores[-1, n // 2 :] = -1, np.nan
    histories = [rng.choice(view.n_items, size=6).astype(np.int32) for _ in ks]
    weights = [rng.uniform(0, 2, 6).astype(np.float32) for _ in ks]
    return Slate(rows, scores, np.array(ks), view, histories, weights, now=NOW, seed=3)


class RerankerContract:
    """The contract; a class attribute says which reranker it is about."""

    kind: ClassVar[str]
    parameters: ClassVar[Mapping[str, Any]] = {}
    """Parameters with which it has an effect on the toy lists."""

    @pytest.fixture
    def reranker(self) -> Reranker:
        return create_reranker(self.kind, **self.parameters)

    @pytest.fixture
    def slate(self) -> Slate:
        return toy_slate(toy_view())

    def test_it_has_the_name_it_is_registered_by_and_its_settings_survive_json(self, reranker: Reranker) -> None:
        assert reranker.name == self.kind
        dumped = reranker.config.model_dump(mode="json")
        assert parse_rerank(dumped) == reranker.config
        assert repr(create_reranker(reranker.config)) == repr(reranker)

    def test_it_refuses_a_parameter_that_it_does_not_have(self) -> None:
        with pytest.raises(UnknownParameterError, match="nonsense"):
            create_reranker(self.kind, **self.parameters, nonsense=1)

    def test_it_has_an_effect_on_the_toy_lists(self, reranker: Reranker, slate: Slate) -> None:
        assert reranker.lacks(slate) is None
        assert not np.array_equal(reranker.rerank(slate).rows, slate.rows)

    def test_each_list_holds_the_same_items_with_their_own_scores_and_padding_at_the_end(
        self, reranker: Reranker, slate: Slate
    ) -> None:
        after = reranker.rerank(slate)
        assert after.rows.shape == slate.rows.shape
        assert after.rows.dtype == np.int32
        assert after.scores.dtype == np.float32
        for b in range(len(slate)):
            there = slate.rows[b] >= 0
            n = int(there.sum())
            before = dict(zip(slate.rows[b, there].tolist(), slate.scores[b, there].tolist(), strict=True))
            assert dict(zip(after.rows[b, :n].tolist(), after.scores[b, :n].tolist(), strict=True)) == before
            assert (after.rows[b, n:] == -1).all()
            assert np.isnan(after.scores[b, n:]).all()
            assert np.array_equal(slate.rows[b, after.places[b, :n]], after.rows[b, :n])
        assert np.array_equal(after.ks, slate.ks)

    def test_what_is_not_in_the_list_keeps_its_order(self, reranker: Reranker, slate: Slate) -> None:
        after = reranker.rerank(slate)
        for b, k in enumerate(slate.ks):
            rest = after.places[b, k:]
            assert (np.diff(rest[rest >= 0]) > 0).all()

    def test_the_same_slate_gives_the_same_lists_and_is_not_changed(self, reranker: Reranker, slate: Slate) -> None:
        rows, scores = slate.rows.copy(), slate.scores.copy()
        first = reranker.rerank(slate)
        again = create_reranker(self.kind, **self.parameters).rerank(slate)
        assert np.array_equal(first.rows, again.rows)
        assert np.array_equal(rows, slate.rows)
        assert np.array_equal(scores, slate.scores, equal_nan=True)

    def test_a_batch_gives_each_user_the_list_that_it_gets_alone(self, reranker: Reranker, slate: Slate) -> None:
        together = reranker.rerank(slate)
        for b in range(len(slate)):
            alone = replace(
                slate,
                rows=slate.rows[b : b + 1],
                scores=slate.scores[b : b + 1],
                ks=slate.ks[b : b + 1],
                histories=slate.histories[b : b + 1],
                history_weights=slate.history_weights[b : b + 1],
                places=slate.places[b : b + 1],
            )
            assert np.array_equal(reranker.rerank(alone).rows[0], together.rows[b])

    def test_pinned_items_stand_at_their_places(self, reranker: Reranker, slate: Slate) -> None:
        pins = np.full((len(slate), 4), -1, dtype=np.int32)
        pins[0, 0], pins[1, 2], pins[2, 1] = slate.rows[0, 7], slate.rows[1, 19], slate.rows[2, 0]
        pins[3, :2] = slate.rows[3, 3]  # pinned twice: the first place counts
        after = reranker.rerank(replace(slate, pins=pins))
        assert after.rows[0, 0] == pins[0, 0]
        assert after.rows[1, 2] == pins[1, 2]
        assert after.rows[2, 1] == pins[2, 1]
        assert after.rows[3, 0] == pins[3, 0]
        for b in range(len(slate)):
            assert sorted(after.rows[b].tolist()) == sorted(slate.rows[b].tolist())

    def test_a_pin_on_an_item_that_is_not_there_is_passed_over(self, reranker: Reranker, slate: Slate) -> None:
        absent = next(row for row in range(slate.view.n_items) if row not in slate.rows[0])
        pins = np.full((len(slate), 40), -1, dtype=np.int32)
        pins[0, 0], pins[0, 30] = absent, slate.rows[0, 0]
        assert np.array_equal(reranker.rerank(replace(slate, pins=pins)).rows, reranker.rerank(slate).rows)

    def test_a_repeated_item_is_kept_once(self, reranker: Reranker, slate: Slate) -> None:
        rows = slate.rows.copy()
        rows[0, 5] = rows[0, 1]
        after = reranker.rerank(replace(slate, rows=rows))
        kept = after.rows[0][after.rows[0] >= 0]
        assert sorted(kept.tolist()) == sorted(set(rows[0].tolist()))

    def test_gaps_are_closed(self, reranker: Reranker, slate: Slate) -> None:
        rows, scores = slate.rows.copy(), slate.scores.copy()
        rows[1, 0], rows[1, 3] = -1, -1
        after = reranker.rerank(replace(slate, rows=rows, scores=scores, places=np.zeros((0, 0), np.int32)))
        assert (after.rows[1, :18] >= 0).all()
        assert (after.rows[1, 18:] == -1).all()

    def test_scores_that_are_unknown_or_infinite_break_nothing(self, reranker: Reranker, slate: Slate) -> None:
        scores = slate.scores.copy()
        scores[0] = np.nan
        scores[1, ::3], scores[1, 1] = np.nan, np.inf
        scores[2, -1] = -np.inf
        after = reranker.rerank(replace(slate, scores=scores))
        for b in range(len(slate)):
            assert sorted(after.rows[b].tolist()) == sorted(slate.rows[b].tolist())

    @pytest.mark.parametrize("shape", [(0, 5), (3, 0), (1, 1), (2, 3)])
    def test_small_slates(self, reranker: Reranker, shape: tuple[int, int]) -> None:
        view = toy_view()
        rows = np.tile(np.arange(shape[1], dtype=np.int32), (shape[0], 1))
        scores = np.zeros(shape, np.float32)
        slate = Slate(rows, scores, np.full(shape[0], 10), view, now=NOW)
        after = reranker.rerank(slate)
        assert after.rows.shape == shape
        assert np.array_equal(np.sort(after.rows, axis=1), rows)

    def test_without_what_it_needs_to_know_the_order_stays(self, reranker: Reranker, slate: Slate) -> None:
        nothing = replace(slate, view=ItemView(slate.view.n_items), histories=(), history_weights=())
        after = reranker.rerank(nothing)
        assert reranker.lacks(nothing)
        assert np.array_equal(after.rows, slate.rows)

    def test_a_trade_off_of_one_leaves_the_order(self, slate: Slate) -> None:
        if "trade_off" not in reranker_class(self.kind).config_class.model_fields:
            pytest.skip("it has no trade_off")
        parameters = {**self.parameters, "trade_off": 1.0}
        scores = slate.scores.copy()
        scores[0] = 1.0  # ties too
        scores[1, 3:6] = np.nan
        scores[2] = scores[2, ::-1]  # an order that scores do not explain
        after = create_reranker(self.kind, **parameters).rerank(replace(slate, scores=scores))
        assert np.array_equal(after.rows, slate.rows)

    def test_rows_beyond_the_view_are_refused(self, reranker: Reranker) -> None:
        with pytest.raises(ConfigurationError, match="row 99"):
            reranker.rerank(
                Slate(np.array([[99]], np.int32), np.zeros((1, 1), np.float32), np.ones(1, int), toy_view())
            )
