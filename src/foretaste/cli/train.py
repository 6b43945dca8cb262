"""``foretaste train``: fit models on the record store and publish them, or fit one model on files."""

from pathlib import Path
from typing import Annotated, Any

import typer

from foretaste.cli.options import AsJson, Home, Parameters, Pipeline, settings_of
from foretaste.cli.output import note, parse_parameters, print_json, print_table, progress


def train(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Data to fit one --model on; without any, the record store is used.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Fit this model on the given data.")] = None,
    parameters: Parameters = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder to save the fitted --model in.")] = None,
    pipeline: Pipeline = None,
    promote: Annotated[bool, typer.Option(help="Make the new version live.")] = True,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Fit the models of the pipeline on everything in the store and publish them; running servers take them up."""
    from foretaste.errors import ConfigurationError

    if paths or model or out or parameters:
        if not (paths and model and out):
            raise ConfigurationError(
                "fitting one model needs data, --model and --out",
                hint="for example: foretaste train ratings.csv --model ials --out my-model",
            )
        _train_one(paths, model, parse_parameters(parameters or []), out, as_json=as_json)
    else:
        _train_pipeline(pipeline, home, promote=promote, as_json=as_json)


def _train_one(paths: list[Path], name: str, parameters: dict[str, Any], out: Path, *, as_json: bool) -> None:
    from time import perf_counter

    from foretaste.data import read_dataset
    from foretaste.models import create_model, save_model

    model = create_model(name, **parameters)
    loaded = read_dataset(paths if len(paths) > 1 else paths[0])
    note(loaded.report.to_text(), quiet=as_json)
    start = perf_counter()
    with progress(f"fitting {name}", quiet=as_json) as step:
        model.fit(loaded.dataset, on_progress=step)
    seconds = perf_counter() - start
    save_model(model, out)
    if as_json:
        print_json(
            {"model": name, "folder": str(out), "fit_s": seconds, "config": model.config.model_dump(mode="json")}
        )
    else:
        note(f"fitted {model!r} in {seconds:.1f} s, saved in {out}")


def _train_pipeline(pipeline: str | None, home: Path | None, *, promote: bool, as_json: bool) -> None:
    import asyncio
    from dataclasses import asdict

    from foretaste.serving.bootstrap import open_stores, pipeline_of
    from foretaste.serving.training import train as fit_and_publish
    from foretaste.storage.artifacts import ModelVersion

    settings = settings_of(home, pipeline_file=pipeline)

    async def run() -> ModelVersion:
        async with open_stores(settings) as stores:
            with progress("training", quiet=as_json) as step:
                return await fit_and_publish(
                    stores.records,
                    stores.artifacts,
                    pipeline_of(settings),
                    promote=promote,
                    on_progress=lambda _stage, at, n, loss: step(at, n, loss),
                )

    version = asyncio.run(run())
    if as_json:
        print_json(asdict(version))
        return
    print_table(
        ["version", "models", "live"], [(version.version, ", ".join(version.models), "yes" if promote else "no")]
    )
    note("next: foretaste serve")
