"""All settings of the service, from the environment and a ``.env`` file, checked at start."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self
from urllib.parse import quote, urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from foretaste.errors import ConfigurationError

_MAY_HOLD_SECRETS = {"SECRET_KEY", "DATABASE_URL", "ARTIFACT_URL", "REDIS_URL", "REDIS_PASSWORD"}
"""Variables whose values are not repeated in errors: a URL may hold a password."""
MIN_SECRET_BYTES = 32
"""Shortest SECRET_KEY: as long as the output of the hash that signs with it (RFC 7518, 3.2)."""
_RATE = re.compile(r"(\d{1,9})\s*/\s*(s|min|h)(?:\s+burst\s+(\d{1,9}))?")
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}


class Rate(NamedTuple):
    """So many requests in so many seconds, and how many may come at once."""

    amount: int
    seconds: float
    burst: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """``100/s``, ``600/min`` or ``100/s burst 300``; without a burst it is the amount.

        >>> Rate.parse("600/min burst 50")
        Rate(amount=600, seconds=60.0, burst=50)

        Raises:
            ValueError: it is no rate.
        """
        match = _RATE.fullmatch(text.strip())
        if match is None or int(match[1]) == 0 or (match[3] is not None and int(match[3]) == 0):
            raise ValueError("must be a rate above 0 such as 100/s, 600/min or '100/s burst 300'")
        amount = int(match[1])
        return cls(amount, _SECONDS[match[2]], int(match[3] or amount))


def _words(value: object) -> object:
    """A text with commas as its parts."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
"""Several words in one variable, with commas between."""


class Settings(BaseSettings):
    """Settings of one running service; the environment variable is the field's name in capitals.

    Read them in ``foretaste.serving.bootstrap`` and the entry points only: everything else is handed what it needs.
    """

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    foretaste_home: Path = Path("var")
    """Folder of the embedded store, models and caches."""
    database_url: str = ""
    """Record store; empty means SQLite in ``foretaste_home``."""
    artifact_url: str = ""
    """Where models are kept; empty means a folder in ``foretaste_home``."""
    redis_url: str = ""
    """Second tier of the cache: ``redis://host:6379/0``; empty means none, unless ``redis_host`` is set."""
    redis_host: str = ""
    redis_port: int = Field(default=6379, ge=1, le=65535)
    redis_password: SecretStr | None = None
    cache_ttl_s: float = Field(default=60.0, ge=0, le=86_400)
    """Longest time for which a list is kept when nothing changes; 0 keeps none."""
    cache_max_bytes: int = Field(default=256_000_000, ge=0)
    """Memory for lists in each process."""
    cache_max_entries: int = Field(default=200_000, ge=0)
    """Lists in each process."""
    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8000, ge=0, le=65535)
    workers: int = Field(default=1, ge=1, le=256)
    """Server processes that share the port."""
    pipeline_file: str | None = None
    """Pipeline: a TOML file, or the name of a packaged one; None means `shop`."""
    default_recommendation_count: int = Field(default=10, ge=1, le=1000)
    model_update_interval: float = Field(default=0.0, ge=0)
    """Seconds between scheduled trainings; 0 trains only when asked."""
    min_interactions_for_cf: int = Field(default=1, ge=0)
    """Interactions below which a user gets no collaborative source."""
    secret_key: SecretStr | None = None
    """Signs tokens (JWT); at least 32 bytes, without it only API keys are taken."""
    jwt_issuer: str = ""
    """What a token's ``iss`` must be; empty takes any."""
    jwt_audience: str = ""
    """What a token's ``aud`` must name; empty takes only tokens without one."""
    metrics_open: bool = False
    """Whether ``/metrics`` needs no key."""
    rate_limit_read: str = ""
    """Most reads of one key or, without keys, of one address: ``100/s``, ``600/min burst 50``; empty: no limit."""
    rate_limit_write: str = ""
    """As ``rate_limit_read``, for interactions and records."""
    rate_limit_admin: str = ""
    """As ``rate_limit_read``, for administration."""
    trusted_proxies: Words = ()
    """Addresses or networks whose ``X-Forwarded-For`` is believed."""
    cors_origins: Words = ()
    """Web sites whose pages may call the service: ``https://shop.example``, exactly as the browser says it."""
    hsts_seconds: int = Field(default=0, ge=0)
    """How long browsers are told to come by https only; set it when the service stands behind TLS."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    max_body_bytes: int = Field(default=8_000_000, ge=1024)
    """Largest request body."""
    max_header_bytes: int = Field(default=16_384, ge=1024)
    """Largest sum of a request's headers."""
    max_query_bytes: int = Field(default=65_536, ge=256)
    """Longest query string."""

    @field_validator("database_url")
    @classmethod
    def _known_scheme(cls, url: str) -> str:
        if url and "://" not in url:
            raise ValueError("must be a URL such as sqlite:///var/foretaste.db")
        return url

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is None or not secret.get_secret_value():
            return None
        if len(secret.get_secret_value().encode()) < MIN_SECRET_BYTES:
            raise ValueError(
                f"needs at least {MIN_SECRET_BYTES} bytes; "
                "make one with: python -c 'import secrets; print(secrets.token_urlsafe(48))'"
            )
        return secret

    @field_validator("rate_limit_read", "rate_limit_write", "rate_limit_admin")
    @classmethod
    def _rate(cls, text: str) -> str:
        if text.strip():
            Rate.parse(text)
        return text.strip()

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        for word in words:
            ipaddress.ip_network(word)
        return words

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        for word in words:
            parts = urlsplit(word)
            if parts.scheme not in {"http", "https"} or word != f"{parts.scheme}://{parts.netloc}".lower():
                raise ValueError(f"{word!r} is no origin such as https://shop.example (no path, no *, small letters)")
            if not parts.netloc or "*" in word or "@" in word:
                raise ValueError(f"{word!r} is no origin such as https://shop.example (no path, no *, no user)")
        return words

    @property
    def rate_limits(self) -> dict[str, Rate]:
        """The limits that are set, by ``read``, ``write`` and ``admin``."""
        texts = {"read": self.rate_limit_read, "write": self.rate_limit_write, "admin": self.rate_limit_admin}
        return {kind: Rate.parse(text) for kind, text in texts.items() if text}

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        if self.api_host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.api_host).is_loopback
        except ValueError:  # a name: who can reach it cannot be told
            return False

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that may never be shown: the key, and passwords in URLs."""
        found = [urlsplit(url).password for url in (self.database_url, self.artifact_url, self.redis_url)]
        found += [secret.get_secret_value() for secret in (self.secret_key, self.redis_password) if secret is not None]
        return tuple(value for value in found if value)

    @property
    def records_url(self) -> str:
        """URL of the record store."""
        return self.database_url or f"sqlite:///{self.foretaste_home / 'foretaste.db'}"

    @property
    def artifacts_url(self) -> str:
        """URL of the artifact store."""
        return self.artifact_url or f"file://{(self.foretaste_home / 'models').resolve()}"

    @property
    def cache_url(self) -> str:
        """URL of the cache that processes share; empty for none."""
        if self.redis_url or not self.redis_host:
            return self.redis_url
        secret = quote(self.redis_password.get_secret_value(), safe="") if self.redis_password is not None else ""
        return f"redis://{f':{secret}@' if secret else ''}{self.redis_host}:{self.redis_port}/0"


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment, ``.env`` and ``overrides`` (which win; None is passed over).

    Raises:
        ConfigurationError: names the variable, its value and what is wrong.
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as exc:
        lines = []
        for error in exc.errors():
            variable = str(error["loc"][0]).upper() if error["loc"] else "settings"
            shown = "…" if variable in _MAY_HOLD_SECRETS else repr(error["input"])
            lines.append(f"{variable} = {shown}: {error['msg'].removeprefix('Value error, ')}")
        raise ConfigurationError("; ".join(lines), hint="correct the environment or the .env file") from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigurationError(f"the .env file cannot be read: {exc}", hint="save it as UTF-8 text") from exc
