"""What several verbs share, so that it reads the same everywhere: options, settings, lengths of time."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foretaste.cli.output import quiet_logs

if TYPE_CHECKING:
    from foretaste.settings import Settings

ACTOR = "command line"
"""Whom the audit log names for what is done here."""
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}

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


def settings_of(home: Path | None, **given: Any) -> "Settings":
    """The settings, ``given`` ones first, with logs quiet enough for a command line and free of the settings' secrets.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    from foretaste.settings import load_settings

    settings = load_settings(foretaste_home=home, **given)
    quiet_logs(settings.secrets)
    return settings


def parse_duration(text: str) -> float:
    """Seconds of ``90d``, ``12h``, ``30min`` (or ``30m``) or ``45s``.

    >>> parse_duration("90d")
    7776000.0

    Raises:
        ConfigurationError: it is no such time.
    """
    from foretaste.errors import ConfigurationError

    match = re.fullmatch(r"(\d{1,6})\s*(s|m|min|h|d)", text.strip())
    if match is None or int(match[1]) == 0:
        raise ConfigurationError(f"{text!r} is no length of time", hint="write 90d, 12h, 30min or 45s")
    return float(int(match[1]) * _SECONDS[match[2]])
