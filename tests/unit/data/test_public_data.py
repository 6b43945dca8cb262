"""The real public data sets have the counts that their publishers state."""

import os
from pathlib import Path

import pytest

from foretaste.data import read_dataset, read_split

DATA = Path(os.environ.get("FORETASTE_DATA", Path(__file__).parents[3] / "../shared/data"))


def folder(name: str) -> Path:
    if not (DATA / name).is_dir():
        pytest.skip(f"{name} is not in {DATA} (set FORETASTE_DATA)")
    return DATA / name


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "kind", "users", "items", "interactions"),
    [
        ("movielens-100k", "movielens_100k", 943, 1682, 100_000),
        ("movielens-1m", "movielens_folds", 6040, 3706, 1_000_209),
        ("movielens-1m-implicit", "lightgcn", 6022, 3043, 796_244 + 99_455),
        ("gowalla", "lightgcn", 29_858, 40_981, 810_128 + 217_242),
        ("lastfm-social", "recbole", 1892, 17_632, 92_834),
        ("amazon-beauty-sequences", "sequences", 22_363, 12_101, 198_502),
        ("retailrocket-sessions", "sessions", 126_168, 36_968, 685_984),
        ("diginetica-sessions", "sessions", 186_670, 43_097, 906_140),
    ],
)
def test_public_data_sets_have_their_published_counts(name, kind, users, items, interactions) -> None:
    loaded = read_dataset(folder(name))
    data = loaded.dataset
    warm_items = len(set(data.interactions.item_rows.tolist()))
    assert loaded.report.format == kind
    assert (data.n_users, warm_items, data.n_interactions) == (users, items, interactions)
    assert loaded.report.interactions.n_dropped == 0


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "fold", "train", "test"),
    [
        ("gowalla", 1, 810_128, 217_242),
        ("movielens-1m-implicit", 1, 796_244, 99_455),
        ("movielens-100k", 3, 80_000, 20_000),
        ("lastfm-social", 1, 42_135, 10_533),
    ],
)
def test_published_splits_have_their_counts_and_share_ids(name, fold, train, test) -> None:
    learnt, judged = read_split(folder(name), fold=fold)
    assert (learnt.n_interactions, judged.n_interactions) == (train, test)
    assert learnt.users is judged.users


@pytest.mark.data
def test_the_five_folds_of_movielens_1m_are_disjoint_and_complete() -> None:
    pairs: set[tuple[int, int]] = set()
    for fold in range(1, 6):
        learnt, judged = read_split(folder("movielens-1m"), fold=fold)
        events = judged.interactions
        users = [int(i) for i in judged.users.ids_of(events.user_rows)]
        items = [int(i) for i in judged.items.ids_of(events.item_rows)]
        pairs.update(zip(users, items, strict=True))
        assert learnt.n_interactions + judged.n_interactions == 1_000_209
    assert len(pairs) == 1_000_209


@pytest.mark.data
def test_movielens_titles_survive_their_old_encoding() -> None:
    data = read_dataset(folder("movielens-100k")).dataset
    titles = data.titles()
    assert titles is not None
    assert titles[0] == "Toy Story (1995)"
    assert any("é" in title for title in titles)


@pytest.mark.data
def test_lastfm_has_names_and_links_between_friends() -> None:
    data = read_dataset(folder("lastfm-social")).dataset
    assert data.links is not None
    assert len(data.links[0]) == 25_434
    titles = data.titles()
    assert titles is not None
    assert "Radiohead" in titles
