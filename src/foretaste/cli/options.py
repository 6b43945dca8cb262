"""Options that several verbs share, so that they read the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output and nothing else.")]
Home = Annotated[
    Path | None,
    typer.Option("--home", help="Folder of the embedded store and the models.", envvar="FORETASTE_HOME"),
]
Pipeline = Annotated[
    str | None, typer.Option("--pipeline", help="Pipeline: a TOML file or the name of a packaged one.")
]
Parameters = Annotated[list[str] | None, typer.Option("--param", "-p", help="Model parameter as name=value.")]
Paths = Annotated[list[Path], typer.Argument(help="Files or folders (CSV, TSV, JSON, JSON lines, Parquet …).")]
ListLength = Annotated[int, typer.Option("-k", help="Length of a list.", min=1, max=1000)]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything random.", min=0)]
