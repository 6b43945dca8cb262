"""Signed tokens (JWT, RFC 7519): somebody else, who shares SECRET_KEY, says who asks and what they may do."""

import math
from collections.abc import Iterable
from typing import Any

import jwt

from foretaste.errors import ConfigurationError
from foretaste.serving.access.principal import Principal, check_scopes, grants_of

ALGORITHM = "HS256"
"""The only one taken; what a token's header says of itself is not believed."""
LEEWAY_S = 10.0
"""How far a signer's clock may be ahead of ours."""
_OPTIONS: Any = {"require": ["exp"], "verify_exp": False, "verify_nbf": False, "verify_iat": False}
"""Times are checked here, against the caller's clock."""


class Tokens:
    """Makes and reads tokens signed with one secret."""

    def __init__(self, secret: str, *, issuer: str = "", audience: str = "") -> None:
        self._secret = secret
        self._issuer, self._audience = issuer or None, audience or None

    def make(self, name: str, scopes: Iterable[str], *, ttl_s: float, now: float) -> str:
        """A token for ``name`` that ends after ``ttl_s``.

        Raises:
            ConfigurationError: a scope or a time that is none.
        """
        if not 1 <= ttl_s <= 1e9:
            raise ConfigurationError(f"a token cannot last {ttl_s} s", hint="choose minutes or hours")
        claims: dict[str, Any] = {
            "sub": name,
            "scope": " ".join(check_scopes(scopes)),
            "iat": int(now),
            "exp": math.ceil(now + ttl_s),
        }
        if self._issuer:
            claims["iss"] = self._issuer
        if self._audience:
            claims["aud"] = self._audience
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    def read(self, token: str, *, now: float) -> Principal | None:
        """Who the token speaks for; None unless the signature, times, issuer and audience are right."""
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                options=_OPTIONS,
            )
        except (jwt.InvalidTokenError, ValueError, TypeError, RecursionError):
            return None
        expires_at, not_before = _time(claims["exp"]), _time(claims.get("nbf", 0))
        if expires_at is None or not_before is None or now >= expires_at or now + LEEWAY_S < not_before:
            return None
        name = claims.get("sub", "token")
        name = name if isinstance(name, str) and 0 < len(name) <= 256 and name.isprintable() else "token"
        return Principal(
            name=f"token:{name}",
            grants=grants_of(_scopes(claims)),
            expires_at=expires_at,
            account=f"token:{name}",
        )


def _time(value: object) -> float | None:
    """A NumericDate; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _scopes(claims: dict[str, Any]) -> list[str]:
    """``scope`` as RFC 8693 writes it (a text), or ``scopes`` as an array."""
    text, array = claims.get("scope"), claims.get("scopes")
    found = text.split() if isinstance(text, str) else array if isinstance(array, list) else []
    return [scope for scope in found if isinstance(scope, str)]
