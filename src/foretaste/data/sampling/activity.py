"""What the people do: sessions, the funnel from view to purchase, and which item each visit goes to.

A *visit* is one or more actions of one user on one item, e.g. view, click, add_to_cart. Visits make sessions. For each
visit the shelf is drawn by popularity times taste, a few items of the shelf are proposed by popularity, and one of
them is taken by taste (softmax over the proposals: sampling importance resampling, Rubin 1988). The deeper a visit
goes, the more taste decides, so a purchase says more than a view; a skip goes to what the user likes least.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foretaste.data.sampling.calendar import Calendar, Demand
from foretaste.data.sampling.catalogue import Catalogue, Space
from foretaste.data.sampling.config import SampleConfig
from foretaste.data.sampling.people import People
from foretaste.data.sampling.randomness import choose, stream

TYPES = ("view", "click", "add_to_cart", "purchase", "rating", "like", "skip")
"""Actions, in the order of their codes."""
_V, _C, _A, _P, _R, _L, _S = range(7)
PATHS = ((_V,), (_V, _C), (_V, _C, _L), (_V, _C, _A), (_V, _C, _A, _P), (_V, _C, _A, _P, _R), (_V, _S))
"""What a visit can consist of."""
PATH_SHARES = (0.44, 0.25, 0.07, 0.09, 0.06, 0.03, 0.06)
PATH_TASTE = np.array([1.0, 1.2, 1.7, 1.4, 1.7, 1.7, -1.0], dtype=np.float32)
"""How much taste decides about the item of such a visit."""
PROPOSALS = 6
BLOCK_EVENTS = 200_000
"""Events in a block of users, about: the unit of randomness and of memory."""
_PATH_LENGTH = np.array([len(path) for path in PATHS])
_PATH_TABLE = np.array([path + (0,) * (5 - len(path)) for path in PATHS], dtype=np.uint8)
_FOCUS = 0.75  # share of visits that stay on the session's shelf
_GAP_S = 35.0


@dataclass(frozen=True)
class Block:
    """The events of users ``first`` … ``last - 1``, sorted by user and time. N events."""

    number: int
    first_event: int
    user_rows: npt.NDArray[np.int32]  # (N,)
    item_rows: npt.NDArray[np.int32]  # (N,)
    types: npt.NDArray[np.uint8]  # (N,)
    values: npt.NDArray[np.float32]  # (N,) stars, pieces or seconds read; NaN where nothing came
    seconds: npt.NDArray[np.int64]  # (N,) since 1970 UTC
    sessions: npt.NDArray[np.int32]  # (N,) number of the session within its user


@dataclass(frozen=True)
class World:
    """All that stands still while events happen."""

    config: SampleConfig
    space: Space
    catalogue: Catalogue
    people: People
    calendar: Calendar
    demand: Demand


def events_per_user(config: SampleConfig, activity: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Events of each user (U,): in proportion to activity, at most ``max_events_per_user``, ``n_events`` in all."""
    counts = np.zeros(len(activity), dtype=np.int64)
    limit = config.max_events_per_user
    left = config.n_events
    while left:
        weights = np.where(counts < limit, activity, 0.0)
        edges = np.round(np.cumsum(weights) * (left / weights.sum())).astype(np.int64)
        edges[np.flatnonzero(weights)[-1] :] = left
        counts = np.minimum(counts + np.diff(edges, prepend=0), limit)
        left = config.n_events - int(counts.sum())
    return counts


def make_blocks(world: World) -> Iterator[Block]:
    """All events, block by block. A block depends on nothing but its number, the seed and the settings."""
    counts = events_per_user(world.config, world.people.activity)
    after = np.cumsum(counts)
    first = 0
    number = 0
    while first < len(counts):
        before = int(after[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(after, before + BLOCK_EVENTS, side="right")))
        if after[last - 1] > before:
            yield _make_block(world, number, first, counts[first:last], before)
            number += 1
        first = last


def _make_block(world: World, number: int, first: int, counts: npt.NDArray[np.int64], first_event: int) -> Block:
    rng = stream(world.config.seed, "events", number)
    n = int(counts.sum())
    user = np.repeat(np.arange(len(counts)), counts)  # (N,) within the block
    begins = np.zeros(n, dtype=bool)
    begins[(np.cumsum(counts) - counts)[counts > 0]] = True
    path, visit, step = _visits(rng, begins)
    visit_start = np.flatnonzero(step == 0)
    visit_user = user[visit_start]
    session, session_time = _sessions(rng, world, first, visit_user)
    items = _items(rng, world, first + visit_user, session, session_time, path)
    types = _PATH_TABLE[path[visit], step]
    seconds = _times(rng, world, session[visit], session_time)
    rows = items[visit]
    users = (first + user).astype(np.int32)
    values = _values(rng, world, users, rows, types)
    first_session = np.searchsorted(visit_user[np.flatnonzero(np.diff(session, prepend=-1))], np.arange(len(counts)))
    number_in_user = (session[visit] - first_session[user]).astype(np.int32)
    order = np.lexsort((np.arange(n), seconds, user))
    return Block(
        number,
        first_event,
        users,
        rows[order],
        types[order],
        values[order],
        seconds[order] + world.config.start_s,
        number_in_user[order],
    )


def _visits(
    rng: np.random.Generator, begins: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Lay visits over N events: the path of each visit (V,), the visit of each event (N,) and its step in it (N,).

    A user's first event begins a visit; the visit that was cut there starts again with its first step.
    """
    n = len(begins)
    drawn = choose(rng, PATH_SHARES, n)  # at least as many as needed, as each has a step
    lengths = _PATH_LENGTH[drawn]
    starts = np.cumsum(lengths) - lengths
    drawn, starts = drawn[starts < n], starts[starts < n]
    is_start = begins.copy()
    is_start[starts] = True
    visit = np.cumsum(is_start) - 1
    at = np.flatnonzero(is_start)
    path = drawn[np.searchsorted(starts, at, side="right") - 1]
    return path, visit, np.arange(n) - at[visit]


def _sessions(
    rng: np.random.Generator, world: World, first: int, visit_user: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The session of each visit (V,), numbered through the block, and when each session starts, sorted in a user."""
    mean_visit = float(np.dot(PATH_SHARES, _PATH_LENGTH))
    starts = rng.random(len(visit_user)) < min(1.0, mean_visit / world.config.events_per_session)
    starts |= np.diff(visit_user, prepend=-1) > 0
    session = np.cumsum(starts) - 1
    owner = visit_user[starts]
    times = world.calendar.sample_times(world.people.signup_day[first + owner], rng)
    return session, times[np.lexsort((times, owner))]


def _items(
    rng: np.random.Generator,
    world: World,
    users: npt.NDArray[np.int64],
    session: npt.NDArray[np.int64],
    session_time: npt.NDArray[np.float64],
    path: npt.NDArray[np.int64],
) -> npt.NDArray[np.int32]:
    """The item of each visit (V,)."""
    strength = world.config.taste_strength
    tastes = world.people.factors
    period = world.demand.period_of(session_time)  # (Z,)
    at = np.flatnonzero(np.diff(session, prepend=-1))
    liking = np.einsum("zf,sf->zs", tastes[users[at]], world.space.shelves)  # (Z, S)
    chance = world.demand.shelf_share[period] * np.exp(0.6 * strength * liking)
    reach = np.cumsum(chance, axis=1, dtype=np.float64)
    main, side = (
        (reach < rng.random(len(at))[:, None] * reach[:, -1:]).sum(axis=1).clip(max=reach.shape[1] - 1)
        for _ in range(2)
    )
    stays = rng.random(len(session)) < _FOCUS
    shelf = np.where(stays, main[session], side[session])
    proposed = world.demand.sample_items(period[session], shelf, rng.random((len(session), PROPOSALS)))  # (V, M)
    liked = np.einsum("vf,vmf->vm", tastes[users], world.catalogue.factors[proposed])
    liked *= (strength * PATH_TASTE[path])[:, None]
    liked += rng.gumbel(size=liked.shape).astype(np.float32)  # the largest is a draw from the softmax
    return np.asarray(proposed[np.arange(len(proposed)), liked.argmax(axis=1)])


def _times(
    rng: np.random.Generator,
    world: World,
    session: npt.NDArray[np.int64],
    session_time: npt.NDArray[np.float64],
) -> npt.NDArray[np.int64]:
    """Seconds after the start of each event (N,), rising within a session, before the end of the last day."""
    gaps = 1.0 + rng.exponential(_GAP_S, len(session))
    opens = np.flatnonzero(np.diff(session, prepend=-1))
    running = np.cumsum(gaps)
    seconds = session_time[session] + running - running[opens][session]
    return np.minimum(seconds, world.config.days * 86_400 - 1.0).astype(np.int64)


def _values(
    rng: np.random.Generator,
    world: World,
    users: npt.NDArray[np.int32],
    rows: npt.NDArray[np.int32],
    types: npt.NDArray[np.uint8],
) -> npt.NDArray[np.float32]:
    """Seconds read for a view, pieces for a purchase, stars for a rating (higher where the affinity is), else NaN."""
    values = np.full(len(types), np.nan, dtype=np.float32)
    liked = np.einsum("nf,nf->n", world.people.factors[users], world.catalogue.factors[rows])
    views, bought, rated = (types == code for code in (_V, _P, _R))
    values[views] = np.round(rng.lognormal(2.5, 0.7, int(views.sum())) * np.exp(0.8 * liked[views]), 1)
    values[bought] = 1 + np.minimum(rng.poisson(0.15, int(bought.sum())), 9)
    noise = 0.7 * rng.standard_normal(int(rated.sum()))
    stars = 3.0 + 2.2 * liked[rated] - world.people.fussiness[users[rated]] + noise
    values[rated] = np.clip(np.round(stars), 1, 5)
    return values
