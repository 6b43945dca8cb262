"""What sends a new version back: figures by hand, likeness by definition, clicks by simulation."""

import numpy as np
import pytest

from foretaste.errors import ConfigurationError
from foretaste.serving.live.clicks import ClickTest
from foretaste.serving.live.figures import Figures, Made, overlap, rank_biased_overlap
from foretaste.serving.live.guards import RolloutConfig, breach, has_enough


def figures(n=1000, seconds=0.005, **counts):
    times = Figures()
    times.count([Made("abcd", 4)], seconds=seconds)
    made = Figures(lists=n, times=[n * count for count in times.times])
    for name, value in counts.items():
        setattr(made, name, value)
    return made


def test_one_run_is_counted_with_its_lengths_and_its_time():
    found = Figures()
    found.count([Made("abcd", 4), Made("", 4, has_failure=True), Made("ab", 2)], seconds=0.010)
    found.count_failure(2, is_late=True, seconds=1.0)
    assert (found.lists, found.failed, found.empty, found.short, found.late) == (5, 1, 1, 1, 2)
    assert found.runs == 2


def test_quantiles_of_times_are_right_within_a_buckets_width():
    rng = np.random.default_rng(3)
    seconds = rng.lognormal(-5, 0.7, 5000)
    found = Figures()
    for value in seconds:
        found.count([Made("abcd", 4)], seconds=float(value))
    for q in (0.5, 0.95, 0.99):
        assert found.quantile(q) == pytest.approx(np.quantile(seconds, q), rel=0.1)
    assert Figures().quantile(0.95) == 0.0


def test_figures_of_several_workers_add_up():
    both = figures(10, failed=1, compared=4, overlap=2.0, own_items=5).plus(figures(20, failed=2, own_items=3))
    assert (both.lists, both.failed, both.runs, both.own_items) == (30, 3, 30, 5)
    assert both.summary()["overlap"] == 0.5
    assert Figures().summary()["overlap"] is None


def slow_rbo(one, other, p):
    """Extrapolated rank-biased overlap, straight from its definition (equal lengths)."""
    k = len(one)
    agreement = [len(set(one[:d]) & set(other[:d])) / d for d in range(1, k + 1)]
    return agreement[-1] * p**k + (1 - p) / p * sum(a * p ** (d + 1) for d, a in enumerate(agreement))


def test_rank_biased_overlap_follows_its_definition():
    rng = np.random.default_rng(5)
    for _ in range(200):
        k = int(rng.integers(1, 12))
        one, other = (list(rng.choice(list("abcdefghijklmnopqrst"), k, replace=False)) for _ in range(2))
        assert rank_biased_overlap(one, other) == pytest.approx(slow_rbo(one, other, 0.9), abs=1e-12)
    assert rank_biased_overlap(list("abc"), list("abc")) == pytest.approx(1.0)
    assert rank_biased_overlap(list("abc"), list("xyz")) == 0.0
    assert (rank_biased_overlap([], []), rank_biased_overlap(["a"], [])) == (1.0, 0.0)


def test_overlap_is_a_share_of_the_longer_list():
    assert overlap("ab", "abcd") == 0.5
    assert (overlap([], []), overlap([], ["a"])) == (1.0, 0.0)


def test_a_version_that_fails_every_second_time_is_sent_back_early():
    new = Figures(lists=25, failed=10, late=5, times=figures(25).times)
    assert "15 of its 25 lists" in breach(RolloutConfig(), "canary", new, figures())
    assert breach(RolloutConfig(), "canary", Figures(lists=19, failed=19), figures()) is None
    assert breach(RolloutConfig(), "watch", Figures(lists=25, empty=20), figures(empty=900)) is None  # nothing to show


LIMITS = RolloutConfig(min_samples=100)


@pytest.mark.parametrize(
    ("new", "old", "words"),
    [
        (figures(failed=20), figures(), "met a failure"),
        (figures(failed=20), figures(failed=15), None),  # the old one fails as often
        (figures(empty=10), figures(), "empty"),
        (figures(short=30), figures(), "short"),
        (figures(late=11), figures(), "late"),
        (figures(seconds=0.100), figures(seconds=0.005), "p95"),
        (figures(seconds=0.025), figures(seconds=0.005), None),  # within the slack
        (figures(seconds=0.100), figures(99, seconds=0.005), None),  # too little to compare with
        (figures(99, failed=40), figures(), None),  # too little to judge
    ],
)
def test_a_breach_is_said_in_words(new, old, words):
    found = breach(LIMITS, "canary", new, old)
    assert found is None if words is None else words in found


def test_in_shadow_lists_must_be_alike_enough_and_cover_enough():
    unlike = figures(compared=200, overlap=200 * 0.04, own_items=50, other_items=50)
    narrow = figures(compared=200, overlap=200 * 0.5, own_items=10, other_items=50)
    fine = figures(compared=200, overlap=200 * 0.5, own_items=50, other_items=50)
    assert "share 4.00%" in breach(LIMITS, "shadow", unlike, figures())
    assert "10 different items" in breach(LIMITS, "shadow", narrow, figures())
    assert breach(LIMITS, "shadow", fine, figures()) is None
    assert breach(LIMITS, "canary", unlike, figures()) is None
    assert has_enough(LIMITS, "shadow", fine)
    assert not has_enough(LIMITS, "shadow", figures(compared=99))


def test_a_wrong_limit_is_named():
    with pytest.raises(ConfigurationError, match="canary_share"):
        LIMITS.with_values({"canary_share": 2})
    with pytest.raises(ConfigurationError, match="max_lat"):
        LIMITS.with_values({"max_lat": 2})


def test_clicks_are_counted_once_a_user_and_only_of_users_that_were_served():
    test = ClickTest(max_drop=0.1, alpha=0.01)
    for _ in range(3):
        test.serve("a", is_new=True)
        test.serve("b", is_new=False)
        test.click("a", is_new=True)
        test.click("stranger", is_new=True)
    assert (test.users, test.clicks) == ((1, 1), [0, 1])


def simulate(rng, new_rate, *, users=4000, share=0.1, old_rate=0.1, alpha=0.05):
    """The number of users after which the test speaks; None when it never does."""
    test = ClickTest(max_drop=0.1, alpha=alpha)
    for n in range(users):
        is_new = bool(rng.random() < share)
        test.serve(str(n), is_new=is_new)
        if rng.random() < (new_rate if is_new else old_rate):
            test.click(str(n), is_new=is_new)
        if test.breach() is not None:
            return n
    return None


def test_a_version_that_is_as_good_as_allowed_is_seldom_sent_back_however_often_one_looks():
    rng = np.random.default_rng(11)
    alarms = sum(simulate(rng, 0.09, users=1500) is not None for _ in range(100))
    assert alarms <= 0.05 * 100 + 3 * np.sqrt(100 * 0.05 * 0.95)


def test_a_version_that_is_clicked_far_less_is_sent_back_soon():
    rng = np.random.default_rng(13)
    found = [simulate(rng, 0.03, alpha=0.01) for _ in range(10)]
    assert sum(n is not None for n in found) >= 9
