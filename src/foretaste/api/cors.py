"""Which other sites' pages may call the service (CORS, https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from collections.abc import Iterable

from foretaste.api.headers import Pairs

METHODS = "GET, POST, PUT, DELETE"
REQUEST_HEADERS = "authorization, content-type, x-api-key, x-request-id"
SHOWN_HEADERS = "x-request-id, retry-after, ratelimit, ratelimit-policy"
_MAX_AGE_S = "600"


class Cors:
    """Answers browsers. Only origins on the list, each by its name and never ``*``; cookies are never asked for."""

    def __init__(self, origins: Iterable[str]) -> None:
        vary = ("vary", "Origin")
        shown = ("access-control-expose-headers", SHOWN_HEADERS)
        self._listed: dict[str | None, Pairs] = {
            origin: (("access-control-allow-origin", origin), shown, vary) for origin in origins
        }
        self._others: Pairs = (vary,) if self._listed else ()

    def lists(self, origin: str) -> bool:
        """Whether pages of this site may call the service."""
        return origin in self._listed

    def headers(self, origin: str | None) -> Pairs:
        """What an answer gets: whether the page that asks may read it. Empty when no site is on the list."""
        return self._listed.get(origin, self._others)

    def preflight(self, origin: str | None) -> Pairs:
        """What the answer to a browser's question beforehand gets; without permission where the site is not listed."""
        if origin not in self._listed:
            return self._others
        return (
            *self._listed[origin],
            ("access-control-allow-methods", METHODS),
            ("access-control-allow-headers", REQUEST_HEADERS),
            ("access-control-max-age", _MAX_AGE_S),
        )
