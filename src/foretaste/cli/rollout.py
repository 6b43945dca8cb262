"""``foretaste models promote|status|rollback|retire``: how the next version goes live, and back."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from foretaste.cli.options import AsJson, Home
from foretaste.cli.output import note, print_json, print_table, quiet_logs

if TYPE_CHECKING:
    from foretaste.settings import Settings

ACTOR = "cli"
Version = Annotated[str, typer.Argument(help="A version, as `foretaste models list` shows it.")]
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


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
    seconds = parse_seconds(length) if length is not None else None

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


def parse_seconds(text: str) -> float:
    """``90``, ``90s``, ``10m``, ``2h`` or ``1d`` in seconds.

    Raises:
        ConfigurationError: it is none of these.
    """
    from foretaste.errors import ConfigurationError

    unit = text[-1:] if text[-1:] in _UNITS else ""
    try:
        seconds = float(text.removesuffix(unit)) * _UNITS.get(unit, 1.0)
    except ValueError:
        seconds = 0.0
    if not 0.0 < seconds <= 30 * 86_400.0:
        raise ConfigurationError(f"--for {text!r} is no length of time", hint="write 90s, 10m or 2h; at most 30d")
    return seconds


def settings_of(home: Home) -> "Settings":
    """The settings, with logs quiet enough for a command line."""
    from foretaste.settings import load_settings

    quiet_logs()
    return load_settings(foretaste_home=home)
