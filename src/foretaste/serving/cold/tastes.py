"""Groups of taste: clusters of users, what each of them likes, and to which of them a newcomer's answers point."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt
from scipy import sparse

from foretaste.data import Histories, Population, Vocabulary

Opinion = Literal["like", "dislike", "not_known"]
"""What somebody says of an item."""
OPINIONS: tuple[Opinion, ...] = ("like", "dislike", "not_known")
Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int32]
_FACTORS = 16
_TINY = 1e-12


class OnboardingConfig(BaseModel):
    """Settings of the onboarding questionnaire."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    n_groups: PositiveInt = 24
    """Groups of taste; fewer where there are few users."""
    n_candidates: PositiveInt = 400
    """Items that may be asked about: those that most people know."""
    most_users: PositiveInt = 20_000
    """Users that the groups are made of; a seeded sample of more."""
    smoothing: PositiveFloat = 10.0
    """Users of average taste added to each group, so that small groups say little."""
    not_known_share: NonNegativeFloat = 0.3
    """How much «I do not know it» counts as a sign: that somebody took an item says more than that they did not."""
    likes_share: NonNegativeFloat = 3.0
    """How much the hope for a like counts beside what an answer would tell, as likes make the first list."""
    diversity: float = Field(default=0.5, ge=0.0, le=1.0)
    """How far questions that the same groups would answer alike are kept apart: 0 not at all, 1 fully."""
    enough: float = Field(default=0.8, gt=0.0, le=1.0)
    """Certainty at which there is nothing more to ask, once ``least_likes`` were given."""
    least_likes: int = Field(default=3, ge=0)
    """Likes below which certainty does not end the questionnaire."""
    most_questions: PositiveInt = 25
    """Opinions after which it ends in any case."""
    seed: int = 0
    """Of the sample and of the clusters."""


@dataclass(frozen=True, eq=False)
class TasteGroups:
    """C groups and M candidates: how large each group is, and how likely its users like, dislike, or do not know each
    candidate.
    """

    items: Vocabulary
    """Of all items; ``rows`` are rows of it."""
    rows: Rows  # (M,) the candidates, most known first
    sizes: Floats  # (C,) shares of the users, sum 1
    answers: Floats  # (3, C, M) probabilities of like, dislike, not known
    level: float = 0.0
    """Weight from which something taken counts as a like; 0: any positive weight."""

    @classmethod
    def of(cls, population: Population, config: OnboardingConfig) -> "TasteGroups":
        """The groups among the users of a population; no candidates where nobody took anything.

        Users are brought to 16 latent dimensions (truncated SVD of what they like) and clustered by k-means. «Like» is
        a positive weight, of ratings one that is at least the median rating; anything else that was taken is «dislike».

        Cost: about a second for 20,000 users with a hundred items each.
        """
        own, level = _sampled(population, config)
        likes, dislikes = _opinions(own, level)
        known = np.asarray((likes + dislikes).sum(axis=0)).ravel()
        order = np.argsort(-known, kind="stable")[: config.n_candidates]
        rows: Rows = order[known[order] > 0].astype(np.int32)
        group = _clusters(likes, config)
        n_users, n_groups = len(group), int(group.max(initial=0)) + 1
        member = sparse.csr_array((np.ones(n_users), (group, np.arange(n_users))), shape=(n_groups, n_users))
        sizes = np.bincount(group, minlength=n_groups).astype(np.float64)
        answers = np.zeros((3, n_groups, len(rows)))
        for n, opinions in enumerate((likes, dislikes)):
            of_candidates = sparse.csr_array(opinions.tocsc()[:, rows])
            average = np.asarray(of_candidates.sum(axis=0)).ravel() / max(n_users, 1)
            counts = np.asarray((member @ of_candidates).toarray())
            answers[n] = (counts + config.smoothing * average) / (sizes[:, None] + config.smoothing)
        answers[2] = 1.0 - answers[0] - answers[1]
        answers = np.maximum(answers, 1e-6)
        return cls(population.items, rows, sizes / max(sizes.sum(), 1.0), answers / answers.sum(axis=0), level)

    @cached_property
    def _places(self) -> dict[str, int]:
        """Candidate → its place."""
        return {item_id: n for n, item_id in enumerate(self.items.ids_of(self.rows))} if len(self.rows) else {}

    @cached_property
    def _profiles(self) -> Floats:
        """How the groups differ in liking each candidate, at length 1 (M, C)."""
        likes = self.answers[0].T
        centred = (likes - likes @ self.sizes[:, None]) * np.sqrt(self.sizes)
        return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), _TINY))

    def posterior(self, opinions: Mapping[str, Opinion], config: OnboardingConfig) -> Floats:
        """How likely somebody with these opinions belongs to each group (C,); items that are no candidates say nothing.

        Bayes' rule with opinions independent within a group; «not known» counts by ``not_known_share``.
        """
        evidence = np.log(np.maximum(self.sizes, _TINY))
        for item_id, opinion in opinions.items():
            place = self._places.get(item_id)
            if place is not None:
                share = config.not_known_share if opinion == "not_known" else 1.0
                evidence = evidence + share * np.log(self.answers[OPINIONS.index(opinion), :, place])
        weights = np.exp(evidence - evidence.max(initial=-np.inf))
        return np.asarray(weights / max(weights.sum(), _TINY))

    def certainty(self, posterior: Floats) -> float:
        """1 less the entropy of the posterior relative to that of the group sizes: 0 at the start, 1 when sure, below
        0 where the opinions have made it less sure than the start.
        """
        start = float(_entropy(self.sizes[:, None])[0])
        return 1.0 - float(_entropy(posterior[:, None])[0]) / start if start > _TINY else 1.0

    def gains(self, posterior: Floats, config: OnboardingConfig) -> Floats:
        """What asking about each candidate is worth (M,): the expected fall of the posterior's entropy, in nats, and a
        share of the hope for a like.

        Source: Rashid, Karypis, Riedl 2008, «Learning preferences of new users in recommender systems: an information
        theoretic approach» (IGCN: information gain through clustered neighbours); differs in that «not known» is an
        answer with a probability of its own, so that popularity needs no factor, and in the hope for a like.
        """
        joint = posterior[None, :, None] * self.answers  # (3, C, M)
        chance = joint.sum(axis=1)  # (3, M)
        after = sum(chance[n] * _entropy(joint[n] / np.maximum(chance[n], _TINY)) for n in range(3))
        information = np.maximum(float(_entropy(posterior[:, None])[0]) - after, 0.0)
        return np.asarray(information + config.likes_share * chance[0] * information.max(initial=0.0))

    def next_questions(
        self,
        opinions: Mapping[str, Opinion],
        config: OnboardingConfig,
        *,
        n: int,
        allowed: npt.NDArray[np.bool_] | None = None,
    ) -> list[str]:
        """The ``n`` items most worth asking about next, each unlike the ones before it; fewer when no more are left.

        ``allowed`` is a mask over rows of ``items`` (or more rows).
        """
        is_open = np.ones(len(self.rows), dtype=bool) if allowed is None else allowed[self.rows]
        is_open &= ~np.isin(self.rows, self.items.rows(list(opinions)))
        values = np.where(is_open, self.gains(self.posterior(opinions, config), config), -np.inf)
        nearness = np.zeros(len(self.rows))
        chosen: list[int] = []
        while len(chosen) < min(n, int(is_open.sum())):
            worth = np.where(np.isfinite(values), values * (1.0 - config.diversity * nearness), -np.inf)
            best = int(np.argmax(worth))
            chosen.append(best)
            values[best] = -np.inf
            nearness = np.maximum(nearness, np.clip(self._profiles @ self._profiles[best], 0.0, 1.0))
        return self.items.ids_of(self.rows[chosen]) if chosen else []


def _sampled(population: Population, config: OnboardingConfig) -> tuple[Histories, float]:
    """Histories of at most ``most_users`` users who took something, and the weight from which it is a like."""
    histories = population.histories
    active = np.flatnonzero(histories.lengths > 0)
    if len(active) > config.most_users:
        active = np.sort(np.random.default_rng(config.seed).choice(active, config.most_users, replace=False))
    own = histories.take(active)
    positive = own.weights[own.weights > 0]
    return own, float(np.median(positive)) if population.is_explicit and len(positive) else 0.0


def _opinions(own: Histories, level: float) -> tuple[sparse.csr_array, sparse.csr_array]:
    """What users like and what else they took, as ones (U, I)."""
    is_liked = (own.weights > 0) & (own.weights >= level)
    liked = _ones(own.where(is_liked))
    rest = _ones(own.where(~is_liked))
    return liked, sparse.csr_array(rest - rest.multiply(liked))


def _ones(own: Histories) -> sparse.csr_array:
    made = sparse.csr_array((np.ones(len(own.item_rows)), own.item_rows, own.indptr), shape=(len(own), own.n_items))
    made.sum_duplicates()
    made.data[:] = 1.0
    return made


def _clusters(likes: sparse.csr_array, config: OnboardingConfig) -> npt.NDArray[np.int64]:
    """The group of each user (U,)."""
    n_users, n_items = likes.shape
    n_groups = max(1, min(config.n_groups, n_users // 8))
    if n_groups == 1 or n_items < 2 or likes.nnz == 0:
        return np.zeros(n_users, dtype=np.int64)
    from sklearn.cluster import KMeans
    from sklearn.utils.extmath import randomized_svd

    popularity = np.maximum(np.asarray(likes.sum(axis=0)).ravel(), 1.0)
    weighed = sparse.csr_array(likes @ sparse.diags_array(popularity**-0.25))
    n_factors = min(_FACTORS, n_users - 1, n_items - 1)
    left, spectrum, _ = randomized_svd(weighed, n_factors, random_state=config.seed)
    places = left * spectrum
    places /= np.maximum(np.linalg.norm(places, axis=1, keepdims=True), _TINY)
    n_groups = min(n_groups, len(np.unique(places.round(9), axis=0)))
    found = KMeans(n_groups, n_init=3, random_state=config.seed).fit_predict(places)
    _, numbered = np.unique(found, return_inverse=True)
    return np.asarray(numbered, dtype=np.int64)


def _entropy(columns: Floats) -> Floats:
    """Entropy of each column (C, M), in nats."""
    return np.asarray(-(columns * np.log(np.maximum(columns, _TINY))).sum(axis=0))
