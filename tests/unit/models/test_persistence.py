"""Saved models: the same lists in a fresh process, one population for all, and no damage gets through."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foretaste.data import Dataset
from foretaste.errors import ConfigurationError, CorruptStateError, NotFittedError
from foretaste.models import Recommender, create_model, load_bundle, load_model, save_bundle, save_model
from foretaste.models.persistence import population_from_state, population_state
from foretaste.models.state import MANIFEST, State, _body_sha256
from foretaste.testing import checkerboard, one_user_one_item, tiny_shop


@pytest.fixture(scope="module")
def shop() -> Dataset:
    return tiny_shop()


@pytest.fixture(scope="module")
def models(shop: Dataset) -> dict[str, Recommender]:
    return {
        "best_sellers": create_model("popular", window_days=60.0).fit(shop),
        "ease-1": create_model("ease", regularization=3.0).fit(shop),
    }


def edit(folder: Path, change: dict[str, object]) -> None:
    """Change the manifest as somebody would who also makes its own digest fit."""
    path = folder / MANIFEST
    manifest = json.loads(path.read_text())
    manifest.pop("sha256")
    for dotted, value in change.items():
        *parents, last = dotted.split(".")
        place = manifest
        for parent in parents:
            place = place[parent]
        place[last] = value
    path.write_text(json.dumps(manifest | {"sha256": _body_sha256(manifest)}))


@pytest.mark.parametrize("name", ["popular", "ease", "weighted", "tfidf"])
def test_a_saved_model_gives_the_same_lists_in_a_fresh_process(tmp_path: Path, shop: Dataset, name: str) -> None:
    parameters = {"parts": [{"model": "ease"}, {"model": "popular"}]} if name == "weighted" else {}
    model = create_model(name, **parameters).fit(shop)
    save_model(model, tmp_path / "model")
    users = ["u-001", "u-007", "u-020"]
    code = (
        "import sys, json; from foretaste import load_model; m = load_model(sys.argv[1]);"
        "r = m.recommend(sys.argv[2:], 8);"
        "print(json.dumps([[list(l.item_ids), [float(s).hex() for s in l.scores]] for l in r]))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path / "model"), *users],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    here = [[list(one.item_ids), [float(score).hex() for score in one.scores]] for one in model.recommend(users, 8)]
    assert json.loads(done.stdout) == here
    assert all(ids for ids, _ in here)


def test_a_bundle_shares_one_population_and_keeps_configs(tmp_path: Path, models: dict[str, Recommender]) -> None:
    digests = save_bundle(models, tmp_path)
    assert set(digests) == {"population", "models/best_sellers", "models/ease-1"}
    loaded = load_bundle(tmp_path, digests=digests)
    assert list(loaded) == ["best_sellers", "ease-1"]
    assert loaded["best_sellers"].population is loaded["ease-1"].population
    for name, model in models.items():
        assert loaded[name].config == model.config
        np.testing.assert_array_equal(loaded[name].recommend(k=24).item_rows, model.recommend(k=24).item_rows)


def test_the_population_comes_back_whole(models: dict[str, Recommender], tmp_path: Path) -> None:
    population = models["ease-1"].population
    population_state(population).save(tmp_path)
    again = population_from_state(State.load(tmp_path))
    assert (again.users, again.items, again.duplicates, again.is_explicit) == (
        population.users, population.items, population.duplicates, population.is_explicit,
    )  # fmt: skip
    for name in ("indptr", "item_rows", "weights", "timestamps"):
        np.testing.assert_array_equal(getattr(again.histories, name), getattr(population.histories, name))


def test_the_smallest_model_can_be_saved(tmp_path: Path) -> None:
    model = create_model("popular").fit(one_user_one_item())
    save_model(model, tmp_path)
    assert load_model(tmp_path).recommend(["u"], exclude_seen=False)[0].item_ids == ("i",)


def test_a_model_can_be_saved_over_itself(tmp_path: Path, models: dict[str, Recommender]) -> None:
    assert save_bundle(models, tmp_path) == save_bundle(models, tmp_path)
    assert len(load_bundle(tmp_path)) == 2


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../evil", "a/b", "a\\b", "/etc/x", "a.b", "x" * 65, "ünïcode", "a b", "a\n", "~"]
)
def test_names_that_are_paths_or_worse_are_refused(tmp_path: Path, models: dict[str, Recommender], name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be the name"):
        save_bundle({"fine": models["ease-1"], name: models["best_sellers"]}, tmp_path / "in")
    assert not list(tmp_path.rglob("*"))


def test_no_model_and_an_unfitted_model_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no model"):
        save_bundle({}, tmp_path)
    with pytest.raises(NotFittedError, match="'popular' is not fitted"):
        save_model(create_model("popular"), tmp_path)


def test_models_of_different_data_cannot_share_a_bundle(tmp_path: Path, models: dict[str, Recommender]) -> None:
    other_history = create_model("popular").fit(tiny_shop(seed=1))  # the same ids, other histories
    other_items = create_model("popular").fit(checkerboard().data)
    for stranger in (other_history, other_items):
        with pytest.raises(ConfigurationError, match="same data set"):
            save_bundle({"a": models["ease-1"], "b": stranger}, tmp_path)
    equal = create_model("popular").fit(tiny_shop())  # built again, but the same
    assert save_bundle({"a": models["ease-1"], "b": equal}, tmp_path)


def test_a_folder_with_other_models_is_not_mixed_with_new_ones(tmp_path: Path, models: dict[str, Recommender]) -> None:
    save_bundle(models, tmp_path)
    with pytest.raises(ConfigurationError, match=r"already holds other models: best_sellers"):
        save_bundle({"ease-1": models["ease-1"]}, tmp_path)


def test_a_bundle_of_two_is_not_one_model(tmp_path: Path, models: dict[str, Recommender]) -> None:
    save_bundle(models, tmp_path)
    with pytest.raises(CorruptStateError, match="holds 2 models"):
        load_model(tmp_path)


def test_a_folder_without_models_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorruptStateError, match=str(tmp_path)):
        load_model(tmp_path)
    with pytest.raises(CorruptStateError, match="nowhere"):
        load_model(tmp_path / "nowhere")


@pytest.mark.parametrize("change", ["missing model", "extra model", "no population in digests", "no digests at all"])
def test_a_bundle_must_hold_exactly_what_was_saved(tmp_path: Path, models: dict[str, Recommender], change: str) -> None:
    digests = save_bundle(models, tmp_path)
    if change == "missing model":
        digests["models/third"] = "0" * 64
    elif change == "extra model":
        del digests["models/ease-1"]
    elif change == "no population in digests":
        del digests["population"]
    else:
        digests = {}
    with pytest.raises(CorruptStateError, match="expected"):
        load_bundle(tmp_path, digests=digests)


def test_a_model_swapped_for_another_sound_one_is_found_by_the_digests(
    tmp_path: Path, models: dict[str, Recommender], shop: Dataset
) -> None:
    digests = save_bundle(models, tmp_path)
    create_model("ease", regularization=9.0).fit(shop).state().save(tmp_path / "models" / "ease-1")
    assert load_bundle(tmp_path)["ease-1"].config.regularization == 9.0
    with pytest.raises(CorruptStateError, match="not the one that was saved"):
        load_bundle(tmp_path, digests=digests)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "no_such_model"},
        {"kind": "ease"},
        {"meta.config": 5},
        {"meta.config": {"values": "nonsense"}},
        {"meta.config": {"unknown": 1}},
        {"meta.items": "0" * 64},
        {"meta.users": "0" * 64},
        {"meta.n_items": 23},
        {"meta.matrices": 5},
        {"meta.matrices": ["counts"]},
        {"meta.values": None},
        {"meta.parts": 7},
        {"meta": {}},
        {"meta": []},
        {"arrays": {}},
        {"format": 2},
    ],
)
def test_a_manifest_whose_parts_do_not_belong_together_is_refused(
    tmp_path: Path, shop: Dataset, change: dict[str, object]
) -> None:
    save_model(create_model("popular").fit(shop), tmp_path)
    edit(tmp_path / "models" / "model", change)
    with pytest.raises(CorruptStateError):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("histories.indptr", np.array([0, 10**6], np.int64)),
        ("histories.item_rows", None),
        ("histories.item_rows", np.array([24], np.int32)),
        ("histories.weights", np.ones(1, np.float32)),
        ("histories.timestamps", np.zeros((1, 1))),
        ("users.offsets", np.array([0, 1], np.int64)),
        ("items.text", np.full(3, 255, np.uint8)),
    ],
)
def test_a_population_whose_parts_do_not_fit_is_refused(
    models: dict[str, Recommender], part: str, value: np.ndarray[tuple[int, ...], np.dtype[np.generic]] | None
) -> None:
    state = population_state(models["ease-1"].population)
    arrays = {name: array for name, array in state.arrays.items() if name != part}
    if value is not None:
        arrays[part] = value
    with pytest.raises(CorruptStateError):
        population_from_state(State(state.kind, state.meta, arrays))


def test_histories_with_slices_that_run_backwards_are_refused(models: dict[str, Recommender]) -> None:
    state = population_state(models["ease-1"].population)
    indptr = state.arrays["histories.indptr"].copy()
    indptr[3] = indptr[-1] + 1_000_000  # a compiled loop would read far outside
    with pytest.raises(CorruptStateError, match="do not fit"):
        population_from_state(State(state.kind, state.meta, state.arrays | {"histories.indptr": indptr}))


@pytest.mark.parametrize("meta", [{}, {"duplicates": "first", "is_explicit": False}])
def test_a_population_with_strange_settings_is_refused(models: dict[str, Recommender], meta: dict[str, object]) -> None:
    state = population_state(models["ease-1"].population)
    with pytest.raises(CorruptStateError):
        population_from_state(State(state.kind, meta, state.arrays))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.data())
def test_any_changed_byte_in_a_saved_model_is_found_or_changes_nothing(
    tmp_path: Path, models: dict[str, Recommender], data: st.DataObject
) -> None:
    save_bundle(models, tmp_path)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    path = data.draw(st.sampled_from(files), label="file")
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        loaded = load_bundle(tmp_path)
    except CorruptStateError:
        return
    for name, model in models.items():
        np.testing.assert_array_equal(loaded[name].recommend(k=5).item_rows, model.recommend(k=5).item_rows)
