"""Who asks: a credential becomes a principal, at the price of a dictionary look-up after its first use."""

import asyncio
import time
from collections.abc import Callable
from hmac import compare_digest

from foretaste.errors import StorageError
from foretaste.logs import get_logger
from foretaste.serving.access.keys import HOUR_S, ApiKey, Keys, hash_of, parse_key
from foretaste.serving.access.principal import Principal, grants_of
from foretaste.serving.access.tokens import Tokens
from foretaste.storage.records import Records

MAX_CREDENTIAL = 4096
"""Characters of the longest credential that is looked at."""
MAX_KNOWN = 10_000
"""Credentials remembered at once; more start the memory anew."""
STALE_S = 60.0
"""How long those who were let in stay in while the store cannot be read."""
LOOK_S = 0.05
"""How long what was read of the keys is taken for true: so long a key that was revoked in another process still works
here."""
_NOBODY = hash_of("")
log = get_logger(__name__)


class Access:
    """Checks credentials against the keys in the store and the secret of tokens.

    What was found out about a credential is kept until it expires or the keys change. Whether they did is read from the
    store every ``LOOK_S``, and at once after a change through :attr:`keys`.

    Args:
        records: where the keys are.
        tokens: reads tokens; None where there is no SECRET_KEY.
        always: a credential is needed although there is neither key nor secret (then nobody gets in).
    """

    def __init__(
        self,
        records: Records,
        *,
        tokens: Tokens | None = None,
        always: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.keys = Keys(records, on_change=self._look)
        self.tokens = tokens
        self._records, self._always, self._clock = records, always or tokens is not None, clock
        self._by_id: dict[str, ApiKey] = {}
        self._known: dict[str, Principal] = {}
        self._version = self._shared = -1
        self._look_at = self._read_at = float("-inf")
        self._hour_end = 0.0
        self._used: dict[str, float] = {}
        self._noting: set[asyncio.Task[None]] = set()
        self.is_on = self._always
        """Whether a credential is needed; right after :meth:`refresh`."""

    @property
    def is_fresh(self) -> bool:
        """Whether the keys were read a moment ago."""
        return self._clock() < self._look_at

    async def refresh(self) -> None:
        """Read the keys, where they may have changed since they were read.

        Raises:
            StorageError: they cannot be read, and were read last more than ``STALE_S`` ago.
        """
        now = self._clock()
        if now < self._look_at:
            return
        try:
            shared = (await self._records.stamp("")).shared
            if shared != self._shared:
                await self._load(shared)
            self._read_at = now
        except StorageError as exc:
            if now - self._read_at > STALE_S:
                raise
            log.warning("keys_not_read", error=str(exc))
        self._look_at = now + LOOK_S

    def _look(self) -> None:
        """Let the next request read the keys."""
        self._look_at = float("-inf")

    async def _load(self, shared: int) -> None:
        keys, version = await self.keys.load()
        if version != self._version:
            self._by_id, self._version = keys, version
            self._known = {}
        self.is_on = self._always or bool(keys)
        self._shared = shared

    def known(self, header: str, now: float) -> Principal | None:
        """Whose credential this header's value is, when that is known: the hot path, one look-up. Else None."""
        principal = self._known.get(header)
        return principal if principal is not None and now < principal.expires_at and now < self._hour_end else None

    def check(self, header: str, *, now: float) -> Principal | None:
        """Who sends ``header`` (the value of ``Authorization`` or of ``X-API-Key``); None when nobody we know.

        Call :meth:`refresh` before. The time it takes does not depend on how much of a secret is right.
        """
        principal = self.known(header, now)
        if principal is not None:
            return principal
        if now >= self._hour_end or len(self._known) >= MAX_KNOWN:
            # Each hour everybody is looked at anew, which also tells in which hours a key was used.
            self._known, self._hour_end = {}, now - now % HOUR_S + HOUR_S
        principal = self._first_use(_bare(header), now)
        if principal is not None:
            self._known[header] = principal
            if principal.key_id is not None:
                self._note_use(principal.key_id, now - now % HOUR_S)
        return principal

    async def close(self) -> None:
        """Finish what is being written."""
        await asyncio.gather(*self._noting)

    def _first_use(self, credential: str, now: float) -> Principal | None:
        if not 0 < len(credential) <= MAX_CREDENTIAL:
            return None
        parts = parse_key(credential)
        if parts is None:
            return self.tokens.read(credential, now=now) if self.tokens is not None else None
        key_id, secret = parts
        key = self._by_id.get(key_id)
        is_right = compare_digest(hash_of(secret), key.hash if key is not None else _NOBODY)
        if key is None or not is_right or not key.is_valid(now):
            return None
        only_events = key.scopes == ("events",)  # a key in a web page: many people share it
        return Principal(
            name=key.name,
            grants=grants_of(key.scopes),
            key_id=key.key_id,
            expires_at=float("inf") if key.expires_at is None else key.expires_at,
            account=None if only_events else key.key_id,
        )

    def _note_use(self, key_id: str, hour: float) -> None:
        """Remember beside the request in which hour a key was used: one write an hour and process."""
        if self._used.get(key_id) != hour:
            self._used[key_id] = hour
            task = asyncio.get_running_loop().create_task(self._write_use(key_id, hour))
            self._noting.add(task)
            task.add_done_callback(self._noting.discard)

    async def _write_use(self, key_id: str, hour: float) -> None:
        try:
            await self.keys.note_used({key_id: hour})
        except StorageError as exc:  # also when another process was faster: the next hour is as good
            self._used.pop(key_id, None)
            log.info("use_of_key_not_noted", error=str(exc))


def _bare(header: str) -> str:
    """The credential in the value of a header: what follows ``Bearer``, else all of it."""
    scheme, _, rest = header.partition(" ")
    return rest.strip(" ") if scheme.lower() == "bearer" else header
