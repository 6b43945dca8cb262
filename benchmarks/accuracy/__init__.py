"""Accuracy on public data, a fresh process for each model.

``settings/DATA.toml`` names the split, how the settings were chosen, and the models with their parameters (or, as
``skip``, why one is left out). Where a data set has several tasks, the settings name the ``folder`` and the ``task``. A
row that fails says so and the others go on.
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.rows import Row, versions
from foretaste.errors import ConfigurationError, UnknownNameError

SETTINGS = Path(__file__).parent / "settings"
TIMEOUT_S = 3600


def data_names() -> list[str]:
    """The names of the settings: a folder of public data, or one with a task behind it."""
    return sorted(path.stem for path in SETTINGS.glob("*.toml"))


def settings_of(name: str) -> dict[str, Any]:
    """The settings of one data set."""
    return tomllib.loads((SETTINGS / f"{name}.toml").read_text(encoding="utf-8"))


def labels_of(name: str) -> Row:
    """What a row says about its settings: the folder as ``data``, and the ``task`` where there is one."""
    settings = settings_of(name)
    task = {"task": settings["task"]} if "task" in settings else {}
    return {"benchmark": "accuracy", "data": settings.get("folder", name), **task}


def run(names: Sequence[str], *, data: Path | None, only: Sequence[str], quick: bool) -> Iterator[Row]:
    """A row for each model on each data set that was asked for; ``quick`` only random, popular and item_knn.

    Raises:
        ConfigurationError: no folder of data.
        UnknownNameError: a data set or model there are no settings for.
    """
    if data is None:
        raise ConfigurationError("accuracy needs public data", hint="give their folder with --data DIR")
    for name in names:
        if name not in data_names():
            raise UnknownNameError(f"there are no settings for {name!r}", hint=f"valid: {', '.join(data_names())}")
    wanted = [tuple(pair.split("/", 1)) for pair in only]
    for pair in wanted:
        if len(pair) != 2 or pair[0] not in data_names() or pair[1] not in settings_of(pair[0])["models"]:
            raise UnknownNameError(
                f"there is no row {'/'.join(pair)!r}", hint="write it as DATA/MODEL, as in settings/"
            )
    for name in names or data_names():
        for model in settings_of(name)["models"]:
            if wanted and (name, model) not in wanted:
                continue
            if quick and model not in {"random", "popular", "item_knn"}:
                continue
            yield _row(name, model, data)


def _row(name: str, model: str, data: Path) -> Row:
    labels = {**labels_of(name), "model": model}
    folder = data / str(labels["data"])
    if not folder.is_dir():
        return {**labels, "skipped": f"{folder} is not there"}
    if why := settings_of(name)["models"][model].get("skip"):
        return {**labels, "skipped": why}
    command = [sys.executable, "-m", "benchmarks.accuracy.one", name, model, str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return {**labels, "error": f"took over {TIMEOUT_S} s"}
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"ended with status {done.returncode}"])[-1]
        return {**labels, "error": last}
    return {**json.loads(done.stdout.splitlines()[-1]), "versions": versions()}
