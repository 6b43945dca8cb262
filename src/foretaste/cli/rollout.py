"""``foretaste models promote|status|rollback|retire``: how the next version goes live, and back."""

from typing import Annotated, Any

import typer

from foretaste.cli.options import ACTOR, AsJson, Home, parse_duration, settings_of
from foretaste.cli.output import note, print_json, print_table

Version = Annotated[str, typer.Argument(help="A version, as `foretaste models list` shows it.")]
MAX_LENGTH_S = 30 * 86_400.0
"""Longest step of a rollout."""


def promote(
    version: Version,
    shadow: Annotated[bool, typer.Option("--shadow", help="First compare its lists aside; nobody sees them.")] = False,
    canary: Annotated[str | None, typer.Option(help="Then show it to a share of the users, such as 5%.")] = None,
    length: Annotated[str | None, typer.Option("--for", help="Shortest time of each step, such as 90s or 10m.")] = None,
    hold: Annotated[bool, typer.Option("--hold", help="Do not go live by itself after the last step.")] = False,
    now: Annotated[bool, typer.Option("--now", help="Make it live at once (without --shadow or --canary).")] = False,
    home: Home = None,
) -> None:
    """Make a version live after loading and trying it: at once, or in steps that running servers take by themselves."""
    import asyncio

    from foretaste.errors import ConfigurationError
    from foretaste.serving.bootstrap import open_engine

    if now and (shadow or canary is not None or hold):
        raise ConfigurationError("--now goes with neither --shadow, --canary nor --hold")
    share = parse_share(canary) if canary is not None else None
    seconds = parse_length(length) if length is not None else None

    async def run() -> str:
        async with open_engine(settings_of(home)) as engine:
            steps = engine.steps(shadow=shadow, canary=share, seconds=seconds, hold=hold)
            await engine.promote(version, steps, actor=ACTOR)
            return steps[0].stage if steps else "live"

    note(f"{version} is in {stage}" if (stage := asyncio.run(run())) != "live" else f"{version} is live")


def status(home: Home = None, as_json: AsJson = False) -> None:
    """Show where the rollout stands: versions, step, figures of both versions, and what happened before."""
    import asyncio

    from foretaste.serving.bootstrap import open_engine

    async def run() -> dict[str, Any]:
        async with open_engine(settings_of(home)) as engine:
            return await engine.rollout()

    found = asyncio.run(run())
    if as_json:
        print_json(found)
        return
    facts = [(name, found[name]) for name in ("live", "previous", "candidate", "stage", "share", "seconds")]
    print_table(["rollout", ""], facts)
    if found["new"] is not None:
        print_table(["", "new", "old"], [(name, found["new"][name], found["old"][name]) for name in found["new"]])
    if found["history"]:
        print_table(
            ["action", "version", "why", "by"],
            [(entry["action"], entry["version"], entry["why"], entry["actor"]) for entry in found["history"]],
        )


def rollback(
    to: Annotated[str | None, typer.Option(help="Version to go back to; by default the one before.")] = None,
    home: Home = None,
) -> None:
    """Give up the version that is being rolled out; without one, make the version before (or --to) live again."""
    import asyncio

    from foretaste.serving.bootstrap import open_engine

    async def run() -> str | None:
        async with open_engine(settings_of(home)) as engine:
            await engine.roll_back(to, actor=ACTOR)
            live: str | None = (await engine.rollout())["live"]
            return live

    note(f"{asyncio.run(run())} is live")


def retire(
    keep: Annotated[int, typer.Option(help="Newest versions to keep, beside those in use.", min=0)] = 3,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Delete old versions; the live one, the one before and one being rolled out always stay."""
    import asyncio

    from foretaste.serving.bootstrap import open_engine

    async def run() -> list[str]:
        async with open_engine(settings_of(home)) as engine:
            return await engine.retire(keep)

    gone = asyncio.run(run())
    if as_json:
        print_json({"deleted": gone})
    else:
        note(f"deleted: {', '.join(gone)}" if gone else "nothing to delete")


def parse_share(text: str) -> float:
    """``5%`` or ``0.05`` as a number between 0 and 1.

    Raises:
        ConfigurationError: it is neither.
    """
    from foretaste.errors import ConfigurationError

    try:
        share = float(text.removesuffix("%")) / (100.0 if text.endswith("%") else 1.0)
    except ValueError:
        share = 0.0
    if not 0.0 < share < 1.0:
        raise ConfigurationError(f"--canary {text!r} is no share", hint="write 5% or 0.05")
    return share


def parse_length(text: str) -> float:
    """The length of a step: ``90`` (seconds), ``90s``, ``10m``, ``2h`` or ``1d``, in seconds.

    Raises:
        ConfigurationError: it is none of these, or more than 30 days.
    """
    from foretaste.errors import ConfigurationError

    seconds = parse_duration(f"{text}s" if text.isdigit() else text)
    if seconds > MAX_LENGTH_S:
        raise ConfigurationError(f"--for {text!r} is too long", hint="write at most 30d")
    return seconds
