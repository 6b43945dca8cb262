"""What a newcomer's answers are worth: NDCG@10 of the first list after 0, 3, 5 and 10 questions on real ratings.

Some users are taken out of the data. Half of the ratings of each stand for what the person can answer («like» from 4
stars, «dislike» below, «I do not know it» for all other items), the liked half of the rest is what the list should
hold. The questions are the adaptive ones of :class:`foretaste.serving.cold.tastes.TasteGroups`, beside the items that
most people know and random items; the list is EASE's from the answers, and the popular one for who liked nothing.

``OnboardingConfig`` was chosen on other users than those measured here (``TUNING``).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.rows import Row
from benchmarks.serving import serving_row
from foretaste.data import Dataset, Query, read_dataset
from foretaste.models import Recommender, create_model
from foretaste.serving.cold.tastes import OnboardingConfig, Opinion, TasteGroups

FOLDER = "movielens-100k"
LIKED = 4.0
"""Stars from which a rating is a «like»."""
ANSWERS = (0, 3, 5, 10)
N_USERS = 300
TUNING, MEASURED = 0, 1
"""Which users: those that settings were chosen on, and those of the rows; no user is in both."""
Strategy = Callable[[int, Mapping[str, Opinion]], str]
"""The next item to ask about, for a user's number and the answers so far."""


@dataclass(frozen=True)
class Newcomers:
    """Models without some users, and these users' opinions and tests."""

    data: Dataset
    ranker: Recommender
    popular: Recommender
    opinions: tuple[dict[str, Opinion], ...]
    tests: tuple[frozenset[str], ...]

    def ndcg(self, strategy: Strategy, counts: tuple[int, ...] = ANSWERS) -> dict[int, tuple[float, float, float]]:
        """Number of answers → mean NDCG@10, half of its 95 % interval, mean number of likes among the answers."""
        lists: dict[int, list[tuple[float, int]]] = {count: [] for count in counts}
        for number, (known, test) in enumerate(zip(self.opinions, self.tests, strict=True)):
            answers: dict[str, Opinion] = {}
            for count in range(max(counts) + 1):
                if count in lists:
                    n_likes = sum(answer == "like" for answer in answers.values())
                    lists[count].append((_ndcg(self._list(answers), test), n_likes))
                item_id = strategy(number, answers)
                answers[item_id] = known.get(item_id, "not_known")
        found = {}
        for count, values in lists.items():
            gains = np.array([gain for gain, _ in values])
            half = 1.96 * float(gains.std()) / len(gains) ** 0.5
            found[count] = (float(gains.mean()), half, float(np.mean([likes for _, likes in values])))
        return found

    def _list(self, answers: Mapping[str, Opinion]) -> list[str]:
        known = [item_id for item_id, answer in answers.items() if answer != "not_known"]
        weights = [float(answers[item_id] == "like") for item_id in known]
        model = self.ranker if sum(weights) > 0 else self.popular
        query = Query(history=known, history_weights=weights, k=10)
        return list(model.recommend([query], 10)[0].item_ids)


def newcomers(folder: Path, *, part: int, n_users: int = N_USERS) -> Newcomers:
    """The models and the users of one ``part``."""
    data = read_dataset(folder).dataset
    rows = np.random.default_rng(0).permutation(data.n_users)[part * N_USERS : part * N_USERS + n_users]
    taken_out = np.zeros(data.n_users, dtype=bool)
    taken_out[rows] = True
    interactions = data.interactions
    liked = replace(interactions, weights=(interactions.weights >= LIKED).astype(np.float32))
    whole = replace(data, is_explicit=False, duplicates="max", interactions=liked)
    training = whole.with_interactions(liked.where(~taken_out[liked.user_rows]))
    rng, opinions, tests = np.random.default_rng(1), [], []
    for row in rows.tolist():
        own = whole.histories.slice(row)
        items, weights = whole.items.ids_of(whole.histories.item_rows[own]), whole.histories.weights[own]
        order = rng.permutation(len(items))
        known, rest = order[: len(order) // 2], order[len(order) // 2 :]
        test = frozenset(items[place] for place in rest if weights[place] > 0)
        if test:
            opinions.append({items[p]: _opinion(weights[p]) for p in known})
            tests.append(test)
    ranker = create_model("ease", regularization=200.0).fit(training)
    return Newcomers(training, ranker, create_model("popular").fit(training), tuple(opinions), tuple(tests))


def adaptive(data: Dataset, config: OnboardingConfig) -> Strategy:
    """The questions that the service would ask."""
    groups = TasteGroups.of(data.population, config)
    return lambda _, answers: groups.next_questions(answers, config, n=1)[0]


def most_known(data: Dataset) -> Strategy:
    """Everybody gets the same questions: the items that most people have an opinion of."""
    counts = np.bincount(data.histories.item_rows, minlength=data.n_items)
    return _in_order(data, lambda _: np.argsort(-counts, kind="stable"))


def at_random(data: Dataset) -> Strategy:
    """Random items, others for each user."""
    return _in_order(data, lambda number: np.random.default_rng(number).permutation(data.n_items))


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """A row for each number of answers; one that says so where there is no data."""
    folder = None if data is None else data / FOLDER
    if folder is None or not folder.is_dir():
        yield {"benchmark": "serving", "name": "cold", "skipped": f"give a folder with {FOLDER} by --data"}
        return
    people = newcomers(folder, part=MEASURED, n_users=40 if quick else N_USERS)
    own = people.ndcg(adaptive(people.data, OnboardingConfig()))
    known, random = people.ndcg(most_known(people.data)), people.ndcg(at_random(people.data))
    for count in ANSWERS:
        value, half, likes = own[count]
        yield serving_row(
            "cold",
            f"{count} answers, {len(people.tests)} users",
            ndcg_at_10=value,
            interval=half,
            likes=likes,
            ndcg_most_known=known[count][0],
            ndcg_random=random[count][0],
            peer_name="most known items",
            ratio=value / known[count][0],
        )


def _in_order(data: Dataset, order_of: Callable[[int], npt.NDArray[np.integer]]) -> Strategy:
    orders: dict[int, list[str]] = {}

    def ask(number: int, answers: Mapping[str, Opinion]) -> str:
        if number not in orders:
            orders[number] = data.items.ids_of(order_of(number)[: max(ANSWERS) + 1])
        return orders[number][len(answers)]

    return ask


def _opinion(weight: float) -> Opinion:
    return "like" if weight > 0 else "dislike"


def _ndcg(found: list[str], test: frozenset[str]) -> float:
    gains = sum(1.0 / np.log2(place + 2) for place, item_id in enumerate(found) if item_id in test)
    return float(gains / sum(1.0 / np.log2(place + 2) for place in range(min(10, len(test)))))
