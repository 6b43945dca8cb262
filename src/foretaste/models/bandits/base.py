"""The contract of a bandit: arms, choices with their propensities, rewards, and a state that can be saved."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self, final

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveFloat

from foretaste.data import Vocabulary
from foretaste.errors import ConfigurationError, CorruptStateError
from foretaste.models.config import ModelConfig, checked_config
from foretaste.models.state import State

Doubles = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]
DAY_S = 86_400.0


class BanditConfig(ModelConfig):
    """What all bandits can be told."""

    floor: float = Field(default=0.02, ge=0, le=1)
    """Share of choices made evenly among all arms, so that no propensity is 0."""
    half_life_days: PositiveFloat | None = None
    """After this time what was seen counts half, for arms whose worth changes; None forgets nothing."""
    seed: int = 0
    """Start of the draws by which propensities are found, where they are found by draws."""


class Choice(NamedTuple):
    """Arms that were chosen, and how likely each was."""

    places: Longs
    """Places in the arms that were offered (k,)."""
    propensities: Doubles
    """(k,) chance that the slot got this arm, given the slots before it; exactly that of the draw that was made."""


class Bandit(ABC):
    """Chooses arms and learns from what came of it. Safe to call from several threads.

    What is seen comes in two parts that may be far apart and in any order: :meth:`show` (an arm was shown, which
    counts as a reward of 0) and :meth:`reward` (something came of it). What was learnt is a sum over what was seen,
    each weighted by its own time, so it does not depend on the order: workers that read the same logs hold the same
    bandit.

    A bandit gives values drawn for arms (one draw when it is sure); what is chosen has the largest value of a draw. The
    chance of each arm is counted over all draws, then one arm is picked by those chances: so the propensity is exact
    for the choice as it is made, whatever the number of draws.
    """

    name: ClassVar[str]
    config_class: ClassVar[type[BanditConfig]] = BanditConfig
    needs_features: ClassVar[bool] = False
    """Whether every call needs features of the arms (n, d)."""
    state_arrays: ClassVar[tuple[str, ...]]
    """Attributes that make up what was learnt; the first axis counts arms, or models where the arms share one."""

    def __init__(self, config: BanditConfig | None = None, **parameters: Any) -> None:
        if config is not None and parameters:
            raise ConfigurationError("give either a config or parameters, not both")
        self.config: Any = config if config is not None else checked_config(self.name, self.config_class, parameters)
        self._ids: list[str] = []
        self._rows: dict[str, int] = {}
        self._seen_at = 0.0
        self._lock = threading.RLock()
        self._start()

    def __repr__(self) -> str:
        changed = self.config.model_dump(exclude_defaults=True)
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in changed.items())})"

    @property
    def arms(self) -> tuple[str, ...]:
        """Ids of all arms that were ever named, by row."""
        return tuple(self._ids)

    @final
    def rows(self, ids: Sequence[str]) -> Longs:
        """The row of each arm (n,); an arm that is new gets one."""
        with self._lock:
            for arm_id in ids:
                if arm_id not in self._rows:
                    self._rows[arm_id] = len(self._ids)
                    self._ids.append(arm_id)
            self._grow(len(self._ids))
            return np.fromiter((self._rows[arm_id] for arm_id in ids), dtype=np.int64, count=len(ids))

    @final
    def choose(self, arms: Longs, k: int = 1, *, seed: int, features: Doubles | None = None) -> Choice:
        """Up to ``k`` different arms among ``arms`` (n,) rows; ``features`` (n, d) where the bandit needs them.

        Raises:
            ConfigurationError: features are missing or of another shape.
        """
        from foretaste.models.bandits.kernels import pick

        k = min(k, len(arms))
        places, propensities = np.empty(max(k, 0), np.int64), np.empty(max(k, 0))
        if k > 0:
            rng = np.random.Generator(np.random.SFC64(seed))
            points = rng.random(k)
            with self._lock:
                values = self._values(arms, self._checked(arms, features), rng)
            pick(values, self._floor, points, places, propensities)
        return Choice(places, propensities)

    @final
    def probabilities(self, arms: Longs, *, seed: int, features: Doubles | None = None) -> Doubles:
        """The chance of each of ``arms`` (n,) to be chosen for one slot by :meth:`choose` with the same ``seed``."""
        from foretaste.models.bandits.kernels import chances

        out = np.zeros(len(arms))
        if len(arms):
            rng = np.random.Generator(np.random.SFC64(seed))
            rng.random()
            with self._lock:
                values = self._values(arms, self._checked(arms, features), rng)
            chances(values, np.zeros(len(arms), dtype=bool), self._floor, out)
        return out

    @final
    def show(self, arms: Longs, *, now: float, features: Doubles | None = None) -> None:
        """Count that each of ``arms`` (n,) was shown once; repeated ones count as often."""
        if len(arms):
            with self._lock:
                checked = self._checked(arms, features)
                self._show(arms, checked, self._weight_of(now))

    @final
    def reward(self, arms: Longs, rewards: Doubles, *, now: float, features: Doubles | None = None) -> None:
        """Add a reward (n,) to what came of showing each of ``arms`` (n,); time and features as when it was shown.

        Raises:
            ConfigurationError: a reward that is not a finite number.
        """
        rewards = np.asarray(rewards, dtype=np.float64)
        if rewards.shape != arms.shape or not np.isfinite(rewards).all():
            raise ConfigurationError(f"rewards must be {len(arms)} finite numbers, one for each arm")
        if len(arms):
            with self._lock:
                checked = self._checked(arms, features)
                self._reward(arms, rewards * self._weight_of(now), checked)

    # --- saving --------------------------------------------------------------------------------------------------

    @final
    def state(self) -> State:
        """What was learnt, as arrays and JSON: the same for all bandits that have seen the same. Arms of which nothing
        was seen are left out.
        """
        with self._lock:
            rows = self._seen_rows() if self._is_by_arm else []
            text, offsets = Vocabulary([self._ids[row] for row in rows]).arrays()
            arrays: dict[str, npt.NDArray[Any]] = {"arms.text": text, "arms.offsets": offsets}
            for name in self.state_arrays:
                own = getattr(self, name)
                arrays[name] = own[rows] if self._is_by_arm else own.copy()
            meta = {"config": self.config.model_dump(mode="json"), "seen_at": self._seen_at}
        return State(self.name, meta, arrays)

    def _seen_rows(self) -> list[int]:
        """Rows of the arms of which anything was seen, by id."""
        n = len(self._ids)
        seen = np.zeros(n, dtype=bool)
        for name in self.state_arrays:
            seen |= getattr(self, name)[:n].reshape(n, -1).any(axis=1)
        return sorted(np.flatnonzero(seen).tolist(), key=self._ids.__getitem__)

    @classmethod
    @final
    def from_state(cls, state: State) -> Self:
        """The bandit that was saved.

        Raises:
            CorruptStateError: the parts do not belong together.
        """
        try:
            bandit = cls(**state.meta["config"])
            bandit._seen_at = float(state.meta["seen_at"])
            bandit.rows(Vocabulary.from_arrays(state.arrays["arms.text"], state.arrays["arms.offsets"]).ids.to_list())
            bandit._restore(state.arrays)
        except (KeyError, TypeError, ValueError, ConfigurationError) as exc:
            raise CorruptStateError(f"the saved {state.kind!r} cannot be read: {exc}") from exc
        return bandit

    # --- what a bandit writes ------------------------------------------------------------------------------------

    @property
    def _floor(self) -> float:
        return float(self.config.floor)

    @abstractmethod
    def _start(self) -> None:
        """Set the arrays for no arms."""

    @abstractmethod
    def _grow(self, n_arms: int) -> None:
        """Make room for so many arms."""

    @abstractmethod
    def _values(self, arms: Longs, features: Doubles, rng: np.random.Generator) -> Doubles:
        """Values (M, n) drawn for the arms; one draw (1, n) where the bandit is sure. The largest of a draw wins."""

    @abstractmethod
    def _show(self, arms: Longs, features: Doubles, weight: float) -> None:
        """Count each of ``arms`` as shown, with a weight."""

    @abstractmethod
    def _reward(self, arms: Longs, rewards: Doubles, features: Doubles) -> None:
        """Add the rewards."""

    @abstractmethod
    def _scale(self, factor: float) -> None:
        """Multiply the weight of all that was seen."""

    def _restore(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take the saved arrays, whose arms have the first rows."""
        for name in self.state_arrays:
            saved, own = np.array(arrays[name], dtype=np.float64), getattr(self, name)
            own = own[: len(self._ids)] if self._is_by_arm else own
            if saved.shape != own.shape or not np.isfinite(saved).all():
                raise CorruptStateError(f"array {name!r} of the saved bandit does not fit its arms")
            own[:] = saved

    def _checked(self, arms: Longs, features: Doubles | None) -> Doubles:
        if not self.needs_features:
            return np.zeros((len(arms), 0))
        wanted = (len(arms), self.config.n_features)
        if features is None or features.shape != wanted:
            given = "none" if features is None else str(features.shape)
            raise ConfigurationError(f"bandit {self.name!r} needs features {wanted}, not {given}")
        return np.ascontiguousarray(features, dtype=np.float64)

    @property
    def _is_by_arm(self) -> bool:
        """Whether each arm has a row of its own in the arrays."""
        return True

    def _weight_of(self, now: float) -> float:
        """What something seen at ``now`` counts, after all that was seen earlier has faded up to then."""
        half_life, seen_at = self.config.half_life_days, self._seen_at
        self._seen_at = max(seen_at, now)
        if half_life is None or not seen_at:
            return 1.0
        faded = float(2.0 ** (-abs(now - seen_at) / DAY_S / half_life))
        if now < seen_at:
            return faded
        self._scale(faded)
        return 1.0


def room_for(array: Doubles, n: int, fill: Doubles | float = 0.0) -> Doubles:
    """The array, lengthened along its first axis to at least ``n`` entries (twice as many, so that it is rare)."""
    if n <= len(array):
        return array
    longer = np.empty((max(n, 2 * len(array), 16), *array.shape[1:]))
    longer[:] = fill
    longer[: len(array)] = array
    return longer
