"""How large and how lifelike a sample shop shall be, checked before anything is made."""

from datetime import UTC, datetime, timedelta
from datetime import date as calendar_date
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from foretaste.errors import ConfigurationError, UnknownParameterError

MAX_USERS = MAX_ITEMS = 10_000_000
MAX_EVENTS = 2_000_000_000
MAX_EVENTS_PER_DAY = 1_000
"""More than this nobody does in a day; it bounds the memory that one user needs."""


class SampleConfig(BaseModel):
    """Settings of the sample generator. The defaults are the shop of the demo.

    >>> SampleConfig.of(n_users=50, n_items=20, n_events=500).days
    365
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    n_users: int = Field(default=2_000, ge=1, le=MAX_USERS)
    """People with an account, active or not."""
    n_items: int = Field(default=1_000, ge=1, le=MAX_ITEMS)
    """Items of the catalogue, those that appear during the time included."""
    n_events: int = Field(default=60_000, ge=1, le=MAX_EVENTS)
    """Rows of the interactions: exactly so many are made."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """The same settings and seed give the same data, with any batch size (and the same versions of the libraries)."""
    start: calendar_date = calendar_date(2025, 1, 1)
    """First day of the interactions (UTC)."""
    days: int = Field(default=365, ge=1, le=3_650)
    """Days that the interactions span."""
    n_factors: int = Field(default=16, ge=2, le=256)
    """Dimensions of the hidden taste."""
    taste_strength: float = Field(default=6.0, ge=0.0, le=20.0)
    """How much taste bends a choice away from popularity; 0 makes everybody the same."""
    popularity_exponent: float = Field(default=0.9, ge=0.0, le=2.0)
    """Zipf exponent s: the item of popularity rank r is chosen in proportion to r^-s."""
    popularity_drift: float = Field(default=0.25, ge=0.0, le=2.0)
    """Standard deviation, after the whole time, of the random walk of an item's log-popularity."""
    activity_spread: float = Field(default=1.1, ge=0.0, le=3.0)
    """Sigma of the log-normal activity of users: larger means a few do nearly everything."""
    homophily: float = Field(default=0.35, ge=0.0, le=1.0)
    """Share of a user's taste that comes from the circle of friends."""
    mean_friends: float = Field(default=8.0, ge=0.0, le=100.0)
    """Social links a user, counted at both ends."""
    rewired_links: float = Field(default=0.15, ge=0.0, le=1.0)
    """Share of links that leave the circle (Watts–Strogatz), towards the more active people."""
    events_per_session: float = Field(default=7.0, ge=1.0, le=1_000.0)
    """Mean length of a session, roughly."""
    inactive_share: float = Field(default=0.02, ge=0.0, le=0.9)
    """Share of users who signed up and did nothing (cold users)."""
    new_item_share: float = Field(default=0.25, ge=0.0, le=0.95)
    """Share of items published after ``start`` (the rest were there before)."""

    @classmethod
    def of(cls, **parameters: Any) -> Self:
        """Checked settings.

        Raises:
            UnknownParameterError: a setting that does not exist; the hint lists those that do.
            ConfigurationError: a value out of range, or more events than the users can do in the time.
        """
        unknown = sorted(set(parameters) - set(cls.model_fields))
        if unknown:
            raise UnknownParameterError(
                f"the sample has no setting {unknown[0]!r}", hint=f"valid ones: {', '.join(cls.model_fields)}"
            )
        try:
            config = cls(**parameters)
        except ValidationError as exc:
            first = exc.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise ConfigurationError(f"sample setting {place} = {first['input']!r}: {first['msg']}") from exc
        config.check_possible()
        return config

    def check_possible(self) -> None:
        """Raise :class:`ConfigurationError` when the users cannot do so much in the time."""
        most = self.n_active_users * self.max_events_per_user
        if self.n_events > most:
            raise ConfigurationError(
                f"n_events = {self.n_events} is more than {self.n_active_users} active users can do in {self.days} days"
                f" ({MAX_EVENTS_PER_DAY} a day each: {most})",
                hint="lower n_events, or raise n_users or days",
            )
        last_year = (datetime(self.start.year, 1, 1, tzinfo=UTC) + timedelta(days=self.days + 366)).year
        if self.start.year < 1975 or last_year > 2200:
            raise ConfigurationError(f"start = {self.start} is out of range", hint="use a day between 1975 and 2180")

    @property
    def n_active_users(self) -> int:
        """Users with at least a chance of an event."""
        return max(1, self.n_users - int(self.n_users * self.inactive_share))

    @property
    def max_events_per_user(self) -> int:
        """Upper bound of one user's events."""
        return self.days * MAX_EVENTS_PER_DAY

    @property
    def start_s(self) -> int:
        """Start in seconds since 1970 UTC."""
        return int(datetime(self.start.year, self.start.month, self.start.day, tzinfo=UTC).timestamp())

    @property
    def n_periods(self) -> int:
        """Steps in which popularity drifts and new items appear: about two weeks each, fewer for a huge catalogue."""
        fine = max(1, min(26, self.days // 7))
        return min(fine, max(4, 8_000_000 // self.n_items))
