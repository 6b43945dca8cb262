"""When a new version may go on, and when it must go back: limits on time, failures, lengths, likeness and clicks."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt, ValidationError

from foretaste.errors import ConfigurationError
from foretaste.serving.live.figures import Figures
from foretaste.serving.live.rollout_state import Stage
from foretaste.validation import first_fault

PLAIN_SAMPLES = 20
"""Lists after which a version that fails every second time is sent back."""


class RolloutConfig(BaseModel):
    """How a new version comes in, and what sends it back: the ``[rollout]`` part of a pipeline.

    A share is compared with the old version's own plus what is allowed here, so a version is not blamed for what the
    old one does too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    shadow_s: PositiveFloat = 60.0
    """Shortest time in shadow."""
    shadow_share: float = Field(default=0.1, gt=0, le=1)
    """Share of the requests that the new version answers aside."""
    canary_s: PositiveFloat = 600.0
    """Shortest time as canary."""
    canary_share: float = Field(default=0.05, gt=0, lt=1)
    """Share of the users that see the new version."""
    retrained: Literal["now", "steps"] = "now"
    """Whether a version that the schedule trained goes live at once (and is watched), or through shadow and canary."""
    watch_s: NonNegativeFloat = 60.0
    """How long a version is watched after the swap, with the old one at hand; 0 does not watch."""
    min_samples: PositiveInt = 200
    """Lists of the new version (and of the old one) below which nothing is decided, good or bad."""
    max_latency_factor: float = Field(default=2.0, ge=1)
    latency_slack_ms: NonNegativeFloat = 20.0
    """The new 95th percentile may be the old one times the factor plus the slack."""
    max_failed: float = Field(default=0.01, ge=0, le=1)
    """Lists with a failure, more than the old version has."""
    max_late: float = Field(default=0.01, ge=0, le=1)
    """Canary lists that were not there within ``time_limit_ms``."""
    max_empty: float = Field(default=0.005, ge=0, le=1)
    max_short: float = Field(default=0.02, ge=0, le=1)
    """Lists of fewer items than asked for, more than the old version has."""
    min_overlap: float = Field(default=0.05, ge=0, le=1)
    """In shadow: mean share of items that the lists of both versions have in common."""
    min_coverage_ratio: float = Field(default=0.25, ge=0)
    """In shadow: different items shown by the new version for each one shown by the old."""
    max_click_drop: float = Field(default=0.1, ge=0, lt=1)
    """In canary: how much smaller the share of users who click may be, as a part of the old version's share."""
    click_alpha: float = Field(default=0.01, gt=0, lt=1)
    """Chance that a version which is no worse is sent back for its clicks, however long it is watched."""
    time_limit_ms: PositiveFloat = 1000.0
    """In canary: a list that takes longer comes from the old version."""

    def with_values(self, values: Mapping[str, Any]) -> "RolloutConfig":
        """These limits with some replaced.

        Raises:
            ConfigurationError: names the limit, its value and what is wrong.
        """
        try:
            return RolloutConfig.model_validate({**self.model_dump(), **values})
        except ValidationError as exc:
            fault = first_fault(exc)
            raise ConfigurationError(
                f"rollout: {fault.place} = {fault.value!r}: {fault.message}",
                hint=f"valid limits: {', '.join(RolloutConfig.model_fields)}",
            ) from exc


def breach(config: RolloutConfig, stage: Stage, new: Figures, old: Figures) -> str | None:
    """Why the new version must go back, in one sentence; None while nothing is wrong or too little is known.

    ``old`` are the figures of the other version over the same time, or in ``watch`` over the time before the swap. A
    version that is plainly broken, as every second list shows, does not get ``min_samples`` to prove it.
    """
    bad = new.failed + new.late + new.empty
    if new.lists >= min(PLAIN_SAMPLES, config.min_samples) and bad > new.lists / 2 > old.share(old.empty) * new.lists:
        return f"{bad} of its {new.lists} lists failed, were late or were empty"
    if new.lists < config.min_samples:
        return None
    for what, count, base, allowed in (
        ("met a failure", new.failed, old.share(old.failed), config.max_failed),
        ("were empty", new.empty, old.share(old.empty), config.max_empty),
        ("were short", new.short, old.share(old.short), config.max_short),
        ("were late", new.late, 0.0, config.max_late),
    ):
        if new.share(count) > base + allowed:
            return f"{new.share(count):.2%} of its {new.lists} lists {what}, {base + allowed:.2%} are allowed"
    if old.lists >= config.min_samples:
        found, limit = 1e3 * new.quantile(0.95), _latency_limit_ms(config, old)
        if found > limit:
            return f"its p95 is {found:.1f} ms over {new.runs} runs, {limit:.1f} ms are allowed"
    return _unlike(config, new) if stage == "shadow" and new.compared >= config.min_samples else None


def _latency_limit_ms(config: RolloutConfig, old: Figures) -> float:
    return config.max_latency_factor * 1e3 * old.quantile(0.95) + config.latency_slack_ms


def _unlike(config: RolloutConfig, new: Figures) -> str | None:
    mean = new.overlap / new.compared
    if mean < config.min_overlap:
        return f"its lists share {mean:.2%} of their items with the old ones, at least {config.min_overlap:.2%} must be"
    if new.other_items and new.own_items < config.min_coverage_ratio * new.other_items:
        return (
            f"its lists show {new.own_items} different items, the old ones {new.other_items}; "
            f"at least {config.min_coverage_ratio:.2f} for each is asked"
        )
    return None


def has_enough(config: RolloutConfig, stage: Stage, new: Figures) -> bool:
    """Whether enough was seen to let the version go on."""
    return (new.compared if stage == "shadow" else new.lists) >= config.min_samples
