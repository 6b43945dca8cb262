"""A genetic algorithm over vectors of numbers from 0 to 1: for weights of hybrids and for settings of models."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Fitness = Callable[[Floats], Floats]
"""From genomes (V, G) to their fitness (V,); larger is better, NaN counts as the worst."""


@dataclass(frozen=True)
class Breeding:
    """How a population is bred."""

    population: int = 64
    """Genomes of a generation."""
    generations: int = 40
    """Most generations."""
    elite: int = 2
    """Best genomes that go on unchanged."""
    tournament: int = 3
    """Genomes drawn for each parent, of which the best one is taken."""
    crossover_rate: float = 0.9
    """Chance that a child has two parents; else it is a copy of one before mutation."""
    mutation_rate: float = 0.3
    """Chance of a gene to change."""
    mutation_scale: float = 0.25
    """Standard deviation of a change in the first generation; it falls to a tenth of it."""
    patience: int = 10
    """Generations without a better genome after which breeding ends."""


@dataclass(frozen=True)
class Evolved:
    """What came of it: the best genome (G,), its fitness, and the best fitness of each generation."""

    best: Floats
    fitness: float
    history: tuple[float, ...]
    n_judged: int


def evolve(
    fitness: Fitness,
    n_genes: int,
    *,
    breeding: Breeding | None = None,
    start: Floats | None = None,
    seed: int = 0,
    go_on: Callable[[], bool] = lambda: True,
) -> Evolved:
    """Breed genomes of ``n_genes`` numbers in 0 … 1 that maximise ``fitness``; ``start`` (S, G) are in the first
    generation.

    Parents win tournaments, children mix them gene by gene at random points between and a little beyond both (BLX-0.25)
    and mutate by normal steps that get smaller; the elite survives. The same seed and fitness give the same result;
    ``go_on`` is asked before each generation.

    Source: Goldberg 1989; the mixing is Eshelman and Schaffer 1993, doi:10.1016/B978-0-08-094832-4.50018-0.
    """
    breeding = breeding or Breeding()
    rng = np.random.default_rng(seed)
    size = max(2, breeding.population)
    genomes = rng.random((size, n_genes))
    if start is not None and len(start):
        genomes[: min(size, len(start))] = np.clip(start[:size], 0.0, 1.0)
    values = _judged(fitness, genomes)
    n_judged, idle = size, 0
    history = [float(values.max())]
    for generation in range(1, breeding.generations):
        if idle >= breeding.patience or not go_on():
            break
        kept = np.argsort(-values, kind="stable")[: min(max(1, breeding.elite), size - 1)]
        scale = breeding.mutation_scale * (1.0 - 0.9 * generation / breeding.generations)
        children = _children(genomes, values, size - len(kept), breeding, scale, rng)
        fresh = _judged(fitness, children)
        n_judged += len(children)
        genomes = np.concatenate([genomes[kept], children])
        values = np.concatenate([values[kept], fresh])
        idle = 0 if values.max() > history[-1] else idle + 1
        history.append(float(values.max()))
    best = int(np.argmax(values))
    return Evolved(genomes[best].copy(), float(values[best]), tuple(history), n_judged)


def _judged(fitness: Fitness, genomes: Floats) -> Floats:
    values = np.asarray(fitness(genomes), dtype=np.float64)
    return np.where(np.isnan(values), -np.inf, values)


def _children(
    genomes: Floats, values: Floats, n: int, breeding: Breeding, scale: float, rng: np.random.Generator
) -> Floats:
    first, second = (genomes[_winners(values, n, breeding.tournament, rng)] for _ in range(2))
    at = rng.uniform(-0.25, 1.25, size=first.shape)
    mixed = np.where(rng.random((n, 1)) < breeding.crossover_rate, first + at * (second - first), first)
    changed = rng.random(first.shape) < breeding.mutation_rate
    return np.clip(mixed + changed * rng.normal(0.0, scale, size=first.shape), 0.0, 1.0)


def _winners(values: Floats, n: int, tournament: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    drawn = rng.integers(len(values), size=(n, max(1, tournament)))
    return np.asarray(drawn[np.arange(n), np.argmax(values[drawn], axis=1)])
