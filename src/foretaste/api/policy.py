"""What the API allows, apart from who asks: sizes, rates, sites and proxies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from foretaste.settings import Rate, Settings


@dataclass(frozen=True)
class Policy:
    """See the settings of the same names; the defaults suit a service that only this machine reaches."""

    max_body_bytes: int = 8_000_000
    max_header_bytes: int = 16_384
    max_query_bytes: int = 65_536
    metrics_open: bool = False
    cors_origins: frozenset[str] = frozenset()
    trusted_proxies: tuple[str, ...] = ()
    hsts_seconds: int = 0
    rates: Mapping[str, Rate] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The policy that the settings describe."""
        return cls(
            max_body_bytes=settings.max_body_bytes,
            max_header_bytes=settings.max_header_bytes,
            max_query_bytes=settings.max_query_bytes,
            metrics_open=settings.metrics_open,
            cors_origins=frozenset(settings.cors_origins),
            trusted_proxies=settings.trusted_proxies,
            hsts_seconds=settings.hsts_seconds,
            rates=settings.rate_limits,
        )
