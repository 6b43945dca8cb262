"""``foretaste ingest``: files into the record store."""

from typing import TYPE_CHECKING

from foretaste.cli.options import AsJson, Home, Paths, settings_of
from foretaste.cli.output import note, print_json, progress

if TYPE_CHECKING:
    from foretaste.data import Dataset
    from foretaste.serving.ingest import IngestReport
    from foretaste.settings import Settings


def ingest(paths: Paths, home: Home = None, as_json: AsJson = False) -> None:
    """Read users, items and interactions and store them; doing it again with the same data adds nothing."""
    import asyncio
    from dataclasses import asdict

    from foretaste.data import read_dataset

    settings = settings_of(home)
    loaded = read_dataset(paths if len(paths) > 1 else paths[0])
    note(loaded.report.to_text(), quiet=as_json)
    report = asyncio.run(_store(settings, loaded.dataset, quiet=as_json))
    if as_json:
        print_json({"read": loaded.report.to_dict(), "stored": asdict(report)})
        return
    known = report.events_read - report.events_new
    note(f"stored {report.events_new:,} new events ({known:,} were there)")
    note(f"stored {report.users:,} users and {report.items:,} items")
    if report.rejected:
        note(f"{report.rejected:,} users or items were refused and kept in the dead letters")
    note("next: foretaste train")


async def _store(settings: "Settings", data: "Dataset", *, quiet: bool) -> "IngestReport":
    from foretaste.serving.bootstrap import open_stores
    from foretaste.serving.ingest import ingest as store

    async with open_stores(settings) as stores:
        with progress("storing", quiet=quiet) as step:
            return await store(stores.records, data, on_progress=lambda _what, done, total: step(done, total, None))
