"""Policies at work: what a list explores, how it was drawn, and the bandits that all pipelines of a service share."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any
from weakref import WeakValueDictionary
from zlib import crc32

from foretaste.data import Query
from foretaste.models.bandits import Bandit
from foretaste.serving.exploration.config import ExplorationConfig
from foretaste.serving.exploration.features import features_of, situation_of

_ODD = 0x9E3779B97F4A7C15
_WORD = 0xFFFFFFFFFFFFFFFF
AttributesOf = Callable[[Sequence[str]], Sequence[Mapping[str, str]]]


@dataclass(frozen=True)
class Explored:
    """What exploration did to one list."""

    policy: str
    share: float
    """Of the lists that explore: multiply by it for the chance before that was drawn."""
    item_ids: tuple[str, ...]
    """What the policy took, in the order of the places."""
    places: tuple[int, ...]
    """Their places from 0, ascending, in a list that is long enough."""
    propensities: tuple[float, ...]
    """Chance that the policy took each for its place, given the places before, in a list that explores."""
    offered: tuple[str, ...]
    """What it could have taken for the first place."""
    situation: Mapping[str, str] = field(default_factory=dict)
    """What it knew of the request."""
    features: tuple[tuple[float, ...], ...] = ()
    """What it chose by, one an item; empty for policies that only count."""

    @property
    def arms(self) -> dict[str, Any]:
        """What is logged with the list, so that clicks can teach and another policy can be judged by the log."""
        return {
            "policy": self.policy,
            "share": self.share,
            "items": list(self.item_ids),
            "offered": list(self.offered),
            "context": dict(self.situation),
            "features": [list(one) for one in self.features],
        }


class Policy:
    """One table of a pipeline at work: its settings and the bandit that all who share its name teach and ask."""

    def __init__(self, table: str, name: str, config: ExplorationConfig, bandit: "SharedBandit") -> None:
        self.table, self.name, self.config = table, name, config
        self.shared = bandit

    @property
    def bandit(self) -> Bandit:
        """The bandit as it is now."""
        return self.shared.bandit

    def explores(self, draw: int) -> bool:
        """Whether the list with this draw explores."""
        return (draw >> 11) * 2.0**-53 < self.config.share

    def choose(
        self, item_ids: Sequence[str], *, draw: int, situation: Mapping[str, str], attributes_of: AttributesOf
    ) -> tuple[int, float, tuple[float, ...]]:
        """Place in ``item_ids`` (not empty) of the item that is taken, its propensity, and its features if any."""
        bandit, features = self.bandit, None
        if bandit.needs_features:
            known = attributes_of(item_ids) if self.config.attributes else [{}] * len(item_ids)
            features = features_of(self.config, situation, known)
        choice = bandit.choose(bandit.rows(item_ids), 1, seed=draw, features=features)
        place = int(choice.places[0])
        own = () if features is None else tuple(features[place].tolist())
        return place, float(choice.propensities[0]), own

    def situation(self, query: Query, user: Mapping[str, object], now: float) -> dict[str, str]:
        """What the policy may know of a request."""
        return situation_of(self.config, query.context, user, now)


class SharedBandit:
    """The bandit of one name, exchanged as a whole when what was learnt is read anew."""

    def __init__(self, config: ExplorationConfig) -> None:
        self.config = config
        """Of the first who asked for it; all others have the same policy, parameters, features and rewards."""
        self.bandit = config.new_bandit()


class Explorer:
    """Hands out the policies of a service. Pipelines that come and go under one name share one bandit."""

    def __init__(self) -> None:
        self._bandits: WeakValueDictionary[str, SharedBandit] = WeakValueDictionary()
        self._lock = threading.Lock()

    def policy(self, table: str, config: ExplorationConfig) -> Policy:
        """The policy of a table: of the pipeline itself (``""``) or of a scenario."""
        name = f"{table or 'pipeline'}:{config.fingerprint}"
        with self._lock:
            shared = self._bandits.get(name)
            if shared is None:
                shared = self._bandits[name] = SharedBandit(config)
        return Policy(table, name, config, shared)

    def shared(self) -> dict[str, SharedBandit]:
        """The bandits of now by the names of their policies, under which lists are logged."""
        with self._lock:
            return dict(self._bandits)

    @property
    def in_use(self) -> bool:
        """Whether any pipeline explores."""
        return len(self._bandits) > 0


def draw_of(policy: Policy, query: Query, *, now: float, seed: int) -> int:
    """64 bits by which all is drawn for one list.

    For a known user they follow from who it is, from the newest of the history and from the time in steps of
    ``hold_s`` (everybody's begin at another moment); for anybody else from ``seed``.
    """
    config, user_id = policy.config, query.user_id
    if user_id is None:
        return mixed(seed, config.seed)
    who = user_id.encode("utf-8", "surrogatepass")
    step = int(now / config.hold_s + crc32(who) * 2.0**-32)
    times = query.history_timestamps
    newest = (query.history[-1], times[-1] if times else None) if query.history else None
    text = repr((config.seed, policy.table, step, newest)).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(who + b"\0" + text, digest_size=8).digest(), "little")


def mixed(seed: int, n: int) -> int:
    """Another 64 bits for the n-th thing: splitmix64."""
    x = (seed + (n + 1) * _ODD) & _WORD
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _WORD
    return x ^ (x >> 31)
