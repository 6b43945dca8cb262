"""What verbs print: tables and JSON on standard output; progress, notes and errors on standard error."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from foretaste.errors import ForetasteError

WIDTH = 160
"""Columns of a table that goes into a file or a pipe."""
OnStep = Callable[[int, int, float | None], None]


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    import orjson

    options = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    sys.stdout.write(orjson.dumps(value, option=options, default=str).decode() + "\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "") -> None:
    """A table on standard output; numbers to the right, floats with four digits."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", title_style="bold", header_style="bold", box=None)
    for index, column in enumerate(columns):
        numeric = any(isinstance(row[index], int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    width = None if sys.stdout.isatty() else WIDTH
    Console(width=width, soft_wrap=False, highlight=False).print(table)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def quiet_logs(secrets: Iterable[str] = ()) -> None:
    """Log only warnings and errors, without ``secrets``: the command line says itself what it does."""
    from foretaste.logs import configure_logs

    configure_logs(level="warning", secrets=secrets)


def note(text: str = "", *, quiet: bool = False) -> None:
    """A line for the person at the keyboard, on standard error."""
    if not quiet:
        print(text, file=sys.stderr, flush=True)


def _silent(_done: int, _total: int, _loss: float | None = None) -> None:
    """No progress bar."""


@contextmanager
def progress(text: str, *, quiet: bool = False) -> Iterator[OnStep]:
    """A progress bar on standard error, or nothing when that is no terminal; yields ``step(done, total, loss)``."""
    if quiet or not sys.stderr.isatty():
        yield _silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[loss]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text, total=None, loss="")

        def step(done: int, total: int, loss: float | None = None) -> None:
            bar.update(task, completed=done, total=total, loss="" if loss is None else f"loss {loss:.5g}")

        yield step


def parse_parameters(pairs: Sequence[str]) -> dict[str, Any]:
    """``name=value`` words as a dictionary; values are JSON where they can be, else text.

    >>> parse_parameters(["n_factors=64", "values=binary"])
    {'n_factors': 64, 'values': 'binary'}

    Raises:
        ConfigurationError: a word without ``=``.
    """
    from foretaste.errors import ConfigurationError

    parameters: dict[str, Any] = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not separator or not name:
            raise ConfigurationError(f"{pair!r} is not name=value", hint="for example: -p n_factors=64")
        try:
            parameters[name.strip()] = json.loads(text)
        except ValueError:
            parameters[name.strip()] = text
    return parameters


def print_error(error: Exception, *, as_json: bool = False) -> int:
    """Show an error in one line with its hint; returns the exit code."""
    shown = _as_known(error)
    if as_json:
        body: Mapping[str, object] = {"code": shown.code, "message": shown.message, "hint": shown.hint}
        print_json({"error": {**body, "details": shown.details}})
    print(f"foretaste: {shown.message}", file=sys.stderr)
    if shown.hint:
        print(f"  hint: {shown.hint}", file=sys.stderr)
    return shown.exit_code


def _as_known(error: Exception) -> ForetasteError:
    """The error itself when it is ours, else one that names what happened and how to see more."""
    if isinstance(error, ForetasteError):
        return error
    text = " ".join(str(error).split())[:300] or "no message"
    return ForetasteError(f"unexpected {type(error).__name__}: {text}", hint="run it again with --debug for the trace")
