import numpy as np
import pytest
from scipy import sparse

from foretaste.errors import ConfigurationError
from foretaste.models.neighbours.lsh import MinHashLSH
from foretaste.models.neighbours.minhash import MinHash, bands_for


def sets_of(rows: list[list[int]], n_elements: int) -> sparse.csr_array:
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    elements = np.concatenate([np.asarray(row, np.int32) for row in rows])
    return sparse.csr_array((np.ones(len(elements), np.float32), elements, indptr), shape=(len(rows), n_elements))


@pytest.fixture(scope="module")
def families() -> sparse.csr_array:
    """300 sets of about 20 elements in families of three that share most of them."""
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(100):
        own = rng.choice(3000, 24, replace=False)
        rows += [np.sort(rng.choice(own, 20, replace=False)).tolist() for _ in range(3)]
    return sets_of(rows, 3000)


def exact(sets: sparse.csr_array, other: sparse.csr_array, measure: str = "jaccard") -> np.ndarray:
    common = (sets @ other.T).toarray()
    a, b = np.diff(sets.indptr)[:, None], np.diff(other.indptr)[None]
    return common / (np.sqrt(a * b) if measure == "cosine" else a + b - common)


def test_the_share_of_equal_bands_is_the_jaccard_similarity():
    rng = np.random.default_rng(1)
    for shared in (0, 5, 10, 18):
        pool = rng.permutation(5000)
        pair = sets_of([pool[:20].tolist(), np.concatenate([pool[:shared], pool[20 : 40 - shared]]).tolist()], 5000)
        hashes = MinHash.of(4000, 1, 5000, seed=3).hashes(pair)
        assert (hashes[0::1, 0] == hashes[0::1, 1]).mean() == pytest.approx(shared / (40 - shared), abs=0.03)


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("weight", [0.3, 0.5, 0.9])
def test_bands_are_those_with_the_smallest_area_of_error(threshold, weight):
    s = (np.arange(4000) + 0.5) / 4000
    errors = {}
    for bands in range(1, 65):
        for rows in range(1, 64 // bands + 1):
            found = 1 - (1 - s**rows) ** bands
            errors[bands, rows] = (1 - weight) * found[s < threshold].sum() + weight * (1 - found[s >= threshold]).sum()
    chosen = errors[bands_for(threshold, 64, weight)]
    assert chosen <= min(errors.values()) * 1.001


def test_bands_are_as_in_datasketch():
    assert bands_for(0.5, 128) == (25, 5)
    assert bands_for(0.9, 128) == (5, 25)


@pytest.mark.parametrize("measure", ["jaccard", "cosine"])
def test_similarities_are_exact_and_the_near_ones_are_found(families, measure):
    index = MinHashLSH(threshold=0.4).build(families)
    everybody = np.arange(300)
    rows, values, counts = index.query(families, 5, measure=measure, excluded=everybody)
    truth = exact(families, families, measure)
    for row in everybody:
        found = rows[row, : counts[row]]
        np.testing.assert_allclose(values[row, : counts[row]], truth[row, found], rtol=1e-6)
        assert row not in found
        assert (np.diff(values[row, : counts[row]]) <= 0).all()
    family = np.stack([everybody // 3 * 3 + (everybody + 1) % 3, everybody // 3 * 3 + (everybody + 2) % 3], axis=1)
    hits = [set(family[row]) <= set(rows[row, : counts[row]]) for row in everybody]
    assert np.mean(hits) > 0.97


def test_less_similar_sets_than_asked_for_are_left_out(families):
    index = MinHashLSH(threshold=0.3).build(families)
    _, values, counts = index.query(families, 50, min_similarity=0.6)
    truth = exact(families, families)
    assert values[np.arange(50) < counts[:, None]].min() >= 0.6
    assert counts.sum() / (truth >= 0.6).sum() > 0.97


def test_one_set_at_a_time_gives_what_all_at_once_give(families):
    index = MinHashLSH().build(families)
    together = index.query(families, 4)
    for row in (0, 7, 299):
        for alone, all_of_them in zip(index.query(families[[row]], 4), together, strict=True):
            np.testing.assert_array_equal(alone[0], all_of_them[row])


def test_inserted_sets_are_found_like_built_ones(families):
    whole = MinHashLSH().build(families)
    grown = MinHashLSH().build(families[:100])
    for start in range(100, 300, 7):
        grown.insert(families[start : start + 7])
    assert len(grown) == len(whole) == 300
    for one, other in zip(grown.query(families, 4), whole.query(families, 4), strict=True):
        np.testing.assert_array_equal(one, other)


def test_replaced_and_removed_sets_are_not_found_as_they_were(families):
    index = MinHashLSH().build(families)
    for _ in range(5):  # enough for the index to put itself in order
        index.insert(families[np.arange(300)[::-1]], np.arange(300))
    assert index.query(families[[0]], 1)[0][0, 0] == 299
    index.remove(np.array([299, 5000]))
    assert len(index) == 299
    assert 299 not in index.query(families[[0]], 5)[0][0]
    assert index.insert(families[[0]]).tolist() == [299]
    assert index.query(families[[0]], 1)[0][0, 0] == 299


def test_new_elements_may_come_with_new_sets(families):
    index = MinHashLSH().build(families)
    newer = sets_of([[2999, 3000, 3001], [1, 2, 3010]], 3011)
    assert index.insert(newer).tolist() == [300, 301]
    rows, values, _ = index.query(newer, 1)
    assert rows[:, 0].tolist() == [300, 301]
    assert (values[:, 0] == 1).all()


def test_a_crowded_bucket_is_sampled_and_not_read_whole():
    crowd = sets_of([[1, 2, 3]] * 5000 + [[1, 2, 3, 4]] * 2, 10)
    index = MinHashLSH(max_bucket=8).build(crowd)
    wide = index.query(crowd[[5000]], 10_000)
    assert 8 <= wide[2][0] <= 8 * 2 * index.bands
    assert set(wide[0][0, :2].tolist()) == {5000, 5001}  # its own buckets are small: those come first
    np.testing.assert_array_equal(index.query(crowd[[5000]], 10_000)[0], wide[0])


def test_candidates_met_in_most_bands_are_compared_first(families):
    rng = np.random.default_rng(5)
    noise = sets_of([np.sort(rng.choice(60, 10, replace=False)).tolist() for _ in range(3000)], 3000)
    index = MinHashLSH(bands=64, rows=1, max_candidates=16, max_bucket=4000)
    index.build(sparse.csr_array(sparse.vstack([noise, families[:1]])))
    query = families[[1]]  # shares more with its relative than with any of the noise
    assert index.query(query, 1)[0][0, 0] == 3000


def test_empty_sets_find_nothing_and_are_not_found():
    sets = sets_of([[], [0, 1], []], 4)
    index = MinHashLSH().build(sets)
    rows, values, counts = index.query(sets, 3)
    assert counts.tolist() == [0, 1, 0]
    assert rows[1, 0] == 1
    assert np.isfinite(values).all()
    assert MinHashLSH().query(sets, 3)[2].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"bands": 4},
        {"rows": 2},
        {"bands": 0, "rows": 1},
        {"threshold": 1.5},
        {"n_permutations": 0},
        {"max_bucket": 0},
        {"max_candidates": 0},
        {"false_negative_weight": -1},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigurationError):
        MinHashLSH(**wrong)


def test_rows_that_do_not_fit_the_sets_are_refused(families):
    index = MinHashLSH().build(families)
    with pytest.raises(ConfigurationError, match="2 sets"):
        index.insert(families[:2], np.array([1]))
    with pytest.raises(ConfigurationError, match="2 sets"):
        index.insert(families[:2], np.array([1, 1]))
    with pytest.raises(ConfigurationError, match="k = 0"):
        index.query(families, 0)
