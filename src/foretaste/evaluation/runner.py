"""Several models on one split: fit, recommend, judge, and say so in a table, JSON and a plot."""

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from foretaste.errors import ForetasteError, MissingExtraError
from foretaste.evaluation.evaluator import Evaluation, evaluate
from foretaste.evaluation.intervals import PairedTest, paired_test
from foretaste.evaluation.metrics import AnyMetric
from foretaste.evaluation.splits import Split
from foretaste.models import Recommender, create_model

DEFAULT_METRICS = ("ndcg", "recall", "hit_rate", "catalog_coverage", "novelty")
YARDSTICKS = ("random", "popular")
"""Models that stand in every comparison: what the others must beat."""
OnModel = Callable[[str, int, int], None]
"""Called with (name of the model, models done, models)."""


@dataclass(frozen=True)
class Run:
    """One model of a comparison: its evaluation, or the error that ended it."""

    name: str
    config: dict[str, Any]
    fit_s: float
    evaluation: Evaluation | None
    error: str = ""


@dataclass(frozen=True)
class Comparison:
    """Models side by side on the same users; ``runs`` come best first by the first metric, failed ones last."""

    runs: tuple[Run, ...]
    metrics: tuple[str, ...]
    protocol: str
    warnings: tuple[str, ...]

    def to_frame(self) -> pl.DataFrame:
        """A row a model: ``model``, each metric with its interval, ``fit_s``, ``score_s``, ``error``."""
        rows = []
        for run in self.runs:
            row: dict[str, Any] = {"model": run.name}
            for label in self.metrics:
                value = run.evaluation.values[label] if run.evaluation else None
                row[label] = value.mean if value else None
                row[f"{label} low"] = value.low if value else None
                row[f"{label} high"] = value.high if value else None
            row["fit_s"] = run.fit_s
            row["score_s"] = run.evaluation.seconds if run.evaluation else None
            row["error"] = run.error or None
            rows.append(row)
        return pl.DataFrame(rows, infer_schema_length=None)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "protocol": self.protocol,
            "warnings": list(self.warnings),
            "models": [
                {
                    "name": run.name,
                    "config": run.config,
                    "fit_s": run.fit_s,
                    "evaluation": run.evaluation.to_dict() if run.evaluation else None,
                    "error": run.error or None,
                }
                for run in self.runs
            ],
        }

    def to_text(self) -> str:
        """A table to read: the means, the half-width of the 95 % interval behind ±, and the protocol below."""
        header = ["model", *self.metrics, "fit s"]
        rows = [[run.name, *(_cell(run, label) for label in self.metrics), f"{run.fit_s:.1f}"] for run in self.runs]
        widths = [max(len(row[c]) for row in [header, *rows]) for c in range(len(header))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]
        ]
        lines += [f"{run.name}: {run.error}" for run in self.runs if run.error]
        return "\n".join([*(line.rstrip() for line in lines), self.protocol, *self.warnings])

    def to_markdown(self) -> str:
        """The same table in markdown."""
        header = ["model", *self.metrics, "fit s"]
        lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
        for run in self.runs:
            cells = [run.name, *(_cell(run, label) for label in self.metrics), f"{run.fit_s:.1f}"]
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join([*lines, "", self.protocol, *self.warnings])

    def paired(self, first: str, second: str, metric: str) -> PairedTest:
        """Whether model ``first`` is better than ``second`` for the same users, in a metric that is a mean over users.

        Raises:
            KeyError: a model that failed or is not there, or a metric without values per user.
        """
        found = {run.name: run.evaluation for run in self.runs if run.evaluation}
        return paired_test(found[first].per_user[metric], found[second].per_user[metric])

    def write(self, folder: Path | str) -> list[Path]:
        """Write ``comparison.md``, ``comparison.json`` and, where matplotlib is installed, ``comparison.png``."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        table, values = folder / "comparison.md", folder / "comparison.json"
        table.write_text(self.to_markdown() + "\n", encoding="utf-8")
        values.write_text(json.dumps(_finite(self.to_dict()), indent=1) + "\n", encoding="utf-8")
        try:
            return [table, values, self.plot(folder / "comparison.png")]
        except MissingExtraError:
            return [table, values]

    def plot(self, path: Path) -> Path:
        """Draw every metric of every model with its interval.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        from foretaste.evaluation.plot import draw

        return draw(self, path)


def compare(
    models: Mapping[str, Recommender],
    split: Split,
    metrics: Sequence[str | AnyMetric] = DEFAULT_METRICS,
    *,
    k: Sequence[int] = (10,),
    seed: int = 0,
    on_progress: OnModel | None = None,
) -> Comparison:
    """Fit each model on the train part and judge it on the test part, beside random and popular.

    A model that fails is named with its error; the others go on.
    """
    everything = {**{name: create_model(name) for name in YARDSTICKS if name not in models}, **models}
    runs = []
    for done, (name, model) in enumerate(everything.items()):
        if on_progress is not None:
            on_progress(name, done, len(everything))
        runs.append(_run(name, model, split, metrics, k=k, seed=seed))
    if on_progress is not None:
        on_progress("", len(everything), len(everything))
    judged = [run.evaluation for run in runs if run.evaluation]
    labels = tuple(judged[0].values) if judged else ()
    runs.sort(key=lambda run: -run.evaluation.values[labels[0]].mean if run.evaluation else float("inf"))
    protocol = judged[0].protocol if judged else split.protocol
    warnings = tuple(dict.fromkeys(warning for evaluation in judged for warning in evaluation.warnings))
    return Comparison(tuple(runs), labels, protocol, warnings)


def _run(
    name: str,
    model: Recommender,
    split: Split,
    metrics: Sequence[str | AnyMetric],
    *,
    k: Sequence[int],
    seed: int,
) -> Run:
    config = model.config.model_dump(mode="json")
    start = time.perf_counter()
    try:
        model.fit(split.train)
        fit_s = time.perf_counter() - start
        return Run(name, config, fit_s, evaluate(model, split, metrics, k=k, seed=seed))
    except ForetasteError as exc:
        return Run(name, config, time.perf_counter() - start, None, str(exc))


def _cell(run: Run, label: str) -> str:
    if run.evaluation is None:
        return "-"
    value = run.evaluation.values[label]
    if math.isnan(value.low):
        return f"{value.mean:.4f}"
    return f"{value.mean:.4f} ±{(value.high - value.low) / 2:.4f}"


def _finite(value: Any) -> Any:
    """NaN has no place in JSON: null stands for it."""
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
