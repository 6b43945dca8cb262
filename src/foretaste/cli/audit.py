"""``foretaste audit``: what was done, and by whom."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from foretaste.cli.options import AsJson, Home, settings_of
from foretaste.cli.output import note, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foretaste.storage.records import AuditEntry


def audit(
    after: Annotated[int, typer.Option(help="Only entries above this number.", min=0)] = 0,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=100_000)] = 100,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show what was done to keys, models, rules and settings, and refused attempts, oldest first."""
    import asyncio
    from dataclasses import asdict

    from foretaste.serving.access import Audit
    from foretaste.serving.bootstrap import open_stores

    settings = settings_of(home)

    async def run() -> "Sequence[AuditEntry]":
        async with open_stores(settings) as stores:
            return await Audit(stores.records).entries(after=after, limit=limit)

    entries = asyncio.run(run())
    if as_json:
        print_json([asdict(entry) for entry in entries])
        return
    if not entries:
        note("nothing stands in the audit log" + (f" after number {after}" if after else ""))
        return
    rows = [
        (
            str(entry.entry_id),
            f"{datetime.fromtimestamp(entry.at, tz=UTC):%Y-%m-%d %H:%M:%S}",
            entry.actor,
            entry.action,
            entry.subject,
            entry.outcome,
            ", ".join(f"{name}={value}" for name, value in entry.details.items()),
        )
        for entry in entries
    ]
    print_table(["number", "when (UTC)", "who", "what", "to what", "outcome", "details"], rows)
