"""The gate before every route: who asks, may they, not too often."""

import time
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import Any

from foretaste.api.clients import Clients, Header, Headers
from foretaste.api.cors import Cors
from foretaste.api.errors import ForbiddenError, TooManyRequestsError, UnauthorizedError
from foretaste.api.headers import Pairs
from foretaste.api.limits import Limiter, limiters
from foretaste.api.policy import Policy
from foretaste.api.scopes import ADMIN, area_of, scope_of
from foretaste.errors import StorageError
from foretaste.monitoring import Metrics
from foretaste.serving.access import ANYONE, Access, Audit, Principal, pseudonym
from foretaste.settings import Rate

FAILURES = Rate(10, 60.0, 20)
"""Wrong credentials that one address may try: more are refused unseen, so that guessing is slow and cheap for us."""
NOTED_FAILURES = Rate(1, 1.0, 100)
"""Refusals that are written to the audit log; all are counted, but nobody may fill the disk with them."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_CREDENTIALS = (b"authorization", b"x-api-key")


class Gate:
    """Decides on requests. :meth:`quick` is for hot routes, :meth:`admit` for all, and says why it refuses."""

    def __init__(
        self,
        access: Access,
        audit: Audit,
        policy: Policy,
        *,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._access, self._audit, self._metrics, self._clock = access, audit, metrics, clock
        self._policy = policy
        self._cors = Cors(policy.cors_origins)
        self._clients = Clients(policy.trusted_proxies)
        self._limits = limiters(policy.rates)
        self._failures = Limiter(FAILURES)
        self._noted = Limiter(NOTED_FAILURES)

    @property
    def is_fresh(self) -> bool:
        """Whether :meth:`quick` may decide now; else :meth:`catch_up` first."""
        return self._access.is_fresh

    async def catch_up(self) -> bool:
        """Read the keys anew where they changed; False when that cannot be done now."""
        try:
            await self._access.refresh()
        except StorageError:  # said and answered by admit()
            return False
        return True

    def quick(self, scope: str, header: Header, client: Callable[[], str | None]) -> Pairs | None:
        """What the answer's headers say of other sites and of rates, when whoever asks is known, has the scope and may
        ask once more; None leaves it to :meth:`admit`, the only one that refuses. About a microsecond.

        Args:
            scope: what the route needs.
            header: gives the value of a header by its small-letter name.
            client: gives the peer's address; asked only where requests are counted by it.
        """
        origin, access = header("origin"), self._access
        if access.is_on:
            value, other = header("authorization"), header("x-api-key")
            if value is None:
                value = other
            elif other is not None:
                return None
            known = None if value is None else access.known(value, self._clock())
            if known is None or scope not in known.grants:
                return None
            principal = known
        elif origin is not None and scope != "read" and not self._cors.lists(origin):
            return None
        else:
            principal = ANYONE
        shown = self._cors.headers(origin)
        limit = self._limits.get(scope)
        if limit is None:
            return shown
        account = principal.account or self._clients.account(header("x-forwarded-for"), client())
        left = limit.take(account)
        return (*shown, *limit.headers(account, left)) if left >= 0 else None

    async def admit(self, request: MutableMapping[str, Any]) -> Principal:
        """Who sends the request (an ASGI scope, which also gets ``needs``, ``principal`` and perhaps
        ``rate_headers``).

        Raises:
            UnauthorizedError, ForbiddenError, TooManyRequestsError.
            StorageError: it cannot be found out now.
        """
        needed = scope_of(request["method"], request["path"], metrics_open=self._policy.metrics_open)
        request["needs"] = needed
        if needed is None:
            return ANYONE
        principal = await self._principal(request, needed)
        request["principal"] = principal
        limit = self._limits.get(needed)
        if limit is not None:
            account = principal.account or self._account(request)
            left = limit.take(account)
            request["rate_headers"] = limit.headers(account, left)
            if left < 0:
                self._metrics.count_refused("rate")
                raise _too_many(limit, account, f"more than {limit.rate.amount} requests in {limit.rate.seconds:g} s")
        return principal

    async def knows(self, request: MutableMapping[str, Any]) -> bool:
        """Whether an open route may tell this caller more than strangers; never raises, costs strangers nothing."""
        with suppress(StorageError):  # health answers also then, by the keys that were read last
            await self._access.refresh()
        if not self._access.is_on:
            return True
        header = _credential(request["headers"])
        account = self._account(request)
        if header is None or self._failures.wait_s(account) > 0:
            return False
        principal = self._access.check(header, now=self._clock())
        if principal is None:
            self._failures.take(account)
        return principal is not None and "read" in principal.grants

    async def note(self, request: MutableMapping[str, Any], status: int) -> None:
        """Put what was done in the audit log before it is answered: what needs ``admin`` and changes something, and
        every deletion; with the details that the route left under ``audit``.
        """
        principal, route = request.get("principal"), request.get("route")
        changes = request["method"] not in _SAFE and (request.get("needs") == ADMIN or request["method"] == "DELETE")
        if principal is None or route is None or not changes:
            return
        await self._audit.note(
            principal.actor,
            str(getattr(route, "operation_id", None) or getattr(route, "name", "unknown")),
            _subject(request),
            outcome="ok" if status < 400 else request.get("error_code", str(status)),
            details=request.get("audit", {}),
            request_id=request.get("request_id"),
        )

    async def _principal(self, request: MutableMapping[str, Any], needed: str) -> Principal:
        access, headers = self._access, request["headers"]
        await access.refresh()
        if not access.is_on:
            self._check_origin(request)
            return ANYONE
        header = _credential(headers)
        now = self._clock()
        principal = None if header is None else access.known(header, now)
        if principal is None:
            principal = await self._identify(request, header, now)
        if needed not in principal.grants:
            await self._refuse(request, "scope", principal.actor, details={"needs": needed})
            raise ForbiddenError(
                f"this needs the scope {needed!r}",
                hint=f"use a key that has it (foretaste keys create NAME --scope {needed})",
                details={"scope": needed},
            )
        return principal

    async def _identify(self, request: MutableMapping[str, Any], header: str | None, now: float) -> Principal:
        """Whose credential an unknown header holds."""
        if header is None:
            self._metrics.count_refused("no_credential")
            raise UnauthorizedError(
                "a key or a token is needed",
                hint="send Authorization: Bearer KEY; make a key with: foretaste keys create NAME --scope read",
            )
        account = self._account(request)
        if self._failures.wait_s(account) > 0:
            self._metrics.count_refused("guessing")
            raise _too_many(self._failures, account, "too many wrong credentials came from this address")
        principal = self._access.check(header, now=now)
        if principal is None:
            self._failures.take(account)
            await self._refuse(request, "credential", "anyone", details={})
            raise UnauthorizedError("the credential is not valid", hint="use a valid key or token")
        return principal

    def _account(self, request: MutableMapping[str, Any]) -> str:
        """Under what the requests of somebody without a key are counted."""
        return self._clients.account(*_whence(request))

    def _check_origin(self, request: MutableMapping[str, Any]) -> None:
        """While no key is needed, other sites' pages in a visitor's browser may not change anything here."""
        if request["method"] in _SAFE:
            return
        values = dict(request["headers"])
        origin = values.get(b"origin", b"").decode("latin-1")
        own = values.get(b"host", b"").decode("latin-1")
        if origin and origin.partition("://")[2] != own and not self._cors.lists(origin):
            self._metrics.count_refused("origin")
            raise ForbiddenError("pages of other sites may not do this", hint="name the site in CORS_ORIGINS")

    async def _refuse(
        self, request: MutableMapping[str, Any], why: str, actor: str, details: dict[str, object]
    ) -> None:
        """Count a refusal, and note it in the audit log as long as there are not too many."""
        self._metrics.count_refused(why)
        if self._noted.take("") >= 0:
            address = self._clients.address(*_whence(request))
            await self._audit.note(
                actor,
                "access",
                f"{request['method']} {area_of(request['path'])}",
                outcome="forbidden" if why == "scope" else "unauthorized",
                details={"address": address, **details},
                request_id=request.get("request_id"),
            )


def _subject(request: MutableMapping[str, Any]) -> str:
    """What a request was about: the ids in its path, with a pseudonym for a user of the shop."""
    is_user = area_of(request["path"]) == "/api/v1/users"
    values = [str(value) for value in request.get("path_params", {}).values()]
    return " ".join(pseudonym(value) if is_user else value[:256] for value in values)


def _credential(headers: Headers) -> str | None:
    """The one credential that the headers hold; two are as good as a wrong one."""
    found = [value for name, value in headers if name in _CREDENTIALS]
    return None if not found else found[0].decode("latin-1") if len(found) == 1 else ""


def _whence(request: MutableMapping[str, Any]) -> tuple[str | None, str | None]:
    """What proxies say about a request's way, and the peer's address."""
    hops = [value.decode("latin-1") for name, value in request["headers"] if name == b"x-forwarded-for"]
    client = request.get("client")
    return ",".join(hops) if hops else None, str(client[0]) if client else None


def _too_many(limit: Limiter, account: str, what: str) -> TooManyRequestsError:
    return TooManyRequestsError(what, hint="wait as long as Retry-After says", wait_s=limit.wait_s(account))
