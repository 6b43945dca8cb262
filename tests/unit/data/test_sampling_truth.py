"""A model that learns finds the hidden taste of a sample shop; popularity does not."""

import numpy as np
import pytest

from foretaste.data import Dataset, build_dataset
from foretaste.data.readers import read_dataset
from foretaste.data.sampling import SampleConfig, SampleData, generate_sample, write_sample
from foretaste.models import create_model


@pytest.fixture(scope="module")
def sample() -> SampleData:
    return generate_sample(SampleConfig.of(n_users=500, n_items=300, n_events=20_000, seed=2))


@pytest.fixture(scope="module")
def data(sample: SampleData) -> Dataset:
    return build_dataset(sample.interactions, users=sample.users, items=sample.items, links=sample.links)


def mean_affinity(sample: SampleData, data: Dataset, model: str) -> float:
    """How much users truly like what the model recommends to them, on average."""
    user_row = {outside_id: row for row, outside_id in enumerate(sample.users["user_id"])}
    item_row = {outside_id: row for row, outside_id in enumerate(sample.items["item_id"])}
    frame = create_model(model).fit(data).recommend(k=10, unknown="empty").to_frame()
    users = np.array([user_row[one] for one in frame["user_id"]])
    items = np.array([item_row[one] for one in frame["item_id"]])
    return float(sample.truth.true_affinity(users, items).mean())


def test_a_neighbourhood_model_recommends_what_users_truly_like(sample: SampleData, data: Dataset) -> None:
    popular = mean_affinity(sample, data, "popular")
    assert mean_affinity(sample, data, "item_knn") > popular + 0.08


def test_factors_are_learnt_too(sample: SampleData, data: Dataset) -> None:
    assert mean_affinity(sample, data, "ials") > mean_affinity(sample, data, "popular") + 0.08


def test_the_frames_make_a_data_set_with_features_and_links(sample: SampleData, data: Dataset) -> None:
    assert (data.n_items, data.n_interactions) == (300, 20_000)
    assert data.item_features["tags"] == "list"
    assert data.item_features["published"] == "date"
    assert data.item_features["title"] == "text"
    assert data.user_features["interests"] == "list"
    assert data.links is not None
    assert data.titles() is not None


def test_the_written_folder_is_read_as_a_data_set(tmp_path: str) -> None:
    config = SampleConfig.of(n_users=60, n_items=30, n_events=700)
    loaded = read_dataset(write_sample(config, tmp_path))
    assert loaded.dataset.n_interactions == 700
    assert loaded.dataset.n_items == 30
