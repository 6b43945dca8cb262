"""All settings of the service, from the environment and a ``.env`` file, checked at start."""

from pathlib import Path
from typing import Literal
from urllib.parse import quote

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from foretaste.errors import ConfigurationError

_MAY_HOLD_SECRETS = {"SECRET_KEY", "DATABASE_URL", "ARTIFACT_URL", "REDIS_URL", "REDIS_PASSWORD"}
"""Variables whose values are not repeated in errors: a URL may hold a password."""


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
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    max_body_bytes: int = Field(default=8_000_000, ge=1024)
    """Largest request body."""

    @field_validator("database_url")
    @classmethod
    def _known_scheme(cls, url: str) -> str:
        if url and "://" not in url:
            raise ValueError("must be a URL such as sqlite:///var/foretaste.db")
        return url

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
            lines.append(f"{variable} = {shown}: {error['msg']}")
        raise ConfigurationError("; ".join(lines), hint="correct the environment or the .env file") from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigurationError(f"the .env file cannot be read: {exc}", hint="save it as UTF-8 text") from exc
