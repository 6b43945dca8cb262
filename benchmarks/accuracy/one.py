"""One model on one data set, in this process: ``python -m benchmarks.accuracy.one DATA MODEL FOLDER`` prints a row.

``peak_mb`` is the largest resident size of the whole process: Python, libraries, data and model. Where the split is
«folds», the model is fitted on each in turn; metrics are means over the folds, and ± is the standard deviation between
them.
"""

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy import labels_of, settings_of
from benchmarks.rows import Row, rounded
from foretaste.data import read_dataset, read_split
from foretaste.errors import ForetasteError
from foretaste.evaluation import Split, create_splitter, evaluate, given_split
from foretaste.models import Recommender, create_model

RATING_METRICS = ("rmse", "mae")
METRICS = ("recall@20", "ndcg@20", "precision@20", "hit_rate@20", "catalog_coverage@20")


def main() -> int:
    """Fit, judge, print; 1 and the reason on standard error where that fails."""
    name, model_name, folder = sys.argv[1:]
    settings = settings_of(name)
    parameters = dict(settings["models"][model_name])
    kind = parameters.pop("kind", model_name)
    judge = _judge_folds if settings["split"]["kind"] == "folds" else _judge_lists
    try:
        judged = judge(kind, parameters, settings["split"], Path(folder))
    except ForetasteError as exc:
        print(exc, file=sys.stderr)
        return 1
    row = {
        **labels_of(settings, model_name),
        **judged,
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "tuned": settings["tuned"],
        "settings": json.dumps(parameters),
    }
    print(json.dumps(row))
    return 0


def _judge_lists(kind: str, parameters: dict[str, Any], options: dict[str, Any], folder: Path) -> Row:
    """Full ranking on one split."""
    split = _split(options, folder)
    model, fit_s = _fitted(kind, parameters, split)
    judged = evaluate(model, split, METRICS, known_users_only=options.get("known_users_only", False))
    intervals = {
        f"{label} ±": _half_width(judged.values[label].low, judged.values[label].high) for label in METRICS[:2]
    }
    return {
        **{label: rounded(judged.values[label].mean) for label in METRICS},
        **intervals,
        "fit_s": rounded(fit_s, 3),
        "score_s": rounded(judged.seconds, 3),
        "protocol": judged.protocol,
    }


def _judge_folds(kind: str, parameters: dict[str, Any], options: dict[str, Any], folder: Path) -> Row:
    """Predicted ratings of every fold, each in turn the test part."""
    found: list[list[float]] = []
    seconds = np.zeros(2)
    for fold in range(1, options["folds"] + 1):
        split = given_split(*read_split(folder, fold=fold))
        model, fit_s = _fitted(kind, parameters, split)
        judged = evaluate(model, split, RATING_METRICS, n_resamples=1)
        found.append([judged.values[label].mean for label in RATING_METRICS])
        seconds += (fit_s, judged.seconds)
    values, spread = np.mean(found, axis=0), np.std(found, axis=0, ddof=1)
    return {
        **{label: rounded(value) for label, value in zip(RATING_METRICS, values.tolist(), strict=True)},
        **{f"{label} ±": rounded(value, 2) for label, value in zip(RATING_METRICS, spread.tolist(), strict=True)},
        "fit_s": rounded(seconds[0] / options["folds"], 3),
        "score_s": rounded(seconds[1] / options["folds"], 3),
        "protocol": f"{options['folds']} given folds, each in turn the test part; every test rating is predicted, "
        "those of users and items new to train included; kept within the scale",
    }


def _fitted(kind: str, parameters: dict[str, Any], split: Split) -> tuple[Recommender, float]:
    """A model fitted on train, and the seconds that took."""
    model = create_model(kind, **parameters)
    start = time.perf_counter()
    model.fit(split.train)
    return model, time.perf_counter() - start


def _split(options: dict[str, object], folder: Path) -> Split:
    """The given split of the folder, or a split of the whole data set."""
    values = {key: value for key, value in options.items() if key not in {"kind", "known_users_only"}}
    if options["kind"] == "given":
        return given_split(*read_split(folder))
    return create_splitter(str(options["kind"]), **values).split(read_dataset(folder).dataset)


def _half_width(low: float, high: float) -> float:
    return rounded((high - low) / 2, 2)


if __name__ == "__main__":
    sys.exit(main())
