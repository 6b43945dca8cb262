"""How sure is a mean, and is one model really better than another? Resampling over users."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foretaste.errors import ConfigurationError

Floats = npt.NDArray[np.float64]

MAX_UNITS = 20_000
"""More users than this are put into so many groups at random, and whole groups are drawn: the variance of a mean is the
same in expectation, the cost no longer grows."""
_BLOCK_BYTES = 32_000_000


@dataclass(frozen=True)
class PairedTest:
    """Whether the first of two models is better for the same users.

    ``difference`` is the mean of first minus second, ``low`` and ``high`` its bootstrap interval, ``p_value`` the
    two-sided
    probability of a difference at least as large if the models were alike (sign-flip permutation).
    """

    difference: float
    low: float
    high: float
    p_value: float
    n_users: int


def bootstrap(
    numerators: Floats,
    denominators: Floats,
    *,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[Floats, Floats]:
    """Percentile bootstrap intervals of M ratios Σ numerators / Σ denominators, users drawn with replacement.

    Args:
        numerators: (B, M) per user; for a mean the values, 0 where undefined.
        denominators: (B, M) per user; for a mean 1, 0 where undefined.
        n_resamples: repetitions.
        level: part of the repetitions inside the interval.
        seed: start of the random numbers; the same users are drawn for all M.

    Returns:
        Lower and upper ends (M,); NaN for fewer than two users.

    Raises:
        ConfigurationError: level outside 0 … 1, or fewer than one resample.
    """
    if not 0 < level < 1 or n_resamples < 1:
        raise ConfigurationError(
            f"level = {level} and n_resamples = {n_resamples} make no interval",
            hint="choose a level between 0 and 1 and at least one resample",
        )
    n_metrics = numerators.shape[1]
    if len(numerators) < 2:
        return np.full(n_metrics, np.nan), np.full(n_metrics, np.nan)
    rng = np.random.default_rng(seed)
    both = _grouped(np.hstack([numerators, denominators]), rng)
    sums = np.concatenate([counts @ both for counts in _draws(len(both), n_resamples, rng)])  # (R, 2M)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = sums[:, :n_metrics] / sums[:, n_metrics:]
    low, high = np.full(n_metrics, np.nan), np.full(n_metrics, np.nan)
    usable = np.isfinite(ratios).any(axis=0)
    tail = (1 - level) / 2
    low[usable], high[usable] = np.nanquantile(ratios[:, usable], [tail, 1 - tail], axis=0)
    return low, high


def mean_intervals(
    values: Floats, *, n_resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[Floats, Floats]:
    """Bootstrap intervals (M,) of the means of ``values`` (B, M), NaN left out; see :func:`bootstrap`."""
    known = ~np.isnan(values)
    return bootstrap(
        np.where(known, values, 0.0), known.astype(np.float64), n_resamples=n_resamples, level=level, seed=seed
    )


def paired_test(
    first: Floats, second: Floats, *, n_resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> PairedTest:
    """Compare two models by the values (B,) that they reach for the same users; users with a NaN are left out.

    Raises:
        ConfigurationError: unequal lengths, or fewer than two users with both values.
    """
    if first.shape != second.shape:
        raise ConfigurationError(
            f"{len(first)} and {len(second)} users make no pairs", hint="judge both models on the same users"
        )
    differences = (first - second)[~(np.isnan(first) | np.isnan(second))]
    if len(differences) < 2:
        raise ConfigurationError(f"{len(differences)} users are too few for a test", hint="at least two are needed")
    low, high = mean_intervals(differences[:, None], n_resamples=n_resamples, level=level, seed=seed)
    p_value = _sign_flip(differences, n_resamples, np.random.default_rng(seed + 1))
    return PairedTest(float(differences.mean()), float(low[0]), float(high[0]), p_value, len(differences))


def _sign_flip(differences: Floats, n_resamples: int, rng: np.random.Generator) -> float:
    """If the models were alike, each difference could as well have the other sign."""
    sums = _grouped(differences[:, None], rng)[:, 0]
    observed = abs(sums.sum())
    tolerance = 1e-12 * np.abs(sums).sum()  # equal sums may differ in their last bits
    as_large = 0
    step = max(1, _BLOCK_BYTES // (8 * len(sums)))
    for start in range(0, n_resamples, step):
        n = min(step, n_resamples - start)
        signs = rng.integers(0, 2, (n, len(sums)), dtype=np.int8) * 2.0 - 1.0
        as_large += int((np.abs(signs @ sums) >= observed - tolerance).sum())
    return (1 + as_large) / (1 + n_resamples)


def _grouped(values: Floats, rng: np.random.Generator) -> Floats:
    """The rows themselves, or sums over ``MAX_UNITS`` random groups of nearly equal size."""
    n = len(values)
    if n <= MAX_UNITS:
        return values
    group = rng.permutation(n) % MAX_UNITS
    return np.stack([np.bincount(group, column, MAX_UNITS) for column in values.T], axis=1)


def _draws(n: int, n_resamples: int, rng: np.random.Generator) -> Iterator[Floats]:
    """How often each of ``n`` units is drawn (R, n), in blocks of bounded size."""
    step = max(1, _BLOCK_BYTES // (16 * n))
    for start in range(0, n_resamples, step):
        repeats = min(step, n_resamples - start)
        picks = rng.integers(0, n, (repeats, n)) + n * np.arange(repeats)[:, None]
        yield np.bincount(picks.ravel(), minlength=repeats * n).reshape(repeats, n).astype(np.float64)
