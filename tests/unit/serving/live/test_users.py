import math

import numpy as np
import pytest

from foretaste.data.builder import DatasetBuilder
from foretaste.data.intake.config import BuildConfig
from foretaste.events import Event
from foretaste.serving.live.users import HISTORY_LIMIT, EventWeights, UserStates, history_of
from foretaste.serving.training import read_training_data

START = 1.7e9


def event(number, item_id="i", kind="view", value=None, timestamp=None):
    return Event(
        event_id=f"e{number}",
        user_id="u",
        item_id=item_id,
        type=kind,
        value=value,
        timestamp=START + number if timestamp is None else timestamp,
    )


MIXED = [
    event(0, "a", "view"),
    event(1, "b", "Buy"),
    event(2, "c", "rating", 4.0),
    event(3, "d", "rating", 2.0),
    event(4, "e", "skip"),
    event(5, "f", "read", 30.0),
    event(6, "g", "read", 90.0),
    event(7, "h", "interaction", 7.0),
    event(8, "i", "tasting"),
    event(9, "j", "purchase", 3.0),
]


@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"action_weights": {"purchase": 9.0, "tasting": 2.5}},
        {"positive_rating": 3.0},
        {"multiply_by_value": ["purchase"]},
        {"time_decay_half_life_days": 0.0001},
        {"rating_scale": [1, 5]},
    ],
)
async def test_live_events_weigh_what_the_training_gives_them(empty_stores, pipeline, rules):
    await empty_stores.records.append_events(MIXED)
    data = await read_training_data(empty_stores.records, pipeline.model_copy(update={"data": rules}))
    trained = dict(
        zip(
            data.dataset.items.ids_of(data.dataset.interactions.item_rows),
            data.dataset.interactions.weights.tolist(),
            strict=True,
        )
    )
    weights = EventWeights.of(rules, data.measured)
    live = {e.item_id: weights.weight(e) for e in MIXED}
    assert live == pytest.approx(trained, rel=1e-5)


async def test_live_ratings_of_explicit_data_keep_their_value(empty_stores, pipeline):
    ratings = [event(n, f"i{n}", "rating", float(n % 5 + 1)) for n in range(6)]
    await empty_stores.records.append_events(ratings)
    data = await read_training_data(empty_stores.records, pipeline.model_copy(update={"data": {}}))
    weights = EventWeights.of({}, data.measured)
    assert data.dataset.is_explicit
    assert [weights.weight(e) for e in ratings] == [1.0, 2.0, 3.0, 4.0, 5.0, 1.0]
    assert weights.weight(event(9, "x", "view")) == 0.0


def test_no_events_mean_that_the_training_data_count():
    assert history_of([], EventWeights()) is None


def test_the_strongest_action_with_an_item_is_what_an_explanation_tells():
    history = history_of([event(0, "a", "buy"), event(1, "a", "view"), event(2, "b", "view")], EventWeights())
    assert history.actions == {"a": "purchase", "b": "view"}
    assert history.item_ids == ("a", "a", "b")


def test_an_unknown_time_stays_unknown():
    assert math.isnan(history_of([event(0, timestamp=0.0)], EventWeights()).timestamps[0])


def test_a_long_history_is_completed_by_what_training_knows_of_earlier_times():
    builder = DatasetBuilder(BuildConfig())
    data = builder.add_interactions(
        {"user_id": ["u", "u"], "item_id": ["old", "known"], "timestamp": [START - 100, START + 3]}
    ).build()
    events = [event(n, f"i{n}") for n in range(HISTORY_LIMIT)]
    long = history_of(events, EventWeights(), user_id="u", population=data.population)
    assert long.item_ids[:2] == ("old", "i0")
    assert len(long.item_ids) == HISTORY_LIMIT + 1
    short = history_of(events[:5], EventWeights(), user_id="u", population=data.population)
    assert short.item_ids == tuple(f"i{n}" for n in range(5))
    assert np.all(np.diff(long.timestamps) > 0)


class Counting:
    """A record store that counts what is read."""

    def __init__(self, records):
        self.records, self.reads = records, 0

    async def stamp(self, user_id):
        return await self.records.stamp(user_id)

    async def user_state(self, user_id, *, limit):
        self.reads += 1
        return await self.records.user_state(user_id, limit=limit)


async def test_a_state_is_read_again_only_after_a_new_event(empty_stores):
    counting = Counting(empty_stores.records)
    states = UserStates(counting)
    await empty_stores.records.append_events([event(0, "a")])
    assert [e.item_id for e in (await states.get("u")).events] == ["a"]
    await states.get("u")
    assert counting.reads == 1
    await empty_stores.records.append_events([event(1, "b")])
    assert [e.item_id for e in (await states.get("u")).events] == ["a", "b"]
    assert counting.reads == 2


async def test_the_cache_of_states_stays_within_its_size(empty_stores):
    states = UserStates(empty_stores.records, most=3)
    for number in range(10):
        await states.get(f"u{number}")
    assert len(states._states) == 3
