"""The catalogue: items with text, category tree, brand, price, tags and dates, and what they are to a taste."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from foretaste.data.sampling.config import SampleConfig
from foretaste.data.sampling.randomness import choose, stream, unit_rows
from foretaste.data.sampling.words import BRAND_ENDS, BRAND_STARTS, DEPARTMENTS, DESCRIPTION

SHELVES = tuple((d, shelf) for d, department in enumerate(DEPARTMENTS) for shelf in department.shelves)
"""The leaves of the category tree: (department number, shelf name)."""
SHELF_DEPARTMENT = np.array([d for d, _ in SHELVES], dtype=np.int64)
TAGS = tuple(sorted({tag for department in DEPARTMENTS for tag in department.tags}))
TAGS_PER_ITEM = 3

_PRICE_SHARE_OF_SHELF = 0.35  # spread of shelves' price levels around their department's


@dataclass(frozen=True)
class Space:
    """The hidden space of tastes: where departments, shelves, tags and brands lie in it (unit vectors)."""

    shelves: npt.NDArray[np.float32]  # (shelves, F)
    tags: npt.NDArray[np.float32]  # (tags, F)
    brands: npt.NDArray[np.float32]  # (brands, F)
    brand_names: tuple[str, ...]


@dataclass(frozen=True)
class Catalogue:
    """Items as a frame, as vectors and as what the sampler of events needs. I items, in row order."""

    frame: pl.DataFrame
    factors: npt.NDArray[np.float32]  # (I, F) unit vectors
    shelf: npt.NDArray[np.int64]  # (I,) number of the shelf
    popularity: npt.NDArray[np.float64]  # (I,) r^-s, before drift and season
    published_day: npt.NDArray[np.int64]  # (I,) days after the start, negative before it


def make_space(config: SampleConfig) -> Space:
    """The hidden space; shelves of a department lie near each other."""
    rng = stream(config.seed, "space")
    f = config.n_factors
    departments = unit_rows(rng.standard_normal((len(DEPARTMENTS), f)))
    shelves = unit_rows(departments[SHELF_DEPARTMENT] + 0.8 * unit_rows(rng.standard_normal((len(SHELVES), f))))
    n_brands = int(np.clip(round(config.n_items**0.5 / 2), 4, len(BRAND_STARTS) * len(BRAND_ENDS)))
    codes = rng.permutation(len(BRAND_STARTS) * len(BRAND_ENDS))[:n_brands]
    names = tuple(BRAND_STARTS[c // len(BRAND_ENDS)] + BRAND_ENDS[c % len(BRAND_ENDS)] for c in codes.tolist())
    return Space(
        shelves,
        unit_rows(rng.standard_normal((len(TAGS), f))),
        unit_rows(rng.standard_normal((n_brands, f))),
        names,
    )


def make_catalogue(config: SampleConfig, space: Space) -> Catalogue:
    """All items. An item's vector is its shelf's, its tags' and its brand's, and something of its own."""
    rng = stream(config.seed, "items")
    n = config.n_items
    shelf = choose(rng, 1.0 / np.arange(1, len(SHELVES) + 1) ** 0.4, n)
    shelf = rng.permutation(len(SHELVES))[shelf]  # which shelves are the large ones is chance
    brand = choose(rng, 1.0 / np.arange(1, len(space.brand_names) + 1) ** 0.7, n)
    department = SHELF_DEPARTMENT[shelf]
    tags = _tags(rng, department)
    own = unit_rows(rng.standard_normal((n, config.n_factors)))
    mean_tag = unit_rows(space.tags[tags].sum(axis=1))
    factors = unit_rows(space.shelves[shelf] + 0.45 * mean_tag + 0.35 * space.brands[brand] + 0.45 * own)
    rank = rng.permutation(n) + 1
    popularity = rank.astype(np.float64) ** -config.popularity_exponent
    published = _published(rng, config, rank)
    frame = _frame(rng, config, space, shelf=shelf, brand=brand, tags=tags, published=published)
    return Catalogue(frame, factors, shelf, popularity, published)


def _tags(rng: np.random.Generator, department: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Three different tags (I, 3) of the department's own, as numbers into ``TAGS``."""
    number = {tag: code for code, tag in enumerate(TAGS)}
    choices = np.array([[number[tag] for tag in d.tags] for d in DEPARTMENTS], dtype=np.int64)  # (departments, 8)
    order = rng.random((len(department), choices.shape[1])).argsort(axis=1)[:, :TAGS_PER_ITEM]
    return np.asarray(choices[department[:, None], order])


def _published(rng: np.random.Generator, config: SampleConfig, rank: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Day of publication relative to the start; the most popular item was there before it."""
    n = config.n_items
    before = -1 - rng.integers(0, 730, n)
    after = rng.integers(0, max(1, int(config.days * 0.95)), n)
    is_new = (rng.random(n) < config.new_item_share) & (rank > 1)
    return np.where(is_new, after, before).astype(np.int64)


def _frame(
    rng: np.random.Generator,
    config: SampleConfig,
    space: Space,
    *,
    shelf: npt.NDArray[np.int64],
    brand: npt.NDArray[np.int64],
    tags: npt.NDArray[np.int64],
    published: npt.NDArray[np.int64],
) -> pl.DataFrame:
    n = config.n_items
    words = _words(rng, shelf)
    words = words.with_columns(brand=_named(space.brand_names, brand))
    n_sellers = max(1, len(space.brand_names) // 3)
    seller = choose(rng, 1.0 / np.arange(1, n_sellers + 1), n)
    return words.select(
        item_id=ids_of("p", np.arange(n), config.n_items),
        title=pl.concat_str([pl.col("qualifier"), pl.lit(" "), pl.col("noun"), pl.lit(", "), pl.col("variant")]),
        description=_description(rng.integers(0, len(DESCRIPTION), n)),
        category=pl.col("shelf"),
        department=pl.col("department"),
        brand=pl.col("brand"),
        seller=pl.format("seller-{}", pl.Series(seller + 1).cast(pl.String).str.zfill(3)),
        price=pl.Series(_prices(rng, shelf)),
        tags=_named(TAGS, tags.ravel()).reshape((n, TAGS_PER_ITEM)).arr.to_list(),
        published=pl.lit(config.start) + pl.duration(days=pl.lit(pl.Series(published))),
        stock=pl.Series(np.where(rng.random(n) < 0.04, 0, rng.negative_binomial(2, 0.03, n) + 1)).cast(pl.Int32),
    )


def _words(rng: np.random.Generator, shelf: npt.NDArray[np.int64]) -> pl.DataFrame:
    """The words of each item, one draw each out of the lists of its department."""
    n = len(shelf)
    department = SHELF_DEPARTMENT[shelf]
    columns: dict[str, pl.Series] = {
        "shelf": _named([name for _, name in SHELVES], shelf),
        "department": _named([d.name for d in DEPARTMENTS], department),
        "noun": _ragged([DEPARTMENTS[d].shelves[name] for d, name in SHELVES], shelf, rng.random(n)),
    }
    first = rng.random(n)
    lists = {
        "qualifier": ([d.qualifiers for d in DEPARTMENTS], rng.random(n)),
        "variant": ([d.variants for d in DEPARTMENTS], rng.random(n)),
        "benefit": ([d.benefits for d in DEPARTMENTS], first),
        "second_benefit": ([d.benefits for d in DEPARTMENTS], (first + 0.25 + 0.5 * rng.random(n)) % 1.0),
    }
    for name, (choices, chance) in lists.items():
        columns[name] = _ragged(choices, department, chance)
    return pl.DataFrame(columns)


def _description(form: npt.NDArray[np.int64]) -> pl.Expr:
    """One of the forms of ``DESCRIPTION`` a row, filled with the row's words."""
    lower = {"noun": pl.col("noun"), "shelf": pl.col("shelf").str.to_lowercase()}
    column = pl.lit("")
    for number, text in enumerate(DESCRIPTION):
        parts = [part for piece in text.split("{") for part in piece.partition("}")[::2]] if text else []
        filled: list[pl.Expr] = [pl.lit(parts[0])]
        for name, rest in zip(parts[2::2], parts[3::2], strict=True):
            filled += [lower.get(name, pl.col(name)), pl.lit(rest)]
        column = pl.when(pl.Series(form) == number).then(pl.concat_str(filled)).otherwise(column)
    return column


def _prices(rng: np.random.Generator, shelf: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Log-normal around a level for the shelf, ending in 9 cents as prices do."""
    level = np.exp(_PRICE_SHARE_OF_SHELF * rng.standard_normal(len(SHELVES)))
    median = np.array([DEPARTMENTS[d].median_price for d, _ in SHELVES]) * level
    spread = np.array([DEPARTMENTS[d].price_spread for d, _ in SHELVES])
    prices = median[shelf] * np.exp(spread[shelf] * rng.standard_normal(len(shelf)))
    return np.maximum(np.round(prices, 1) - 0.01, 0.49).round(2)


def ids_of(prefix: str, rows: npt.NDArray[np.integer], count: int) -> pl.Series:
    """Outside ids such as ``p-00042``, as wide as the last of ``count`` rows needs (5 digits at least)."""
    width = max(5, len(str(max(count - 1, 0))))
    return pl.select(pl.lit(f"{prefix}-") + pl.Series(rows).cast(pl.String).str.zfill(width)).to_series()


def _named(names: list[str] | tuple[str, ...], codes: npt.NDArray[np.integer]) -> pl.Series:
    return pl.Series(list(names), dtype=pl.String).gather(codes)


def _ragged(lists: list[tuple[str, ...]], which: npt.NDArray[np.int64], chance: npt.NDArray[np.float64]) -> pl.Series:
    """One word for each row out of ``lists[which]``, by a number in [0, 1)."""
    lengths = np.array([len(words) for words in lists])
    starts = np.cumsum(lengths) - lengths
    return _named([word for words in lists for word in words], starts[which] + (chance * lengths[which]).astype(int))
