"""``foretaste evaluate``: compare models on data, honestly."""

from pathlib import Path
from typing import Annotated

import typer

from foretaste.cli.options import AsJson, ListLength, Parameters, Paths, Seed
from foretaste.cli.output import note, parse_parameters, print_json, progress

SEEDED = ("random", "leave_one_out")
"""Splits that draw at random."""
DEFAULT_MODELS = ("item_knn", "ease", "ials")


def evaluate(
    paths: Paths,
    model: Annotated[list[str] | None, typer.Option("--model", "-m", help="Model to judge (may be repeated).")] = None,
    parameters: Parameters = None,
    split: Annotated[
        str, typer.Option(help="How train and test are divided: random, time, leave_one_out or leave_last.")
    ] = "random",
    k: ListLength = 10,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the table, JSON and plot.")] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Fit models on one part of the data and judge their lists on the rest, beside random and popular."""
    from foretaste.data import read_dataset
    from foretaste.errors import ConfigurationError
    from foretaste.evaluation import compare, create_splitter
    from foretaste.models import create_model

    names = tuple(model or DEFAULT_MODELS)
    chosen = parse_parameters(parameters or [])
    if chosen and len(names) != 1:
        raise ConfigurationError("parameters need exactly one --model", hint="for example: -m ials -p n_factors=64")
    models = {name: create_model(name, **chosen) for name in names}
    loaded = read_dataset(paths if len(paths) > 1 else paths[0])
    note(loaded.report.to_text(), quiet=as_json)
    options = {"seed": seed} if split in SEEDED else {}
    divided = create_splitter(split, **options).split(loaded.dataset)
    with progress("fitting and judging", quiet=as_json) as step:
        done = compare(models, divided, k=[k], seed=seed, on_progress=lambda _name, at, n: step(at, n, None))
    if as_json:
        print_json(done.to_dict())
    else:
        print(done.to_text())
    if out is not None:
        note("wrote " + ", ".join(str(path) for path in done.write(out)), quiet=as_json)
