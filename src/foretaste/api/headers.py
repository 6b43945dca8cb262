"""Headers that protect whoever reads an answer."""

from collections.abc import Sequence

Pairs = tuple[tuple[str, str], ...]
"""Headers of an answer."""
_CDN = "https://cdn.jsdelivr.net"
_PAGES = {
    "/": (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "/docs": (
        f"default-src 'none'; style-src 'unsafe-inline' {_CDN}; script-src 'unsafe-inline' {_CDN}; "
        "img-src data: https://fastapi.tiangolo.com; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}
_NOTHING = "default-src 'none'; frame-ancestors 'none'"


def security_headers(hsts_seconds: int = 0) -> Pairs:
    """What every answer gets: lists and records are personal, so nobody between may keep them.

    Each header costs about two microseconds of an answer, so what only pages need is left to them.
    """
    always: Pairs = (
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("content-security-policy", _NOTHING),
    )
    if hsts_seconds:
        always += (("strict-transport-security", f"max-age={hsts_seconds}; includeSubDomains"),)
    return always


class SecurityHeaders:
    """The same for every answer but pages, which say what they may load."""

    def __init__(self, hsts_seconds: int = 0) -> None:
        self.plain = security_headers(hsts_seconds)
        self._pages = {
            path: (*_with_policy(self.plain, policy), ("referrer-policy", "no-referrer"))
            for path, policy in _PAGES.items()
        }

    def of(self, path: str, present: Sequence[tuple[bytes, bytes]]) -> Pairs:
        """The headers to add to an answer that has ``present`` ones already: those win."""
        wanted = self._pages.get(path, self.plain)
        names = {name.decode("latin-1") for name, _ in present}
        return wanted if names.isdisjoint(_NAMES) else tuple(pair for pair in wanted if pair[0] not in names)


_NAMES = frozenset({"referrer-policy", *(name for name, _ in security_headers(1))})


def _with_policy(headers: Pairs, policy: str) -> Pairs:
    return tuple((name, policy if name == "content-security-policy" else value) for name, value in headers)
