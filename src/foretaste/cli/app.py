"""The ``foretaste`` command: its verbs, and how errors are shown."""

import sys
from collections.abc import Sequence

import typer

from foretaste import __version__
from foretaste.cli import audit, data, demo, evaluate, ingest, keys, models, recommend, rules, serve, train, tune
from foretaste.cli.output import print_error

INTERRUPTED = 130

app = typer.Typer(
    name="foretaste",
    help="Recommender system: learn from what people do, evaluate honestly, serve in real time.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: foretaste demo",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"foretaste {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
    ),
    debug: bool = typer.Option(False, "--debug", help="Show the whole trace of an error (may stand anywhere)."),
) -> None:
    """Options of all verbs."""


app.command()(demo.demo)
app.add_typer(data.app, name="data")
app.command()(train.train)
app.command()(evaluate.evaluate)
app.command()(tune.tune)
app.command()(recommend.recommend)
app.command()(serve.serve)
app.command()(ingest.ingest)
app.add_typer(models.app, name="models")
app.add_typer(keys.app, name="keys")
app.command()(audit.audit)
app.add_typer(rules.app, name="rules")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error becomes one readable line with a hint, and an exit code of its kind."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    words = [word for word in given if word != "--debug"]
    try:
        app(words, prog_name="foretaste")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as exc:
        if debug:
            raise
        sys.exit(print_error(exc, as_json="--json" in words))
