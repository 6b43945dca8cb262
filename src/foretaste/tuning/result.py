"""What a search found: every trial, and the best of them."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from foretaste.errors import ModelTrainingError

TrialState = Literal["done", "pruned", "failed"]


@dataclass(frozen=True)
class Trial:
    """One setting and what it reached."""

    number: int
    parameters: dict[str, Any]
    state: TrialState
    value: float | None = None
    """The metric; None unless the state is «done»."""
    seconds: float = 0.0
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class TuningResult:
    """All trials of a search, in the order in which they were made."""

    model: str
    metric: str
    higher_is_better: bool
    protocol: str
    sampler: str
    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial:
        """The best trial.

        Raises:
            ModelTrainingError: none succeeded; the message is that of the first failure.
        """
        sign = 1.0 if self.higher_is_better else -1.0
        done = [trial for trial in self.trials if trial.value is not None and not math.isnan(trial.value)]
        if not done:
            why = next((trial.error for trial in self.trials if trial.error), "none was made")
            raise ModelTrainingError(
                f"no trial of model {self.model!r} succeeded: {why}", hint="see the trials' errors, or change the space"
            )
        return max(done, key=lambda trial: (sign * float(trial.value or 0.0), -trial.number))

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        done = any(trial.value is not None for trial in self.trials)
        return {
            "model": self.model,
            "metric": self.metric,
            "protocol": self.protocol,
            "sampler": self.sampler,
            "best": self.best.to_dict() if done else None,
            "trials": [trial.to_dict() for trial in self.trials],
        }
