"""``foretaste rules``: what may be shown and what comes first; running servers follow at once."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foretaste.cli.options import ACTOR, AsJson, Home, settings_of
from foretaste.cli.output import note, print_json, print_table

if TYPE_CHECKING:
    from foretaste.serving.live.rulers import RuleEffect

app = typer.Typer(help="Show, check and set the rules of the shop.", no_args_is_help=True)
RulesFile = Annotated[Path, typer.Argument(help="TOML with [[rules]] tables, or JSON.")]


@app.command()
def show(home: Home = None) -> None:
    """Show the rules that are set, and those of the live pipeline, as JSON."""
    import asyncio

    from foretaste.serving.bootstrap import open_engine

    async def run() -> dict[str, Any]:
        async with open_engine(settings_of(home)) as engine:
            return await engine.rules.rules()

    print_json(asyncio.run(run()))


@app.command()
def check(file: RulesFile, home: Home = None, as_json: AsJson = False) -> None:
    """Say what the rules of a file would do, without setting them."""
    _show_effects(_run(file, home, is_set=False)[0], as_json=as_json)


@app.command("set")
def set_rules(file: RulesFile, home: Home = None, as_json: AsJson = False) -> None:
    """Replace all rules that are set by those of a file."""
    effects, version = _run(file, home, is_set=True)
    _show_effects(effects, as_json=as_json)
    if not as_json:
        note(f"{len(effects)} rules are set (version {version})")


def _run(file: Path, home: Path | None, *, is_set: bool) -> "tuple[list[RuleEffect], int | None]":
    import asyncio

    from foretaste.serving.access import Audit
    from foretaste.serving.bootstrap import open_engine

    values = _read(file)

    async def run() -> "tuple[list[RuleEffect], int | None]":
        async with open_engine(settings_of(home)) as engine:
            if not is_set:
                return engine.rules.check(values), None
            version, effects = await engine.rules.put_rules(values)
            await Audit(engine.records).note(ACTOR, "put_rules", details={"version": version})
            return effects, version

    return asyncio.run(run())


def _read(file: Path) -> Any:
    """The decoded file.

    Raises:
        ConfigurationError: it cannot be read, or is neither TOML nor JSON.
    """
    import json
    import tomllib

    from foretaste.errors import ConfigurationError

    try:
        text = file.read_text(encoding="utf-8")
        return json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigurationError(f"{str(file)!r} cannot be read: {exc}") from exc
    except ValueError as exc:
        raise ConfigurationError(f"{str(file)!r} is no valid {file.suffix[1:] or 'TOML'}: {exc}") from exc


def _show_effects(effects: "list[RuleEffect]", *, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        print_json([asdict(effect) for effect in effects])
        return
    rows = [(one.name, one.kind, "" if one.items is None else one.items, ", ".join(one.unknown)) for one in effects]
    print_table(["rule", "kind", "items", "no item has"], rows)
