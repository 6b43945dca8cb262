"""``foretaste data``: look at data, check it, convert it, make a sample."""

from pathlib import Path
from typing import Annotated

import typer

from foretaste.cli.options import AsJson, Paths, Seed
from foretaste.cli.output import note, print_json, print_table, progress

app = typer.Typer(help="Look at data, check it, convert it, or make a sample.", no_args_is_help=True)

Column = Annotated[str | None, typer.Option(help="Name of the column, when it is not recognised.")]


@app.command()
def check(
    paths: Paths,
    user: Column = None,
    item: Column = None,
    value: Column = None,
    timestamp: Column = None,
    type: Column = None,  # noqa: A002 - the option's name
    as_json: AsJson = False,
) -> None:
    """Read data and report what was kept, what was dropped and why, and what it looks like."""
    from foretaste.data import ColumnMap, describe, read_dataset

    columns = ColumnMap(user=user, item=item, value=value, timestamp=timestamp, type=type)
    loaded = read_dataset(paths if len(paths) > 1 else paths[0], columns=columns)
    facts = describe(loaded.dataset)
    if as_json:
        print_json({"report": loaded.report.to_dict(), "statistics": facts.to_dict()})
        return
    print(loaded.report.to_text())
    print()
    print(facts.to_text())


@app.command()
def convert(
    paths: Paths,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write (Parquet and JSON).")],
    as_json: AsJson = False,
) -> None:
    """Read data of any known format and write it as a Foretaste data set folder."""
    from foretaste.data import read_dataset, save_dataset

    loaded = read_dataset(paths if len(paths) > 1 else paths[0])
    save_dataset(loaded.dataset, out)
    data = loaded.dataset
    if as_json:
        print_json(
            {"folder": str(out), "users": data.n_users, "items": data.n_items, "interactions": len(data.interactions)}
        )
    else:
        note(f"wrote {data.n_users:,} users, {data.n_items:,} items and {data.n_interactions:,} interactions to {out}")


@app.command()
def sample(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write (Parquet).")],
    users: Annotated[int, typer.Option(help="People.", min=1)] = 2_000,
    items: Annotated[int, typer.Option(help="Items of the catalogue.", min=1)] = 1_000,
    events: Annotated[int, typer.Option(help="Interactions.", min=1)] = 60_000,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Make a realistic shop of any size, the same for the same seed, with known ground truth."""
    from foretaste.data.sampling import SampleConfig, write_sample

    config = SampleConfig.of(n_users=users, n_items=items, n_events=events, seed=seed)
    with progress("making a sample shop", quiet=as_json) as step:
        write_sample(config, out, on_progress=lambda done, total: step(done, total, None))
    files = sorted(path for path in out.rglob("*") if path.is_file())
    if as_json:
        print_json({"folder": str(out), "files": {str(f.relative_to(out)): f.stat().st_size for f in files}})
        return
    print_table(["file", "bytes"], [(str(f.relative_to(out)), f.stat().st_size) for f in files])
    note(f"use it: foretaste demo {out}")
