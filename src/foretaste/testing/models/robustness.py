"""Small, odd and growing data: a clear error or the right limit, never NaN."""

from dataclasses import replace

import numpy as np
import pytest

from foretaste.data import Dataset, Interactions, Vocabulary
from foretaste.errors import (
    ConfigurationError,
    DataFormatError,
    DataInsufficientError,
    NotFittedError,
    UnknownParameterError,
    UnsupportedError,
)
from foretaste.models import Recommender
from foretaste.testing.models.compare import assert_same_lists, assert_sound, fingerprint, overlap, small_data
from foretaste.testing.models.setup import ContractSetup
from foretaste.testing.toy import one_user_one_item


class RobustnessChecks(ContractSetup):
    """What fitting and updating do with data that are not as in the book."""

    def test_one_user_and_one_item_are_enough(self) -> None:
        model = self.make().fit(one_user_one_item())
        assert model.recommend(k=3).lengths.tolist() == [0]
        assert_sound(model.recommend(k=3, exclude_seen=False))
        score = model.score(["u"], ["i"])[0]
        assert not np.isnan(score)

    @pytest.mark.parametrize(
        ("rows", "n_users", "n_items"),
        [
            ([(0, 0, 1), (1, 1, 1)], 2, 2),
            ([(0, item, 1 + item) for item in range(5)], 1, 6),
            ([(user, 0, 1) for user in range(5)], 6, 1),
            ([(user, item, 1) for user in range(4) for item in range(4)], 4, 4),
            ([(user, item, 3) for user in range(6) for item in range(6) if (user + item) % 3], 6, 6),
        ],
        ids=["two by two", "one user", "one item", "everything taken", "constant weights"],
    )
    @pytest.mark.parametrize("is_explicit", [False, True], ids=["actions", "ratings"])
    def test_small_data_give_sound_lists(
        self, rows: list[tuple[int, int, float]], n_users: int, n_items: int, *, is_explicit: bool
    ) -> None:
        model = self.make().fit(small_data(rows, n_users=n_users, n_items=n_items, is_explicit=is_explicit))
        for exclude_seen in (True, False):
            assert_sound(model.recommend(k=4, exclude_seen=exclude_seen, unknown="empty"))

    def test_weights_of_all_sizes_give_sound_lists(self) -> None:
        rows = [(user, item, 10.0 ** ((user + item) % 7 - 3)) for user in range(8) for item in range(8) if user != item]
        assert_sound(self.make().fit(small_data(rows, n_users=8, n_items=8)).recommend(k=4))

    def test_data_without_anything_are_refused(self, data: Dataset) -> None:
        empty = data.with_interactions(data.interactions.where(np.zeros(len(data.interactions), dtype=bool)))
        with pytest.raises(DataInsufficientError, match="no interactions"):
            self.make().fit(empty)

    def test_data_of_dislikes_only_give_no_nan(self, data: Dataset) -> None:
        interactions = data.interactions
        nothing = data.with_interactions(replace(interactions, weights=np.zeros_like(interactions.weights)))
        try:
            model = self.make().fit(nothing)
        except DataInsufficientError as error:
            assert error.hint  # noqa: PT017 - either way out is right
            return
        assert_sound(model.recommend(k=5, unknown="empty"))

    def test_without_times_a_model_works_or_says_that_it_needs_them(self, data: Dataset) -> None:
        unknown = np.full(len(data.interactions), np.nan)
        timeless = data.with_interactions(replace(data.interactions, timestamps=unknown).sorted())
        try:
            model = self.make().fit(timeless)
        except DataInsufficientError as error:
            assert "time" in str(error)  # noqa: PT017
            return
        assert_sound(model.recommend(k=5, unknown="empty"))
        assert model.recommend(k=5, unknown="empty").lengths.sum() > 0

    def test_without_features_a_model_works_or_says_that_it_needs_them(self, data: Dataset) -> None:
        bare = Dataset(data.users, data.items, data.interactions)
        try:
            model = self.make().fit(bare)
        except (DataInsufficientError, DataFormatError) as error:
            assert "feature" in str(error) or "column" in str(error)  # noqa: PT017
            return
        assert_sound(model.recommend(k=5, unknown="empty"))

    def test_the_same_interaction_twice_changes_nothing_when_the_last_counts(self, data: Dataset) -> None:
        once = replace(data, duplicates="last")
        twice = once.with_interactions(data.interactions.where(np.repeat(np.arange(len(data.interactions)), 2)))
        lists = [self.make().fit(d).recommend(k=8, unknown="empty") for d in (once, twice)]
        assert_same_lists(*lists, tolerance=self.score_tolerance)

    def test_what_was_seen_and_not_liked_teaches_nothing(self, data: Dataset) -> None:
        liked = data.with_interactions(data.interactions.where(data.interactions.weights > 0))
        with_dislikes = data.with_interactions(_with_dislikes(liked.interactions))
        assert len(with_dislikes.interactions) > len(liked.interactions)
        models = [self.make().fit(d) for d in (liked, with_dislikes)]
        lists = [model.recommend(k=data.n_items, exclude_seen=False, unknown="empty") for model in models]
        for row in np.flatnonzero(liked.histories.lengths == 0).tolist():  # a dislike alone makes somebody servable
            for one in lists:
                one.item_rows[row], one.scores[row] = -1, np.nan
        assert_same_lists(*lists, tolerance=self.score_tolerance)
        shown = models[1].recommend(k=data.n_items, unknown="empty")
        for row in range(data.n_users):
            seen = with_dislikes.histories.item_rows[with_dislikes.histories.slice(row)]
            assert not set(seen.tolist()) & set(shown.item_rows[row].tolist())

    def test_the_data_set_is_left_as_it_was(self, data: Dataset) -> None:
        before = fingerprint(data)
        model = self.make().fit(data)
        model.recommend(k=5, explain=True, unknown="empty")
        model.score(model.users.ids.to_list()[:3], model.items.ids.to_list()[:3])
        assert fingerprint(data) == before

    def test_progress_is_told_in_order(self, data: Dataset) -> None:
        calls: list[tuple[int, int, float | None]] = []
        self.make().fit(data, on_progress=lambda step, steps, loss: calls.append((step, steps, loss)))
        steps = [step for step, _, _ in calls]
        assert steps == sorted(set(steps))
        assert all(1 <= step <= of for step, of, _ in calls)
        assert all(loss is None or np.isfinite(loss) for _, _, loss in calls)

    def test_a_model_that_was_not_fitted_says_so(self) -> None:
        model = self.make()
        for ask in (model.recommend, model.state, lambda: model.score(["u"], ["i"]), lambda: model.explain("u", ["i"])):
            with pytest.raises(NotFittedError, match="fit"):
                ask()

    def test_an_unknown_parameter_is_refused_with_the_valid_ones(self) -> None:
        model = self.make()
        with pytest.raises(UnknownParameterError, match="no_such_parameter") as caught:
            type(model)(no_such_parameter=1)
        for name in model.config_class.model_fields:
            assert name in caught.value.hint

    # --- growing data ------------------------------------------------------------------------------------------------

    def test_an_update_gives_nearly_what_a_fresh_fit_gives(self, data: Dataset) -> None:
        first = _first_users(data, data.n_users // 2)
        model = self.make().fit(first)
        if not model.updates_incrementally:
            with pytest.raises(UnsupportedError, match="updated"):
                model.update(data)
            return
        assert model.update(data) is model
        assert len(model.users) == data.n_users
        fresh = self.make().fit(data)
        known = np.flatnonzero(data.histories.lengths > 0).astype(np.int32)
        lists = model.recommend(known, 8)
        assert_sound(lists)
        assert overlap(fresh.recommend(known, 8), lists) >= self.update_overlap

    def test_an_update_with_other_ids_is_refused(self, model: Recommender, data: Dataset) -> None:
        if not model.updates_incrementally:
            with pytest.raises(UnsupportedError, match="updated"):
                model.update(data)
            return
        other = replace(data, users=Vocabulary([f"other-{row}" for row in range(data.n_users)]))
        with pytest.raises(ConfigurationError, match="extend"):
            model.update(other)
        assert model.users == data.users


def _with_dislikes(liked: Interactions) -> Interactions:
    """Each interaction followed by one without weight, of another item, in between known times."""
    shifted = replace(
        liked,
        item_rows=np.roll(liked.item_rows, 1),
        weights=np.zeros_like(liked.weights),
        timestamps=np.full(len(liked), float(np.median(liked.timestamps))),
    )
    columns = ("user_rows", "item_rows", "weights", "timestamps", "types")
    joined = {name: np.concatenate([getattr(liked, name), getattr(shifted, name)]) for name in columns}
    return Interactions(**joined, type_names=liked.type_names).sorted()


def _first_users(data: Dataset, n_users: int) -> Dataset:
    """The data set as it was when only the first users were there; items are the same."""
    kept = data.interactions.where(data.interactions.user_rows < n_users)
    frame = data.user_frame.head(n_users) if data.user_frame is not None else None
    users = Vocabulary(data.users.ids.head(n_users))
    return replace(data, users=users, interactions=kept, user_frame=frame, links=None)
