"""The search behind the committed settings: ``python -m benchmarks accuracy --tune`` prints the settings it finds.

Each model with a search space is tuned on a random part of the train part; the test part is never touched. The space
is the packaged one for data of that size, and what the settings file gives for parameters outside of it stays.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.accuracy import data_names, settings_of
from benchmarks.rows import Row, rounded, versions
from foretaste.data import Dataset, read_dataset, read_split
from foretaste.errors import ConfigurationError, ForetasteError
from foretaste.evaluation import create_splitter
from foretaste.models import model_names
from foretaste.tuning import Space, spaces_for, tune

METRIC = "recall@20"
TRIALS = 30
TEST_SHARE = 0.15


def run(names: Sequence[str], *, data: Path | None, only: Sequence[str], quick: bool, seed: int = 0) -> Iterator[Row]:
    """A row for each model with a search space: the settings found, their value on the held-out part, all trials.

    Raises:
        ConfigurationError: no folder of data.
    """
    if data is None:
        raise ConfigurationError("tuning needs public data", hint="give their folder with --data DIR")
    for name in names or data_names():
        settings = settings_of(name)
        folder = data / str(settings.get("folder", name))
        why = "no search is kept for this task" if "task" in settings else ""
        if why or not folder.is_dir():
            yield {"benchmark": "tuning", "data": name, "skipped": why or f"{folder} is not there"}
            continue
        wanted = [model for model in settings["models"] if not only or f"{name}/{model}" in only]
        train = _train(settings["split"], folder)
        spaces = spaces_for(train)
        for model in wanted:
            parameters = dict(settings["models"][model])
            kind = str(parameters.pop("kind", model))
            space = spaces.space(kind)
            if kind not in model_names() or not space.dimensions or "skip" in parameters:
                continue
            yield _row(name, model, kind, train, space, parameters, trials=3 if quick else TRIALS, seed=seed)


def _row(
    name: str,
    model: str,
    kind: str,
    train: Dataset,
    space: Space,
    parameters: dict[str, object],
    *,
    trials: int,
    seed: int,
) -> Row:
    committed = {key: value for key, value in parameters.items() if key != "tuned"}
    start = Space(kind, space.dimensions, {**space.defaults, **committed})  # the committed settings are the first trial
    row: Row = {"benchmark": "tuning", "data": name, "model": model}
    try:
        found = tune(kind, train, start, trials=trials, metric=METRIC, test_share=TEST_SHARE, seed=seed)
        best = found.best
    except ForetasteError as exc:
        return {**row, "error": str(exc)}
    return {
        **row,
        "metric": f"{METRIC}, held out of train",
        "committed": rounded(found.trials[0].value) if found.trials[0].value is not None else None,
        "found": rounded(best.value or 0.0),
        "trials": len(found.trials),
        "parameters": json.dumps(best.parameters),
        "versions": versions("optuna"),
    }


def _train(split: dict[str, object], folder: Path) -> Dataset:
    """What may be learned from: the train part of the reported split."""
    if split["kind"] == "given":
        return read_split(folder)[0]
    options = {key: value for key, value in split.items() if key not in {"kind", "known_users_only"}}
    return create_splitter(str(split["kind"]), **options).split(read_dataset(folder).dataset).train
