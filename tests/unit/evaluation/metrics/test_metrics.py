import numpy as np
import pytest

from foretaste.errors import ConfigurationError, DataFormatError, UnknownNameError, UnknownParameterError
from foretaste.evaluation.metrics import (
    F1,
    MAE,
    MAP,
    MRR,
    NDCG,
    RMSE,
    CatalogCoverage,
    Catalogue,
    Gini,
    HitRate,
    LongTailShare,
    Novelty,
    PopularityBias,
    Precision,
    Recall,
    Truth,
    judge,
    metric_names,
    parse_metric,
    parse_metrics,
)

CATALOGUE = Catalogue(np.array([8, 4, 2, 1, 1, 0]), n_users=8)


def _judged(lists, relevant, weights=None):
    """Lists of item rows and, for each user, the relevant rows."""
    indptr = np.concatenate([[0], np.cumsum([len(r) for r in relevant])])
    flat = np.concatenate([np.asarray(r, np.int32) for r in relevant]).astype(np.int32)
    gains = np.ones(len(flat)) if weights is None else np.concatenate(weights).astype(float)
    return judge(np.asarray(lists, np.int32), Truth(indptr, flat, gains), CATALOGUE)


def test_metrics_of_one_list_by_hand():
    judged = _judged([[3, 0, 5, 1]], [[0, 1, 2]])  # hits at ranks 2 and 4
    assert Precision(k=4).per_user(judged) == pytest.approx(2 / 4)
    assert Recall(k=4).per_user(judged) == pytest.approx(2 / 3)
    assert F1(k=4).per_user(judged) == pytest.approx(2 * (1 / 2) * (2 / 3) / (1 / 2 + 2 / 3))
    assert HitRate(k=4).per_user(judged) == 1
    assert MRR(k=4).per_user(judged) == pytest.approx(1 / 2)
    assert MAP(k=4).per_user(judged) == pytest.approx((1 / 2 + 2 / 4) / 3)
    dcg, ideal = 1 / np.log2(3) + 1 / np.log2(5), 1 + 1 / np.log2(3) + 1 / 2
    assert NDCG(k=4).per_user(judged) == pytest.approx(dcg / ideal)


def test_graded_gain_uses_the_weights_and_their_best_order():
    judged = _judged([[0, 1]], [[0, 1, 2]], [[1, 3, 2]])
    discount = 1 / np.log2(3)
    assert NDCG(k=2, gain="linear").per_user(judged) == pytest.approx((1 + 3 * discount) / (3 + 2 * discount))
    assert NDCG(k=2, gain="exponential").per_user(judged) == pytest.approx((1 + 7 * discount) / (7 + 3 * discount))
    assert NDCG(k=2).per_user(judged) == pytest.approx(1.0)


def test_a_perfect_list_shorter_than_the_truth_reaches_one_only_with_the_capped_denominator():
    judged = _judged([[0, 1]], [[0, 1, 2, 3]])
    assert Recall(k=2).per_user(judged) == pytest.approx(0.5)
    assert Recall(k=2, denominator="capped").per_user(judged) == pytest.approx(1.0)
    assert MAP(k=2).per_user(judged) == pytest.approx(0.5)
    assert MAP(k=2, denominator="capped").per_user(judged) == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["precision", "recall", "f1", "ndcg", "map", "mrr", "hit_rate", "ndcg[gain=linear]"])
def test_accuracy_is_undefined_without_relevant_items_and_zero_for_an_empty_list(name):
    judged = _judged([[0, 1], [-1, -1]], [[], [2]])
    values = parse_metric(name, k=2).per_user(judged)
    assert np.isnan(values[0])
    assert values[1] == 0


def test_an_earlier_cutoff_sees_only_the_head_of_the_list():
    judged = _judged([[3, 0, 1]], [[0]])
    assert Recall(k=1).per_user(judged.at(1)) == 0
    assert Recall(k=2).per_user(judged.at(2)) == 1
    assert Precision(k=2).per_user(judged.at(2)) == pytest.approx(0.5)


def test_padding_is_never_a_hit():
    judged = _judged([[0, -1, -1]], [[0, 5]])
    assert judged.gains.tolist() == [[1, 0, 0]]
    assert Precision(k=3).per_user(judged) == pytest.approx(1 / 3)


def test_the_ideal_gains_are_the_largest_ones_in_falling_order():
    rng = np.random.default_rng(3)
    weights = [rng.integers(1, 9, n).astype(float) for n in (1, 4, 9, 30)]
    truth = Truth(
        np.concatenate([[0], np.cumsum([len(w) for w in weights])]),
        np.concatenate([np.arange(len(w)) for w in weights]).astype(np.int32),
        np.concatenate(weights),
    )
    judged = judge(np.full((4, 5), -1, np.int32), truth, Catalogue(np.ones(30, np.int64), 3))
    for row, w in zip(judged.ideal_gains, weights, strict=True):
        best = np.sort(w)[::-1][:5]
        assert row.tolist() == [*best, *[0] * (5 - len(best))]


def test_a_list_with_an_item_twice_or_outside_the_catalogue_is_refused():
    for bad in ([0, 0], [0, 6], [0, -2]):
        with pytest.raises(DataFormatError, match="number 1 of the batch"):
            _judged([[0, 1], bad], [[0], [0]])


def test_lists_and_truth_must_be_of_the_same_users():
    with pytest.raises(DataFormatError, match="2 lists cannot be judged by the truth of 1 users"):
        _judged([[0], [1]], [[0]])


def test_novelty_is_the_mean_surprise_in_bits():
    judged = _judged([[0, 2], [5, -1], [-1, -1]], [[0], [0], [0]])
    values = Novelty(k=2).per_user(judged)
    assert values[0] == pytest.approx((0 + 2) / 2)  # taken by all 8, by 2 of 8
    assert values[1] == pytest.approx(3)  # by nobody, counted as 1 of 8
    assert np.isnan(values[2])


def test_the_head_is_the_fewest_items_that_hold_the_share():
    assert CATALOGUE.head(0.7).tolist() == [True, True, False, False, False, False]  # 12 of 16 pairs
    assert CATALOGUE.head(0.8).tolist() == [True, True, True, False, False, False]
    assert CATALOGUE.head(0.5).tolist() == [True, False, False, False, False, False]  # exactly half
    values = LongTailShare(k=2).per_user(_judged([[0, 3], [4, 5], [1, -1]], [[0]] * 3))
    assert values.tolist() == [0.5, 1.0, 0.0]


def test_popularity_bias_is_one_for_lists_like_what_people_took():
    taken = np.repeat(np.arange(6), CATALOGUE.user_counts)
    bias = PopularityBias(k=1).per_user(_judged(taken[:, None], [[0]] * len(taken)))
    assert bias.mean() == pytest.approx(1.0)
    assert bias[0] > 1 > bias[-1]


def test_coverage_and_gini_by_hand():
    assert CatalogCoverage().value(np.array([3, 0, 1, 0]), CATALOGUE) == pytest.approx(2 / 6)
    assert Gini().value(np.array([2, 2, 2, 2]), CATALOGUE) == pytest.approx(0)
    assert Gini().value(np.array([0, 0, 0, 8]), CATALOGUE) == pytest.approx(3 / 4)
    assert Gini().value(np.array([1, 3]), CATALOGUE) == pytest.approx(1 / 4)
    assert np.isnan(Gini().value(np.zeros(4, np.int64), CATALOGUE))


def test_rating_losses_by_hand():
    predicted, actual = np.array([3.0, 5.0]), np.array([4.0, 2.0])
    assert RMSE().value(RMSE().losses(predicted, actual).mean()) == pytest.approx(np.sqrt(5))
    assert MAE().value(MAE().losses(predicted, actual).mean()) == pytest.approx(2)


def test_the_catalogue_counts_users_not_events(make_dataset):
    data = make_dataset([("a", "x", 1, 1), ("a", "x", 1, 2), ("b", "x", 1, 3), ("b", "y", 0, 4)], users=["a", "b", "c"])
    catalogue = Catalogue.of(data)
    assert catalogue.user_counts.tolist() == [2, 0]  # a weight of 0 is no sign of interest
    assert catalogue.n_users == 2


@pytest.mark.parametrize("name", metric_names())
def test_a_label_reads_back_as_the_same_metric(name):
    metric = parse_metric(name)
    assert parse_metric(metric.label) == metric


def test_metrics_are_parsed_with_options_and_cutoffs():
    assert parse_metric("NDCG@20") == NDCG(k=20)
    assert parse_metric("recall[denominator=capped]@5") == Recall(k=5, denominator="capped")
    assert parse_metric("ndcg[gain=linear]@7").label == "ndcg[gain=linear]@7"
    assert parse_metric("f1_score") == F1(k=10)
    labels = [m.label for m in parse_metrics(["recall", "ndcg@5", "rmse", MRR(k=3), "recall@20"], k=[10, 20])]
    assert labels == ["recall@10", "recall@20", "ndcg@5", "rmse", "mrr@3"]


def test_an_unknown_metric_gets_a_guess_and_the_list():
    with pytest.raises(UnknownNameError, match=r"no metric 'ndgc'; did you mean 'ndcg'\? valid ones: catalog_coverage"):
        parse_metric("ndgc@10")


@pytest.mark.parametrize("text", ["recall@0", "recall@-1", "recall@x", "recall@2.5"])
def test_a_cutoff_below_one_is_refused(text):
    with pytest.raises(ConfigurationError, match="Recall: k = "):
        parse_metric(text)


def test_wrong_options_and_forms_are_refused():
    with pytest.raises(UnknownParameterError, match="NDCG has no option 'gains'; valid ones: k, gain"):
        parse_metric("ndcg[gains=linear]@5")
    with pytest.raises(ConfigurationError, match="gain = 'cubic' is wrong"):
        parse_metric("ndcg[gain=cubic]@5")
    with pytest.raises(ConfigurationError, match="metric 'rmse' has no cutoff"):
        parse_metric("rmse@5")
    with pytest.raises(ConfigurationError, match="is not a metric"):
        parse_metric("ndcg at 5")
    with pytest.raises(ConfigurationError, match="no metric is named"):
        parse_metrics([])
