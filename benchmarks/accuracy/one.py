"""One model on one data set, in this process: ``python -m benchmarks.accuracy.one DATA MODEL FOLDER`` prints a row.

``peak_mb`` is the largest resident size of the whole process: Python, libraries, data and model.
"""

import json
import resource
import sys
import time
from pathlib import Path

from benchmarks.accuracy import labels_of, settings_of
from benchmarks.rows import rounded
from foretaste.data import read_dataset, read_split
from foretaste.errors import ForetasteError
from foretaste.evaluation import Split, create_splitter, evaluate, given_split
from foretaste.models import create_model

METRICS = ("recall@20", "ndcg@20", "precision@20", "hit_rate@20", "catalog_coverage@20")


def main() -> int:
    """Fit, judge, print; 1 and the reason on standard error where that fails."""
    name, model_name, folder = sys.argv[1:]
    settings = settings_of(name)
    parameters = dict(settings["models"][model_name])
    kind = parameters.pop("kind", model_name)
    try:
        split = _split(settings["split"], Path(folder))
        model = create_model(kind, **parameters)
        start = time.perf_counter()
        model.fit(split.train)
        fit_s = time.perf_counter() - start
        judged = evaluate(model, split, METRICS, known_users_only=settings["split"].get("known_users_only", False))
    except ForetasteError as exc:
        print(exc, file=sys.stderr)
        return 1
    values = {label: rounded(judged.values[label].mean) for label in METRICS}
    intervals = {
        f"{label} ±": _half_width(judged.values[label].low, judged.values[label].high) for label in METRICS[:2]
    }
    row = {
        **labels_of(name),
        "model": model_name,
        **values,
        **intervals,
        "fit_s": rounded(fit_s, 3),
        "score_s": rounded(judged.seconds, 3),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "protocol": judged.protocol,
        "tuned": settings["tuned"],
        "settings": json.dumps(parameters),
    }
    print(json.dumps(row))
    return 0


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
