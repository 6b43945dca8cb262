import numpy as np
import pytest

from foretaste.data import Query
from foretaste.models import create_model
from foretaste.serving.cold.tastes import OPINIONS, OnboardingConfig, TasteGroups
from foretaste.testing import dataset_of_matrix, dataset_of_ratings

GROUPS, PER_GROUP = 6, 20
CONFIG = OnboardingConfig(n_groups=GROUPS)


def people(n, seed):
    """Who took what (n, items) and the group of each: nine of ten things from their own group, the known ones first."""
    rng = np.random.default_rng(seed)
    fame = 1.0 / np.arange(1, PER_GROUP + 1)
    own = rng.choice(GROUPS, n, p=np.array([6, 5, 4, 3, 2, 1]) / 21)
    taken = np.zeros((n, GROUPS * PER_GROUP))
    for user, group in enumerate(own):
        for _ in range(14):
            chosen = group if rng.random() < 0.9 else rng.integers(GROUPS)
            taken[user, chosen * PER_GROUP + rng.choice(PER_GROUP, p=fame / fame.sum())] = 1.0
    return taken, own


@pytest.fixture(scope="module")
def data():
    return dataset_of_matrix(people(600, seed=0)[0])


@pytest.fixture(scope="module")
def groups(data):
    return TasteGroups.of(data.population, CONFIG)


def precision(data, model, strategy, n_answers):
    """Share of the first ten items that are of the newcomer's own group, after so many answers."""
    taken, own = people(80, seed=1)
    hits = []
    for user, group in enumerate(own):
        opinions = {}
        for _ in range(n_answers):
            item_id = strategy(user, opinions)
            row = data.items.row(item_id)
            opinions[item_id] = "not_known" if not taken[user, row] else OPINIONS[int(row // PER_GROUP != group)]
        liked = [item_id for item_id, opinion in opinions.items() if opinion == "like"]
        found = model.recommend([Query(history=liked, k=10)], 10).item_rows[0] if liked else popular(data)
        hits.append(np.mean(found // PER_GROUP == group))
    return float(np.mean(hits))


def popular(data):
    return np.argsort(-np.bincount(data.histories.item_rows, minlength=data.n_items), kind="stable")[:10]


def test_a_few_adaptive_answers_beat_random_questions_and_the_popular_list_by_far(data, groups):
    model = create_model("ease", regularization=10.0).fit(data)
    orders = [np.random.default_rng(user).permutation(data.n_items) for user in range(80)]

    def adaptive(_, opinions):
        return groups.next_questions(opinions, CONFIG, n=1)[0]

    def at_random(user, opinions):
        return data.items.id(int(orders[user][len(opinions)]))

    nothing = precision(data, model, adaptive, 0)
    asked, drawn = precision(data, model, adaptive, 5), precision(data, model, at_random, 5)
    assert asked > nothing + 0.25
    assert asked > drawn + 0.2


def test_groups_are_the_tastes_that_the_data_was_made_of(groups):
    likes = groups.answers[0]
    of_item = likes.argmax(axis=0)
    famous = [rows for g in range(GROUPS) if len(rows := np.flatnonzero(groups.rows // PER_GROUP == g)[:5]) == 5]
    assert [len(set(of_item[rows].tolist())) for rows in famous] == [1] * GROUPS
    assert len({int(of_item[rows[0]]) for rows in famous}) == GROUPS
    assert groups.sizes.sum() == pytest.approx(1.0)
    assert groups.answers.sum(axis=0) == pytest.approx(1.0)


def test_opinions_point_to_groups_by_the_rule_of_bayes(groups):
    a, b, c = groups.items.ids_of(groups.rows[[0, 3, 8]])
    found = groups.posterior({a: "like", b: "dislike", c: "not_known", "unheard of": "like"}, CONFIG)
    weights = [
        groups.sizes[g]
        * groups.answers[0, g, 0]
        * groups.answers[1, g, 3]
        * groups.answers[2, g, 8] ** CONFIG.not_known_share
        for g in range(len(groups.sizes))
    ]
    assert found == pytest.approx(np.array(weights) / sum(weights))


def test_the_gain_of_a_question_is_what_its_answers_take_from_the_entropy(groups):
    config = CONFIG.model_copy(update={"likes_share": 0.0})
    start = groups.sizes
    gains = groups.gains(start, config)

    def entropy(p):
        return -sum(x * np.log(x) for x in p)

    for place in (0, 7, 30):
        after = 0.0
        for kind in range(3):
            joint = [start[g] * groups.answers[kind, g, place] for g in range(len(start))]
            after += sum(joint) * entropy([x / sum(joint) for x in joint])
        assert gains[place] == pytest.approx(entropy(start) - after, abs=1e-9)


def test_answers_make_the_taste_certain(groups):
    assert groups.certainty(groups.posterior({}, CONFIG)) == pytest.approx(0.0, abs=1e-9)
    own = [item for item in groups.items.ids_of(groups.rows) if groups.items.row(item) < PER_GROUP][:4]
    assert groups.certainty(groups.posterior(dict.fromkeys(own, "like"), CONFIG)) > 0.8


def test_the_next_question_depends_on_the_answers(groups):
    first = groups.next_questions({}, CONFIG, n=1)[0]
    after = {opinion: groups.next_questions({first: opinion}, CONFIG, n=1)[0] for opinion in OPINIONS}
    assert first not in after.values()
    assert after["like"] != after["dislike"]


def test_questions_asked_together_are_about_different_tastes(groups):
    rows = groups.items.rows(groups.next_questions({}, CONFIG, n=4))
    assert len(set((rows // PER_GROUP).tolist())) >= 3
    alike = groups.next_questions({}, CONFIG.model_copy(update={"diversity": 0.0}), n=4)
    assert len(set((groups.items.rows(alike) // PER_GROUP).tolist())) < 4


def test_only_allowed_items_are_asked_about_each_once_until_none_is_left(groups):
    allowed = np.zeros(len(groups.items), dtype=bool)
    allowed[[3, 4, 5]] = True
    known = groups.items.id(4)
    found = groups.next_questions({known: "not_known"}, CONFIG, n=10, allowed=allowed)
    assert sorted(groups.items.rows(found).tolist()) == [3, 5]
    assert allowed.sum() == 3


def test_the_same_population_gives_the_same_groups(data, groups):
    again = TasteGroups.of(data.population, CONFIG)
    assert (again.answers == groups.answers).all()


def test_large_populations_are_sampled(data):
    few = TasteGroups.of(data.population, CONFIG.model_copy(update={"most_users": 100}))
    assert len(few.sizes) <= GROUPS
    assert few.rows.size


def test_low_ratings_are_dislikes():
    data = dataset_of_ratings([(u, i, 5 if i else 1) for u in range(20) for i in range(3)], 20, 3)
    groups = TasteGroups.of(data.population, CONFIG)
    place = groups.rows.tolist().index(0)
    assert groups.level == 5.0
    assert groups.answers[:, 0, place].argmax() == OPINIONS.index("dislike")


@pytest.mark.parametrize("matrix", [np.zeros((3, 4)), np.ones((1, 1)), np.ones((40, 1)), np.ones((40, 3))])
def test_small_or_empty_populations_make_few_groups_and_fail_nowhere(matrix):
    groups = TasteGroups.of(dataset_of_matrix(matrix).population, CONFIG)
    asked = groups.next_questions({}, CONFIG, n=10)
    assert len(asked) == (matrix.shape[1] if matrix.any() else 0)
    assert np.isfinite(groups.certainty(groups.posterior({}, CONFIG)))
