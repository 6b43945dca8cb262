"""A weighted sum of other models' scores whose weights are learned on items that the parts did not see."""

from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from foretaste.data import Dataset
from foretaste.logs import get_logger
from foretaste.models.base import FloatBlock, Recommender, Rows, UserBatch
from foretaste.models.hybrid.base import HybridBase, HybridConfig, n_liked
from foretaste.models.hybrid.candidates import Candidates, gather
from foretaste.models.hybrid.genetic import Breeding
from foretaste.models.hybrid.holdout import hold_out
from foretaste.models.hybrid.normalize import Normalization, normalize
from foretaste.models.hybrid.weighted import WeightedPart
from foretaste.models.hybrid.weights import Optimizer, blend_ndcg, learn_weights
from foretaste.models.registry import create_model

log = get_logger(__name__)


class StackedHybridConfig(HybridConfig):
    """Settings of :class:`StackedHybrid`."""

    parts: tuple[WeightedPart, ...] = (
        WeightedPart(model="item_knn"),
        WeightedPart(model="user_knn"),
        WeightedPart(model="popular", weight=0.1),
    )
    """The models, each with its parameters; ``weight`` is where the search starts, and all there is to ``given``."""
    normalization: Normalization = "zscore"
    """How each user's scores of each model are brought to one scale: ``zscore``, ``minmax``, ``rank`` or ``none``."""
    optimizer: Optimizer = "genetic"
    """How weights are found: ``genetic`` and ``coordinate`` maximise NDCG on held-out items, ``logistic`` their
    likelihood; ``equal`` and ``given`` learn nothing."""
    k: PositiveInt = 10
    """Length of the lists that NDCG is measured on."""
    test_share: float = Field(default=0.15, gt=0.0, le=0.5)
    """Part of each user's items that is held out to learn the weights on."""
    n_folds: int = Field(default=1, ge=1, le=10)
    """How many times another part is held out; each time all parts are fitted anew."""
    n_groups: int = Field(default=1, ge=1, le=10)
    """Groups of users by how much they took, each with weights of its own."""
    n_candidates: PositiveInt = 100
    """Best items of each part among which held-out ones must come first."""
    max_users: PositiveInt = 5000
    """Users that weights are learned on, drawn at random."""
    population: int = Field(default=64, ge=4, le=10_000)
    """Weightings in a generation (genetic)."""
    generations: PositiveInt = 40
    """Most generations (genetic)."""
    elite: NonNegativeInt = 2
    """Best weightings that live on unchanged (genetic)."""
    mutation_rate: float = Field(default=0.3, ge=0.0, le=1.0)
    """Chance of a weight to change in a child (genetic)."""
    seed: NonNegativeInt = 0
    """Start of the random numbers."""

    @model_validator(mode="after")
    def _check_weights(self) -> Self:
        if sum(part.weight for part in self.parts) <= 0:
            raise ValueError("a hybrid needs at least one part with a weight above 0")
        return self


class StackedHybrid(HybridBase):
    """The weighted sum of other models' scores, the weights learned on held-out items, parts fitted on all.

    Part of each user's items is held out, the parts are fitted on the rest, and the union of each part's best items
    and the held-out ones becomes a small table of scores (candidates × parts). On it thousands of weightings are
    judged by the NDCG of each user's list, and the best one is kept; then the parts are fitted on all data. Scores are
    brought to one scale user by user. Weights are at least 0 and sum to 1; where
    nothing can be held out they are those of the config.

    Source: stacking as in Wolpert 1992, doi:10.1016/S0893-6080(05)80023-1, with the ranking measure itself as the
    objective.
    Cost: (folds + 1) times the parts' fitting; memory for the candidates, never users × items.
    """

    name = "stacked"
    config_class = StackedHybridConfig
    state_fields = ("weights", "edges", "validation")

    def _fit(self, data: Dataset) -> None:
        config: StackedHybridConfig = self.config
        start = np.array([part.weight for part in config.parts], dtype=np.float64)
        learns = config.optimizer not in {"equal", "given"} and len(start) > 1
        self._steps, self._done = len(start) * (1 + config.n_folds * learns) + learns, 0
        candidates = self._candidates(data) if learns else None
        if candidates is None:
            optimizer: Optimizer = "equal" if config.optimizer == "equal" else "given"
            empty = Candidates(np.zeros((len(start), 0), np.float32), *(np.zeros(n, np.int64) for n in (1, 0, 0)))
            self._set(np.zeros(0, np.int64), [learn_weights(empty, optimizer, start)], {})
        else:
            self._learn(candidates, start)
        for model in self.models:
            model.fit(data)
            self._step()

    def _step(self) -> None:
        self._done += 1
        self._report(min(self._done, self._steps), self._steps)

    def _candidates(self, data: Dataset) -> Candidates | None:
        """The parts' scores of held-out and rivalling items; None where nothing can be held out."""
        config: StackedHybridConfig = self.config
        found = []
        for fold in range(config.n_folds):
            holdout = hold_out(data, config.test_share, seed=config.seed, fold=fold)
            if holdout is None:
                return None
            models = [create_model(part.model, **part.parameters) for part in config.parts]
            for model in models:
                model.fit(holdout.train)
                self._step()
            found.append(
                gather(
                    models,
                    holdout,
                    self._scaled,
                    n_candidates=config.n_candidates,
                    max_users=config.max_users,
                    seed=config.seed + fold,
                )
            )
        return Candidates.joined(found)

    def _learn(self, candidates: Candidates, start: npt.NDArray[np.float64]) -> None:
        config: StackedHybridConfig = self.config
        quantiles = np.linspace(0, 1, config.n_groups + 1)[1:-1]
        edges = np.unique(np.quantile(candidates.n_liked, quantiles).astype(np.int64)) if len(quantiles) else quantiles
        groups = np.searchsorted(edges, candidates.n_liked, side="right")
        breeding = Breeding(
            population=config.population,
            generations=config.generations,
            elite=config.elite,
            mutation_rate=config.mutation_rate,
        )
        weights, quality = [], 0.0
        for group in range(len(edges) + 1):
            own = candidates.of_users(groups == group)
            found = learn_weights(own, config.optimizer, start, k=config.k, breeding=breeding, seed=config.seed)
            weights.append(found)
            quality += float(blend_ndcg(own, found, k=config.k)[0]) * len(own) / len(candidates)
        singles = blend_ndcg(candidates, np.eye(len(start)), k=config.k)
        equal = blend_ndcg(candidates, np.ones(len(start)), k=config.k)
        told = {"blend": quality, "equal": float(equal[0]), "parts": singles.tolist(), "n_users": len(candidates)}
        self._set(np.asarray(edges, dtype=np.int64), weights, told)
        self._step()
        log.info("weights_learned", weights=self.weights.round(3).tolist(), **told)

    def _set(
        self, edges: npt.NDArray[np.int64], weights: list[npt.NDArray[np.float64]], told: dict[str, object]
    ) -> None:
        self.edges = edges
        """Numbers of items taken at which a user belongs to the next group (G - 1,)."""
        self.weights = np.asarray(np.stack(weights), dtype=np.float32)
        """The weight of each part for each group (G, P); rows sum to 1."""
        self.validation = told
        """NDCG on the held-out items: of the blend, of equal weights and of each part; empty where none was learned."""

    # --- scoring -----------------------------------------------------------------------------------------------------

    def _scaled(self, model: Recommender, batch: UserBatch) -> FloatBlock:
        return normalize(self._part_scores(model, batch), self.config.normalization)

    def _user_weights(self, batch: UserBatch) -> npt.NDArray[np.float32]:
        """The weights of each user's group (B, P)."""
        groups = np.searchsorted(self.edges, n_liked(batch), side="right")
        return np.asarray(self.weights[groups], dtype=np.float32)

    def _part_weights(self, batch: UserBatch) -> npt.NDArray[np.float32]:
        return np.asarray(self._user_weights(batch)[0], dtype=np.float32)

    def _scores(self, batch: UserBatch) -> FloatBlock:
        weights = self._user_weights(batch)
        total = np.zeros((len(batch), len(self.items)), dtype=np.float32)
        known = np.zeros(total.shape, dtype=bool)
        for p, model in enumerate(self.models):
            scores = self._part_scores(model, batch)
            known |= np.isfinite(scores)
            scores = normalize(scores, self.config.normalization)
            scores *= weights[:, p, None]
            total += scores
        total[~known] = -np.inf
        return total

    def _item_similarity(self, rows: Rows) -> FloatBlock:
        return self._first_similarity(rows)
