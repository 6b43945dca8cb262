"""Toy data sets whose right answer is known, small enough for every test."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from foretaste.data import Dataset, Interactions, Vocabulary
from foretaste.errors import ConfigurationError

START = 1_700_000_000.0
"""Time of the first toy interaction: 14 November 2023, seconds since 1970 UTC."""

ACTION_WEIGHTS = {"view": 1.0, "add_to_cart": 3.0, "purchase": 5.0, "skip": 0.0}
"""Weights of the actions in :func:`tiny_shop`; a skip says «seen, no interest»."""

_SHOP = {
    "coffee": ("dark roast beans", "light roast beans", "espresso machine", "paper filters", "hand grinder", "tin mug"),
    "hiking": ("trail boots", "rain jacket", "wool socks", "folding poles", "water bottle", "day pack"),
    "music": ("steel strings", "guitar strap", "clip tuner", "practice amp", "music stand", "capo"),
    "garden": ("tomato seeds", "pruning shears", "clay pot", "watering can", "kneeling mat", "seed trays"),
}


@dataclass(frozen=True)
class Checkerboard:
    """A board of users × items, and what was taken off it to be found again."""

    data: Dataset
    held_out: tuple[frozenset[str], ...]
    """For each user row, the item ids that belong to the user and are not in ``data``."""

    def belongs(self, user_row: int, item_row: int) -> bool:
        """Whether user and item have the same parity, so the one likes the other."""
        return user_row % 2 == item_row % 2


def checkerboard(n_users: int = 40, n_items: int = 20, *, held_out: int = 2, seed: int = 0) -> Checkerboard:
    """A board where even users like even items and odd users odd ones; ``held_out`` items a user are taken off.

    The right list for a user is the held-out items of its own parity and nothing of the other one. The items taken off
    go round, so that each item keeps about the same number of users: popularity says nothing.

    Raises:
        ConfigurationError: so few items that none would be left with a user.
    """
    if n_users < 2 or n_items < 2 or not 0 <= held_out < n_items // 2:
        raise ConfigurationError(
            f"no checkerboard of {n_users} × {n_items} with {held_out} held out",
            hint="needs 2 users, 2 items and fewer held out than half of the items",
        )
    rng = np.random.default_rng(seed)
    user_rows: list[int] = []
    item_rows: list[int] = []
    gone: list[frozenset[str]] = []
    for user in range(n_users):
        own = np.arange(user % 2, n_items, 2)
        away = own[(user // 2 * max(held_out, 1) + np.arange(held_out)) % len(own)]
        kept = rng.permutation(np.setdiff1d(own, away))
        user_rows += [user] * len(kept)
        item_rows += kept.tolist()
        gone.append(frozenset(f"i{row}" for row in away.tolist()))
    parity = [("even", "odd")[row % 2] for row in range(n_items)]
    items = pl.DataFrame(
        {
            "item_id": [f"i{row}" for row in range(n_items)],
            "title": [f"{word} thing {row}" for row, word in enumerate(parity)],
            "category": parity,
        }
    )
    users = pl.DataFrame({"user_id": [f"u{row}" for row in range(n_users)]})
    data = _dataset(
        "checkerboard",
        users,
        items,
        _interactions(user_rows, item_rows, START + np.arange(len(user_rows)) * np.float64(60.0)),
        item_features={"title": "text", "category": "categorical"},
    )
    return Checkerboard(data, tuple(gone))


def tiny_shop(seed: int = 0, *, n_users: int = 36) -> Dataset:
    """A shop of 24 items in four categories, with titles, text, prices, tags, actions over 90 days and friends.

    Each user prefers one category (``favourite`` in the user frame, going round) and takes three of four items from
    it. The last user has no interactions and the last item of each category is taken by nobody (new items).

    Raises:
        ConfigurationError: fewer than 5 users.
    """
    if n_users < 5:
        raise ConfigurationError(f"no shop of {n_users} users", hint="needs at least 5")
    rng = np.random.default_rng(seed)
    items = _shop_items(rng)
    names = list(_SHOP)
    per_category = len(items) // len(names)
    popularity = 1.0 / np.arange(1, per_category)  # the last item of a category is new
    popularity /= popularity.sum()
    rows: list[tuple[int, int, str, float]] = []
    for user in range(n_users - 1):
        for _ in range(int(rng.integers(4, 11))):
            category = user % len(names) if rng.random() < 0.75 else int(rng.integers(len(names)))
            item = category * per_category + int(rng.choice(per_category - 1, p=popularity))
            when = START + float(rng.integers(90 * 86_400))
            depth = int(rng.choice(3, p=(0.6, 0.25, 0.15)))
            rows += [(user, item, kind, when + 30.0 * n) for n, kind in enumerate(list(ACTION_WEIGHTS)[: depth + 1])]
        rows.append((user, (user + 1) % len(names) * per_category, "skip", START + float(rng.integers(90 * 86_400))))
    kinds = [row[2] for row in rows]
    interactions = _interactions(
        [row[0] for row in rows],
        [row[1] for row in rows],
        np.array([row[3] for row in rows]),
        kinds=kinds,
    )
    users = pl.DataFrame(
        {
            "user_id": [f"u-{row:03}" for row in range(n_users)],
            "age": rng.integers(16, 80, n_users),
            "favourite": [names[row % len(names)] for row in range(n_users)],
        }
    )
    people = np.arange(n_users, dtype=np.int32)
    friends = (people + len(names)) % n_users  # the next with the same favourite
    return _dataset(
        "tiny shop",
        users,
        items,
        interactions,
        user_features={"age": "numeric", "favourite": "categorical"},
        item_features={
            "title": "text",
            "description": "text",
            "category": "categorical",
            "tags": "list",
            "price": "numeric",
            "published": "date",
        },
        links=(np.concatenate([people, friends]), np.concatenate([friends, people])),
    )


def one_user_one_item() -> Dataset:
    """The smallest data set there is: one user took one item once."""
    return _dataset(
        "one of each",
        pl.DataFrame({"user_id": ["u"]}),
        pl.DataFrame({"item_id": ["i"], "title": ["The only thing"], "category": ["things"]}),
        _interactions([0], [0], np.array([START])),
        item_features={"title": "text", "category": "categorical"},
    )


def dataset_of_matrix(matrix: npt.NDArray[Any], *, is_explicit: bool = False) -> Dataset:
    """A data set from a dense matrix users × items: each entry that is not 0 is an interaction of that weight.

    Users are called u0, u1, …, items i0, i1, …; nobody knows when anything happened. ``is_explicit`` makes the entries
    ratings, of which the last one of a pair counts.
    """
    users, items = np.nonzero(matrix)
    return _numbered(
        users, items, matrix[users, items], np.full(len(users), np.nan), matrix.shape, is_explicit=is_explicit
    )


def dataset_of_ratings(rows: npt.ArrayLike, n_users: int, n_items: int) -> Dataset:
    """A data set of ratings from rows (user row, item row, rating), made in this order; ids as in a matrix's."""
    users, items, ratings = np.asarray(rows, np.float64).T
    return _numbered(users, items, ratings, np.arange(len(ratings)), (n_users, n_items), is_explicit=True)


def random_weights(shape: tuple[int, int], *, share: float = 0.2, seed: int = 0) -> npt.NDArray[np.float64]:
    """A dense matrix where about ``share`` of the entries are whole numbers from 1 to 5 and the others 0."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(shape) < share, rng.integers(1, 6, shape), 0).astype(np.float64)


def _numbered(
    users: npt.NDArray[Any],
    items: npt.NDArray[Any],
    weights: npt.NDArray[Any],
    timestamps: npt.NDArray[Any],
    shape: tuple[int, ...],
    *,
    is_explicit: bool,
) -> Dataset:
    """Interactions of users u0, u1, … with items i0, i1, …"""
    interactions = Interactions(
        users.astype(np.int32),
        items.astype(np.int32),
        weights.astype(np.float32),
        timestamps.astype(np.float64),
        np.zeros(len(users), np.uint8),
    ).sorted()
    return Dataset(
        users=Vocabulary([f"u{row}" for row in range(shape[0])]),
        items=Vocabulary([f"i{row}" for row in range(shape[1])]),
        interactions=interactions,
        is_explicit=is_explicit,
        duplicates="last" if is_explicit else "sum",
    )


def _shop_items(rng: np.random.Generator) -> pl.DataFrame:
    rows: list[dict[str, object]] = []
    for category, things in _SHOP.items():
        for place, thing in enumerate(things):
            is_new = place == len(things) - 1
            rows.append(
                {
                    "item_id": f"p-{len(rows):03}",
                    "title": thing.capitalize(),
                    "description": f"{thing.capitalize()} for people who love {category}.",
                    "category": category,
                    "tags": [category, thing.split()[-1]],
                    "price": round(float(rng.lognormal(3.0, 0.6)), 2),
                    "published": date(2024, 2, 12) if is_new else date(2023, 6, 1) + timedelta(days=len(rows)),
                }
            )
    return pl.DataFrame(rows)


def _interactions(
    user_rows: Sequence[int],
    item_rows: Sequence[int],
    timestamps: npt.NDArray[np.floating],
    *,
    kinds: Sequence[str] | None = None,
) -> Interactions:
    kinds = ["interaction"] * len(user_rows) if kinds is None else kinds
    names = tuple(dict.fromkeys(kinds))
    return Interactions(
        np.asarray(user_rows, dtype=np.int32),
        np.asarray(item_rows, dtype=np.int32),
        np.array([ACTION_WEIGHTS.get(kind, 1.0) for kind in kinds], dtype=np.float32),
        np.asarray(timestamps, dtype=np.float64),
        np.array([names.index(kind) for kind in kinds], dtype=np.uint8),
        names,
    ).sorted()


def _dataset(
    name: str,
    users: pl.DataFrame,
    items: pl.DataFrame,
    interactions: Interactions,
    **features: object,
) -> Dataset:
    return Dataset(
        users=Vocabulary(users["user_id"]),
        items=Vocabulary(items["item_id"]),
        interactions=interactions,
        name=name,
        user_frame=users,
        item_frame=items,
        **features,  # type: ignore[arg-type]
    )


__all__ = [
    "ACTION_WEIGHTS",
    "START",
    "Checkerboard",
    "checkerboard",
    "dataset_of_matrix",
    "dataset_of_ratings",
    "one_user_one_item",
    "random_weights",
    "tiny_shop",
]
