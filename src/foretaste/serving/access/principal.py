"""Somebody who asks, and what they may do."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

from foretaste.errors import ConfigurationError
from foretaste.schemas.access import Scope

SCOPES: tuple[str, ...] = get_args(Scope)
"""``events``: only post interactions (for keys that stand in web pages). ``read``: lists and records. ``write``: also
events, users and items. ``admin``: also models, keys, rules and settings."""
_GRANTS = {
    "events": frozenset({"events"}),
    "read": frozenset({"read"}),
    "write": frozenset({"events", "read", "write"}),
    "admin": frozenset(SCOPES),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: the name of a key or the subject of a token, and every scope that theirs include."""

    name: str
    grants: frozenset[str]
    key_id: str | None = None
    """Of an API key; None for tokens and for everybody while the service is open."""
    expires_at: float = math.inf
    """Seconds since 1970 UTC."""
    account: str | None = None
    """Whose requests are counted together by rate limits; None counts by address."""

    @property
    def actor(self) -> str:
        """How the audit log names them."""
        return f"key:{self.name} ({self.key_id})" if self.key_id else self.name


ANYONE = Principal("anyone", frozenset(SCOPES))
"""Everybody, while the service asks for no key."""


def grants_of(scopes: Iterable[str]) -> frozenset[str]:
    """All scopes that ``scopes`` include; names that are none give nothing."""
    return frozenset().union(*(_GRANTS.get(scope, frozenset()) for scope in scopes))


def check_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """``scopes`` in order, each once.

    Raises:
        ConfigurationError: there is none, or one that does not exist.
    """
    wanted = set(scopes)
    wrong = sorted(wanted - set(SCOPES))
    if wrong or not wanted:
        what = f"{wrong[0]!r} is no scope" if wrong else "no scope is given"
        raise ConfigurationError(what, hint=f"valid ones: {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in wanted)
