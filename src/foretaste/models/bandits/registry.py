"""Names of bandits."""

from difflib import get_close_matches
from importlib import import_module
from typing import Any

from foretaste.errors import UnknownNameError
from foretaste.models.bandits.base import Bandit

BUILT_IN = {
    "epsilon_greedy": "foretaste.models.bandits.epsilon_greedy:EpsilonGreedy",
    "ucb": "foretaste.models.bandits.ucb:UCB",
    "linucb": "foretaste.models.bandits.linucb:LinUCB",
    "thompson": "foretaste.models.bandits.thompson:Thompson",
    "linear_thompson": "foretaste.models.bandits.thompson:LinearThompson",
}
"""Name → module:class."""


def bandit_names() -> list[str]:
    """All names that can be given to :func:`create_bandit`, sorted."""
    return sorted(BUILT_IN)


def bandit_class(name: str) -> type[Bandit]:
    """The class of a name.

    Raises:
        UnknownNameError: no such name.
    """
    if name not in BUILT_IN:
        near = get_close_matches(str(name), bandit_names(), n=1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        raise UnknownNameError(f"there is no bandit {name!r}", hint=f"{guess}valid ones: {', '.join(bandit_names())}")
    module, _, attribute = BUILT_IN[name].partition(":")
    found: type[Bandit] = getattr(import_module(module), attribute)
    return found


def create_bandit(name: str, **parameters: Any) -> Bandit:
    """A bandit that has seen nothing.

    >>> create_bandit("thompson", prior_failures=20)
    Thompson(prior_failures=20.0)

    Raises:
        UnknownNameError, UnknownParameterError, ConfigurationError.
    """
    return bandit_class(name)(**parameters)
