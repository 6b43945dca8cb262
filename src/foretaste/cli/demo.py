"""``foretaste demo``: from nothing, or from your files, to a running service in one command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foretaste.cli.output import note, print_json, print_table, progress, quiet_logs

if TYPE_CHECKING:
    from foretaste.api.server import ServerProcess
    from foretaste.data import Dataset
    from foretaste.settings import Settings

MODELS = ("item_knn", "ease", "ials")
K = 10


def demo(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="Your data; without any, a sample shop is made.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only show that it works: two lists, an event between them, then exit.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port to serve on.", min=0, max=65535)] = 8000,
    home: Annotated[Path, typer.Option("--home", help="Folder to work in.")] = Path("var/demo"),
    as_json: Annotated[bool, typer.Option("--json", help="With --check: print both lists as JSON.")] = False,
) -> None:
    """Import data (or make a sample shop), compare models on it, train a pipeline, serve it, and say what to try."""
    from tempfile import TemporaryDirectory

    quiet_logs()
    data = _read(paths or [], quiet=as_json)
    _compare(data, quiet=as_json)
    if check:
        with TemporaryDirectory(prefix="foretaste-demo-") as folder:
            settings = _prepare(data, Path(folder), port=0, quiet=as_json)
            _serve_and_check(settings, data, as_json=as_json)
    else:
        settings = _prepare(data, home / _safe_name(data.name), port=port, quiet=as_json)
        _serve(settings, data)


def _read(paths: list[Path], *, quiet: bool) -> "Dataset":
    """The user's files, or a seeded sample shop."""
    from foretaste.data import build_dataset, read_dataset

    if paths:
        with progress("reading", quiet=quiet):
            loaded = read_dataset(paths if len(paths) > 1 else paths[0])
        note(loaded.report.to_text() + "\n", quiet=quiet)
        return loaded.dataset
    from foretaste.data.sampling import generate_sample

    with progress("making a sample shop", quiet=quiet):
        sample = generate_sample()
        data: Dataset = build_dataset(
            sample.interactions, users=sample.users, items=sample.items, links=sample.links, name="sample-shop"
        )
    counts = f"{data.n_users:,} people, {data.n_items:,} items, {data.n_interactions:,} events"
    note(f"made a sample shop (seed 0): {counts}\n", quiet=quiet)
    return data


def _compare(data: "Dataset", *, quiet: bool) -> None:
    """A small table of models, judged on a held-out part; data too small to divide is said to be."""
    from foretaste.errors import DataError
    from foretaste.evaluation import compare, create_splitter
    from foretaste.models import create_model

    try:
        split = create_splitter("random", test_share=0.2).split(data)
    except DataError as exc:
        note(f"models are not compared: {exc}\n", quiet=quiet)
        return
    with progress("comparing models", quiet=quiet) as step:
        done = compare(
            {name: create_model(name) for name in MODELS},
            split,
            k=[K],
            on_progress=lambda _name, at, n: step(at, n, None),
        )
    if not quiet:
        print(done.to_text())
        print()


def _prepare(data: "Dataset", home: Path, *, port: int, quiet: bool) -> "Settings":
    """Store the data, train the pipeline, and give the settings of a server for it."""
    import asyncio

    from foretaste.serving.bootstrap import open_stores, pipeline_of
    from foretaste.serving.ingest import ingest
    from foretaste.serving.training import train
    from foretaste.settings import load_settings

    settings = load_settings(foretaste_home=home, api_port=port, log_level="warning")

    async def run() -> str:
        async with open_stores(settings) as stores:
            with progress("storing", quiet=quiet) as step:
                await ingest(stores.records, data, on_progress=lambda _what, at, n: step(at, n, None))
            with progress("training", quiet=quiet) as step:
                version = await train(
                    stores.records,
                    stores.artifacts,
                    pipeline_of(settings),
                    evaluate=False,
                    on_progress=lambda _stage, at, n, loss: step(at, n, loss),
                )
            return version.version

    note(f"trained model version {asyncio.run(run())}\n", quiet=quiet)
    return settings


def _serve(settings: "Settings", data: "Dataset") -> None:
    from foretaste.api.server import background_server, free_port
    from foretaste.errors import PortInUseError

    try:
        with background_server(settings) as server:
            _greet_and_wait(server, data)
    except PortInUseError:
        chosen = settings.model_copy(update={"api_port": free_port(settings.api_host)})
        note(f"port {settings.api_port} is in use, taking {chosen.api_port} instead")
        with background_server(chosen) as server:
            _greet_and_wait(server, data)


def _greet_and_wait(server: "ServerProcess", data: "Dataset") -> None:
    """Say what to open and try, then wait until interrupted."""
    user_id, item_id = _somebody(data), _something(data)
    url = server.url
    print(f"""Foretaste is serving {data.name} at {url}

  open   {url}/       a page to try it
         {url}/docs   the API

  try    curl '{url}/api/v1/recommendations/user/{user_id}?limit=5&explain=true'
         curl -X POST {url}/api/v1/interactions -H 'Content-Type: application/json' \\
              -d '{{"user_id": "{user_id}", "item_id": "{item_id}", "type": "purchase"}}'
         curl '{url}/api/v1/items/{item_id}/similar?limit=5'

Stop it with Ctrl-C.""")
    import contextlib

    with contextlib.suppress(KeyboardInterrupt):
        server.process.wait()
    note("stopped")


def _serve_and_check(settings: "Settings", data: "Dataset", *, as_json: bool) -> None:
    """Ask for a list, post an event, ask again, show both.

    Raises:
        ServingError: the second list is the same as the first.
        DataInsufficientError: there is nothing to recommend.
    """
    from foretaste.api.server import background_server
    from foretaste.cli.client import ask, tell
    from foretaste.errors import DataInsufficientError, ServingError

    user_id = _somebody(data)
    with background_server(settings) as server:
        before = ask(server.url, user_id, k=K)
        if not before["items"]:
            raise DataInsufficientError(
                f"{user_id!r} has taken all {data.n_items} items, so nothing is left to recommend",
                hint="use data with more items",
            )
        taken = before["items"][0]
        result = tell(server.url, {"user_id": user_id, "item_id": taken["item_id"], **_liking(data)})
        after = ask(server.url, user_id, k=K)
    lists = [[item["item_id"] for item in answer["items"]] for answer in (before, after)]
    if as_json:
        print_json({"user_id": user_id, "before": before, "event": result, "after": after})
    else:
        _print_list(f"{user_id}, before", before)
        print(f"  → {user_id} takes {taken.get('title') or taken['item_id']}\n")
        _print_list(f"{user_id}, after", after)
    if lists[0] == lists[1] or taken["item_id"] in lists[1]:
        raise ServingError(f"the event did not change the list of {user_id!r}", hint="this is a bug: please report it")
    note("the event changed the list: everything works", quiet=as_json)


def _print_list(title: str, answer: dict[str, Any]) -> None:
    rows = [
        (item["rank"], item.get("title") or item["item_id"], item.get("source", ""), item.get("reason") or "")
        for item in answer["items"]
    ]
    print_table(["", "item", "source", "why"], rows, title=title)
    print()


def _somebody(data: "Dataset") -> str:
    """A user with a middling history among those who have one of at least five, if there are any."""
    import numpy as np

    lengths = data.histories.lengths
    active = np.flatnonzero(lengths >= min(5, int(lengths.max())))
    ranked = active[np.argsort(lengths[active], kind="stable")]
    return data.users.id(int(ranked[len(ranked) // 2]))


def _something(data: "Dataset") -> str:
    """The item with the most interactions."""
    import numpy as np

    return data.items.id(int(np.bincount(data.interactions.item_rows, minlength=data.n_items).argmax()))


def _liking(data: "Dataset") -> dict[str, Any]:
    """What shows most interest in this data: its best rating or strongest action, else a plain view."""
    if data.is_explicit:
        return {"type": "rating", "value": float(data.interactions.weights.max())}
    known = [name for name in ("purchase", "like", "add_to_cart", "click") if name in data.interactions.type_names]
    return {"type": known[0] if known else "view"}


def _safe_name(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name).strip(".-") or "data"
