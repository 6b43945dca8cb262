"""API keys: made, listed, revoked. Only a hash of each is kept, in a value that all workers share."""

import hashlib
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from foretaste.errors import ConfigurationError, ConflictError, NotFoundError
from foretaste.serving.access.principal import check_scopes
from foretaste.storage.records import Records

KEYS = "api_keys"
USED = "api_keys_used"
MAX_KEYS = 1000
"""Beyond it the longest revoked or expired ones are forgotten."""
HOUR_S = 3600
_TRIES = 8
_SECRET_BYTES = 32
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,100}")
_FORM = re.compile(r"ft_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of a key; times are seconds since 1970 UTC."""

    key_id: str
    name: str
    scopes: tuple[str, ...]
    hash: str
    """SHA-256 of the secret part. No slow hash is needed: the secret is 256 random bits, nobody guesses it."""
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None

    def is_valid(self, now: float) -> bool:
        """Whether it lets in at ``now``."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class Keys:
    """The keys of one installation, in its record store; ``on_change`` is called after each change made here."""

    def __init__(self, records: Records, *, on_change: Callable[[], None] = lambda: None) -> None:
        self._records, self._on_change = records, on_change

    async def load(self) -> tuple[dict[str, ApiKey], int]:
        """All keys by id, revoked ones too, and the version of the value that holds them."""
        value, version = await self._records.get_value(KEYS)
        return {key_id: _key(key_id, fields) for key_id, fields in (value or {}).items()}, version

    async def create(
        self, name: str, scopes: Iterable[str], *, now: float, ttl_s: float | None = None
    ) -> tuple[ApiKey, str]:
        """A new key and, this once, the whole key to hand out.

        Raises:
            ConfigurationError: a name, scope or time that is none, or too many keys.
            ConflictError: a valid key has this name.
        """
        if not _NAME.fullmatch(name) or name != name.strip():
            raise ConfigurationError(
                f"{name[:120]!r} is no name for a key", hint="use 1 to 100 letters, digits or signs"
            )
        if ttl_s is not None and not 1 <= ttl_s <= 1e9:
            raise ConfigurationError(f"a key cannot expire after {ttl_s} s", hint="choose 1 s to 30 years, or never")
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        key = ApiKey(
            key_id=secrets.token_hex(6),
            name=name,
            scopes=check_scopes(scopes),
            hash=hash_of(secret),
            created_at=now,
            expires_at=None if ttl_s is None else now + ttl_s,
        )

        def add(keys: dict[str, ApiKey]) -> ApiKey:
            if any(other.name == name and other.is_valid(now) for other in keys.values()):
                raise ConflictError(f"there is a key named {name!r}", hint="choose another name or revoke that one")
            _make_room(keys, now)
            keys[key.key_id] = key
            return key

        await self._change(add)
        return key, f"ft_{key.key_id}_{secret}"

    async def revoke(self, key: str, *, now: float) -> ApiKey:
        """End a key, by its id or its name: here at once, in other processes a moment later; an ended one stays ended.

        Raises:
            NotFoundError: there is none.
        """

        def end(keys: dict[str, ApiKey]) -> ApiKey:
            valid = [one.key_id for one in keys.values() if one.name == key and one.is_valid(now)]
            key_id = key if key in keys else valid[0] if valid else None
            if key_id is None:
                raise NotFoundError(f"there is no key {key!r}", hint="see them with: foretaste keys list")
            if keys[key_id].revoked_at is None:
                keys[key_id] = replace(keys[key_id], revoked_at=now)
            return keys[key_id]

        return await self._change(end)

    async def last_used(self) -> dict[str, float]:
        """When each key was last used, rounded down to the hour."""
        value, _ = await self._records.get_value(USED)
        return {key_id: float(at) for key_id, at in (value or {}).items()}

    async def note_used(self, used: Mapping[str, float]) -> None:
        """Remember hours of use; no list depends on it, so no cache becomes stale."""
        value, version = await self._records.get_value(USED)
        known = dict(value or {})
        newer = {key_id: at for key_id, at in used.items() if at > known.get(key_id, 0.0)}
        if newer:
            await self._records.put_value(USED, known | newer, expected_version=version, changes_lists=False)

    async def _change(self, change: Callable[[dict[str, ApiKey]], T]) -> T:
        """Apply ``change`` to the newest keys and store them, again where somebody else was faster."""
        for _ in range(_TRIES):
            keys, version = await self.load()
            result = change(keys)
            try:
                await self._records.put_value(KEYS, _plain(keys), expected_version=version)
            except ConflictError:
                continue
            self._on_change()
            return result
        raise ConflictError("the keys are being changed by others", hint="try again")


def parse_key(text: str) -> tuple[str, str] | None:
    """Id and secret of a whole key; None when it has another form."""
    match = _FORM.fullmatch(text)
    return (match[1], match[2]) if match else None


def hash_of(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _key(key_id: str, fields: Mapping[str, Any]) -> ApiKey:
    return ApiKey(key_id=key_id, **{**fields, "scopes": tuple(fields["scopes"])})


def _plain(keys: Mapping[str, ApiKey]) -> dict[str, dict[str, Any]]:
    return {
        key_id: {name: value for name, value in asdict(key).items() if name != "key_id"} for key_id, key in keys.items()
    }


def _make_room(keys: dict[str, ApiKey], now: float) -> None:
    ended = sorted(
        (key.revoked_at or key.expires_at or 0.0, key.key_id) for key in keys.values() if not key.is_valid(now)
    )
    for _, key_id in ended[: max(0, len(keys) - MAX_KEYS + 1)]:
        del keys[key_id]
    if len(keys) >= MAX_KEYS:
        raise ConfigurationError(f"there are {MAX_KEYS} valid keys already", hint="revoke some first")
