"""Saved and loaded, a model gives the same answers; damaged, it is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from foretaste.data import Dataset, Query
from foretaste.errors import CorruptStateError
from foretaste.models import Recommender, State, load_model, model_names, save_model
from foretaste.testing.models.compare import assert_same_lists, small_data
from foretaste.testing.models.setup import ContractSetup


def _assert_same_answers(one: Recommender, other: Recommender) -> None:
    for exclude_seen in (True, False):
        pair = [m.recommend(k=8, exclude_seen=exclude_seen, unknown="empty", explain=True) for m in (one, other)]
        assert_same_lists(pair[0], pair[1], tolerance=1e-6)
        assert pair[0].reasons == pair[1].reasons
    query = Query(history=one.items.ids.to_list()[:3])
    assert_same_lists(*(m.recommend([query], unknown="empty") for m in (one, other)), tolerance=1e-6)
    users, items = np.meshgrid(np.arange(3, dtype=np.int32), np.arange(len(one.items), dtype=np.int32))
    scores = [m.score_rows(users.ravel(), items.ravel()) for m in (one, other)]
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-6)
    assert other.config == one.config
    if one.finds_similar_items:
        assert_same_lists(one.similar_items(k=5), other.similar_items(k=5), tolerance=1e-6)


class SavingChecks(ContractSetup):
    """The state is all there is to a fitted model."""

    def _loaded(self, model: Recommender, folder: Path) -> Recommender:
        """Loaded by name, or for a model that is not registered by its class."""
        if model.name in model_names():
            return load_model(folder)
        return type(model).from_state(State.load(folder / "models" / "model"), model.population)

    def test_a_state_in_memory_makes_the_same_model(self, model: Recommender) -> None:
        _assert_same_answers(model, type(model).from_state(model.state(), model.population))

    def test_a_saved_model_gives_the_same_answers(self, model: Recommender, tmp_path: Path) -> None:
        save_model(model, tmp_path / "saved")
        loaded = self._loaded(model, tmp_path / "saved")
        assert loaded.population.items == model.population.items
        _assert_same_answers(model, loaded)
        save_model(loaded, tmp_path / "again")
        _assert_same_answers(model, self._loaded(loaded, tmp_path / "again"))

    def test_a_state_is_arrays_and_json(self, model: Recommender) -> None:
        state = model.state()
        assert state.kind == model.name
        assert json.loads(json.dumps(state.meta, allow_nan=False)).keys() == state.meta.keys()
        for name, array in state.arrays.items():
            assert array.dtype.kind in "fiub", f"{name} is {array.dtype}"

    @pytest.mark.parametrize("part", ["arrays.safetensors", "manifest.json"])
    def test_a_saved_model_that_was_changed_is_refused(self, model: Recommender, tmp_path: Path, part: str) -> None:
        folder = tmp_path / "m"
        digest = model.state().save(folder)
        content = bytearray((folder / part).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / part).write_bytes(bytes(content))
        with pytest.raises(CorruptStateError):
            State.load(folder, sha256=digest)

    def test_a_state_of_another_kind_or_population_is_refused(self, model: Recommender, data: Dataset) -> None:
        state = model.state()
        with pytest.raises(CorruptStateError, match="not a"):
            type(model).from_state(State("something_else", state.meta, state.arrays), model.population)
        other = small_data([(0, 0, 1.0)], n_users=data.n_users, n_items=data.n_items).population
        with pytest.raises(CorruptStateError, match="other users or items"):
            type(model).from_state(state, other)

    def test_a_state_that_lacks_a_part_is_refused(self, model: Recommender) -> None:
        state = model.state()
        for field in model.state_fields:
            meta = state.meta | {
                "values": {name: value for name, value in state.meta["values"].items() if name != field},
                "matrices": [name for name in state.meta["matrices"] if name != field],
            }
            arrays = {n: array for n, array in state.arrays.items() if n != field and not n.startswith(f"{field}.")}
            with pytest.raises(CorruptStateError, match=field):
                type(model).from_state(State(state.kind, meta, arrays), model.population)
