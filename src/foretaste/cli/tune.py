"""``foretaste tune``: search for the parameters of a model."""

from pathlib import Path
from typing import Annotated

import typer

from foretaste.cli.options import AsJson, Parameters, Paths, Seed
from foretaste.cli.output import note, parse_parameters, print_json, print_table, progress


def tune(
    paths: Paths,
    model: Annotated[str, typer.Option("--model", "-m", help="Model to tune.")],
    trials: Annotated[int, typer.Option(help="Most settings to try.", min=1)] = 30,
    time_s: Annotated[
        float | None, typer.Option("--time", help="Seconds after which no new trial begins.", min=0.0)
    ] = None,
    metric: Annotated[str, typer.Option(help="What to make best, for example ndcg@10, recall@20 or rmse.")] = "ndcg@10",
    sampler: Annotated[str, typer.Option(help="How settings are chosen: auto, tpe, genetic or random.")] = "auto",
    prune: Annotated[bool, typer.Option(help="Give up early on settings that do badly on a quarter of the users.")] = (
        False
    ),
    space: Annotated[
        str | None, typer.Option(help="TOML file with a table [search.MODEL], or small, medium, large.")
    ] = None,
    parameters: Parameters = None,
    storage: Annotated[
        str | None, typer.Option(help="Where trials are kept to go on later, for example sqlite:///tuning.db.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="TOML file for the best parameters.")] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Try settings of a model on a held-out part of the data; prints all trials and the best parameters."""
    from foretaste.data import read_dataset
    from foretaste.errors import ConfigurationError
    from foretaste.tuning import load_spaces, spaces_for
    from foretaste.tuning import tune as search
    from foretaste.tuning.samplers import SAMPLERS

    if sampler not in SAMPLERS:
        raise ConfigurationError(f"there is no sampler {sampler!r}", hint=f"valid ones: {', '.join(SAMPLERS)}")
    loaded = read_dataset(paths if len(paths) > 1 else paths[0])
    note(loaded.report.to_text(), quiet=as_json)
    spaces = load_spaces(space) if space else spaces_for(loaded.dataset)
    with progress(f"tuning {model}", quiet=as_json) as step:
        found = search(
            model,
            loaded.dataset,
            spaces.space(model),
            trials=trials,
            time_budget_s=time_s,
            metric=metric,
            sampler=sampler,  # type: ignore[arg-type]
            prune=prune,
            fixed=parse_parameters(parameters or []),
            storage=storage,
            seed=seed,
            on_trial=lambda trial, n: step(trial.number + 1, n, None),
        )
    best = found.best
    if as_json:
        print_json(found.to_dict())
    else:
        names = sorted({name for trial in found.trials for name in trial.parameters})
        rows = [
            [t.number, t.value if t.value is not None else t.state, *(t.parameters.get(n) for n in names), t.seconds]
            for t in sorted(found.trials, key=lambda t: -(t.value or 0.0) if found.higher_is_better else t.value or 1e9)
        ]
        print_table(["trial", found.metric, *names, "s"], rows, title=f"{model}, {found.protocol}")
    if out is not None:
        out.write_text(_toml(model, best.parameters), encoding="utf-8")
        note(f"wrote {out}", quiet=as_json)


def _toml(model: str, parameters: dict[str, object]) -> str:
    """The best parameters as a model of a pipeline."""
    import json

    lines = [f"[models.{model}]", f'kind = "{model}"']
    lines += [f"{name} = {json.dumps(value)}" for name, value in parameters.items() if value is not None]
    return "\n".join(lines) + "\n"
