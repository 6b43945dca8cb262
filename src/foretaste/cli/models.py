"""``foretaste models``: the published versions."""

from typing import TYPE_CHECKING

import typer

from foretaste.cli import rollout
from foretaste.cli.options import AsJson, Home, settings_of
from foretaste.cli.output import note, print_json, print_table
from foretaste.cli.rollout import Version

if TYPE_CHECKING:
    from foretaste.settings import Settings
    from foretaste.storage.artifacts import ModelVersion

app = typer.Typer(
    help="List, show, promote and delete trained versions; list the kinds of models.", no_args_is_help=True
)
for _verb in (rollout.promote, rollout.status, rollout.rollback, rollout.retire):
    app.command()(_verb)


@app.command("list")
def list_versions(home: Home = None, as_json: AsJson = False) -> None:
    """List published versions, newest first; the live one is marked."""
    import asyncio
    from dataclasses import asdict
    from datetime import UTC, datetime

    versions, live = asyncio.run(_versions(settings_of(home)))
    if as_json:
        print_json([{**asdict(version), "is_live": version.version == live} for version in versions])
        return
    if not versions:
        note("nothing is published yet; next: foretaste train")
        return
    rows = [
        (
            "live" if version.version == live else "",
            version.version,
            f"{datetime.fromtimestamp(version.created_at, tz=UTC):%Y-%m-%d %H:%M}",
            ", ".join(version.models),
            f"{version.size_bytes / 1e6:.1f} MB",
        )
        for version in versions
    ]
    print_table(["", "version", "published (UTC)", "models", "size"], rows)


@app.command()
def show(version: Version, home: Home = None) -> None:
    """Show all that is known of a version, as JSON."""
    import asyncio
    from dataclasses import asdict

    versions, live = asyncio.run(_versions(settings_of(home), version))
    print_json({**asdict(versions[0]), "is_live": version == live})


@app.command()
def delete(version: Version, home: Home = None) -> None:
    """Delete a version that is not live."""
    import asyncio

    from foretaste.serving.bootstrap import open_stores

    async def run() -> None:
        async with open_stores(settings_of(home)) as stores:
            await stores.artifacts.delete(version)

    asyncio.run(run())
    note(f"{version} is deleted")


@app.command()
def kinds(as_json: AsJson = False) -> None:
    """List the kinds of models that a pipeline or `foretaste train --model` can name, with their parameters."""
    from foretaste.models import model_class, model_names

    classes = {name: model_class(name) for name in model_names()}
    if as_json:
        print_json({name: kind.config_class.model_json_schema() for name, kind in classes.items()})
        return
    rows = [
        (name, (kind.__doc__ or "").strip().splitlines()[0], ", ".join(kind.config_class.model_fields))
        for name, kind in classes.items()
    ]
    print_table(["name", "what it is", "parameters"], rows)


async def _versions(settings: "Settings", only: str | None = None) -> "tuple[list[ModelVersion], str | None]":
    from foretaste.serving.bootstrap import open_stores

    async with open_stores(settings) as stores:
        found = list(await stores.artifacts.versions()) if only is None else [await stores.artifacts.get(only)]
        return found, await stores.artifacts.live()
