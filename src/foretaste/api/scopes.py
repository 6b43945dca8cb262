"""What each route needs: one table, and what is not in it needs ``admin``."""

from collections.abc import Mapping

_OPEN = frozenset({"/", "/health", "/ready", "/api/v1/health", "/docs", "/docs/oauth2-redirect", "/openapi.json"})
_RECORDS = {"GET": "read", "PUT": "write", "POST": "write", "DELETE": "write"}
_AREAS: Mapping[str, Mapping[str, str]] = {
    "recommendations": {"GET": "read", "POST": "read"},
    "interactions": {"POST": "events"},
    "users": _RECORDS,
    "items": _RECORDS,
    "onboarding": {"GET": "read", "POST": "write"},
}
"""By the part of the path that follows ``/api/v1/``, and the method."""
ADMIN = "admin"


def scope_of(method: str, path: str, *, metrics_open: bool = False) -> str | None:
    """The scope that a request needs; None when everybody may send it.

    >>> scope_of("POST", "/api/v1/interactions"), scope_of("PUT", "/api/v1/items/p-7"), scope_of("GET", "/health")
    ('events', 'write', None)
    >>> scope_of("POST", "/api/v1/models/20260102T030405-a1b2c3/promote"), scope_of("GET", "/nowhere")
    ('admin', 'admin')
    """
    if method == "HEAD":
        method = "GET"
    if path.startswith("/api/v1/"):
        if path in _OPEN and method == "GET":
            return None
        area = path[8:].partition("/")[0]
        return _AREAS.get(area, {}).get(method, ADMIN)
    if path == "/metrics":
        return None if metrics_open else "read"
    if path.startswith("/recommend/") and method == "GET":
        return "read"
    return None if path in _OPEN and method == "GET" else ADMIN


def area_of(path: str) -> str:
    """The beginning of a path, in which no id stands: for logs.

    >>> area_of("/api/v1/users/u-42"), area_of("/recommend/u-42")
    ('/api/v1/users', '/recommend')
    """
    parts = path.split("/")
    return "/".join(parts[: 4 if path.startswith("/api/v1/") else 2])[:64]
