"""The people: demographics, declared interests, circles of friends, social links, and their hidden tastes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from foretaste.data.sampling.catalogue import SHELVES, Space, ids_of
from foretaste.data.sampling.config import SampleConfig
from foretaste.data.sampling.randomness import choose, stream, unit_rows
from foretaste.data.sampling.words import COUNTRY_SHARES, GENDER_SHARES, GENDERS, PLACES

CIRCLE_SIZE = 24
"""Neighbours on the ring who share a part of their taste."""
_INTERESTS = 3
_AGE_BANDS = (25, 35, 50, 65)


@dataclass(frozen=True)
class People:
    """Users as a frame, as vectors, with their links and their share of the activity. U users, in row order."""

    frame: pl.DataFrame
    factors: npt.NDArray[np.float32]  # (U, F) unit vectors
    links: tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]  # each link once: smaller row, larger row
    activity: npt.NDArray[np.float64]  # (U,) relative activity; 0 for cold users
    signup_day: npt.NDArray[np.int64]  # (U,) days after the start, negative before it
    fussiness: npt.NDArray[np.float32]  # (U,) how much below the mean a user rates, in stars


def make_people(config: SampleConfig, space: Space) -> People:
    """All users. A taste is made of interests, of age and gender, of the circle of friends, and of something own."""
    rng = stream(config.seed, "users")
    n = config.n_users
    age = np.clip(rng.gamma(6.0, 7.0, n), 14, 95).astype(np.int64)
    gender = choose(rng, GENDER_SHARES, n)
    country = choose(rng, COUNTRY_SHARES, n)
    interests = _interests(rng, n)
    segment = np.searchsorted(_AGE_BANDS, age, side="right") * len(GENDERS) + gender
    segments = unit_rows(rng.standard_normal(((len(_AGE_BANDS) + 1) * len(GENDERS), config.n_factors)))
    weights = np.array([1.0, 0.7, 0.4], dtype=np.float32)
    personal = unit_rows(
        np.einsum("unf,n->uf", space.shelves[interests], weights)
        + 0.3 * segments[segment]
        + 0.5 * unit_rows(rng.standard_normal((n, config.n_factors)))
    )
    ring = np.lexsort((rng.random(n), interests[:, 0], country))  # alike people stand near each other
    factors = _with_circles(config, ring, personal)
    activity = np.exp(config.activity_spread * rng.standard_normal(n))
    activity[rng.permutation(n)[config.n_active_users :]] = 0.0
    signup = _signup(rng, config)
    frame = _frame(rng, config, age=age, gender=gender, country=country, interests=interests, signup=signup)
    links = _links(config, ring, activity)
    fussiness = (0.4 * rng.standard_normal(n)).astype(np.float32)
    return People(frame, factors, links, activity, signup, fussiness)


def _interests(rng: np.random.Generator, n: int) -> npt.NDArray[np.int64]:
    """Three different shelves a user (U, 3), the dearest first."""
    first = rng.integers(0, len(SHELVES), n)
    step = rng.integers(1, len(SHELVES) // 2, (n, _INTERESTS - 1)).cumsum(axis=1)  # different, as the sum stays below
    return np.column_stack([first, (first[:, None] + step) % len(SHELVES)])


def _with_circles(
    config: SampleConfig, ring: npt.NDArray[np.int64], personal: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Tastes moved towards the mean of each circle: a share ``homophily`` of them is common."""
    circle = np.empty(len(ring), dtype=np.int64)
    circle[ring] = np.arange(len(ring)) // CIRCLE_SIZE
    n_circles = int(circle.max()) + 1
    common = stream(config.seed, "circles").standard_normal((n_circles, config.n_factors))
    np.add.at(common, circle, personal)
    shared = unit_rows(common)[circle]
    return unit_rows((1.0 - config.homophily) * personal + config.homophily * shared)


def _signup(rng: np.random.Generator, config: SampleConfig) -> npt.NDArray[np.int64]:
    n = config.n_users
    before = -1 - rng.integers(0, 1000, n)
    during = rng.integers(0, max(1, int(config.days * 0.9)), n)
    return np.where(rng.random(n) < 0.35, during, before).astype(np.int64)


def _frame(
    rng: np.random.Generator,
    config: SampleConfig,
    *,
    age: npt.NDArray[np.int64],
    gender: npt.NDArray[np.int64],
    country: npt.NDArray[np.int64],
    interests: npt.NDArray[np.int64],
    signup: npt.NDArray[np.int64],
) -> pl.DataFrame:
    n = config.n_users
    cities = pl.Series([city for names in PLACES.values() for city in names], dtype=pl.String)
    city = 4 * country + choose(rng, (0.5, 0.25, 0.15, 0.1), n)  # four cities a country
    said = rng.integers(0, _INTERESTS + 1, n)  # some say nothing, some all
    shelves = pl.Series([name for _, name in SHELVES], dtype=pl.String)
    told = pl.DataFrame({"all": shelves.gather(interests.ravel()).reshape((n, _INTERESTS)).arr.to_list(), "said": said})
    return pl.select(
        user_id=ids_of("u", np.arange(n), n),
        age=pl.Series(age).cast(pl.Int16),
        gender=pl.Series(GENDERS, dtype=pl.String).gather(gender),
        country=pl.Series(list(PLACES), dtype=pl.String).gather(country),
        city=cities.gather(city),
        signup=pl.lit(config.start) + pl.duration(days=pl.lit(pl.Series(signup))),
        interests=told.select(pl.col("all").list.head(pl.col("said"))).to_series(),
    )


def _links(
    config: SampleConfig, ring: npt.NDArray[np.int64], activity: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """A small world: neighbours on the ring, a share of the links rewired towards active people.

    Source: Watts and Strogatz, Nature 393 (1998); the rewired end is drawn by a Zipf law over the ranks of activity,
    which gives the long tail of degrees that preferential attachment has.
    """
    n = config.n_users
    n_links = min(round(n * config.mean_friends / 2), n * (n - 1) // 2)
    empty = np.zeros(0, dtype=np.int32)
    if n < 2 or n_links == 0:
        return empty, empty
    rng = stream(config.seed, "links")
    place = rng.integers(0, n, n_links)
    reach = max(1, min(n - 1, int(np.ceil(config.mean_friends))))
    near = ring[(place + rng.integers(1, reach + 1, n_links)) % n]
    fame = np.empty(n)
    fame[np.argsort(-activity, kind="stable")] = np.arange(1.0, n + 1.0) ** -0.8
    popular = choose(rng, fame, n_links)
    source = ring[place]
    target = np.where(rng.random(n_links) < config.rewired_links, popular, near)
    low, high = np.minimum(source, target), np.maximum(source, target)
    pairs = np.unique((low.astype(np.int64) * n + high)[low != high])
    return (pairs // n).astype(np.int32), (pairs % n).astype(np.int32)
