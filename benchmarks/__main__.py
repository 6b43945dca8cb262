"""``python -m benchmarks GROUP [NAME…]``: the one way to run any measurement."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from foretaste.errors import ConfigurationError, ForetasteError, UnknownNameError

GROUPS = ("accuracy", "speed", "serving")
_PROLOG = "A row with an error makes the exit code 1; a wrong name or option makes it 2."


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, epilog=_PROLOG)
    made.add_argument("group", metavar="GROUP", help=f"one of: {', '.join(GROUPS)}")
    made.add_argument(
        "names", nargs="*", metavar="NAME", help="data sets (accuracy) or benchmarks (speed, serving); default all"
    )
    made.add_argument("--data", type=Path, metavar="DIR", help="folder of public data sets")
    made.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="only this: DATA/MODEL (accuracy), or a benchmark like NAME (speed, serving); repeatable",
    )
    made.add_argument("--json", action="store_true", help="a line of JSON for each result, as soon as it is there")
    made.add_argument("--quick", action="store_true", help="smaller work, to see that all runs; never saved")
    made.add_argument("--tune", action="store_true", help="accuracy: search for the settings anew and print them")
    made.add_argument("--save", action="store_true", help="write results/GROUP.json and the table in RESULTS.md")
    return made


def rows_of(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    """The rows that were asked for, one after the other.

    Raises:
        UnknownNameError, ConfigurationError.
    """
    if options.group not in GROUPS:
        raise UnknownNameError(f"there is no group {options.group!r}", hint=f"valid ones: {', '.join(GROUPS)}")
    if options.save and options.quick:
        raise ConfigurationError("--quick and --save do not go together", hint="save a full run")
    if options.data is not None and not options.data.is_dir():
        raise ConfigurationError(f"--data {options.data} is not a folder")
    if options.tune and (options.group != "accuracy" or options.save):
        raise ConfigurationError("--tune is for accuracy and saves nothing", hint="put what it finds into settings/")
    if options.tune:
        from benchmarks.accuracy import tuning

        yield from tuning.run(options.names, data=options.data, only=options.only, quick=options.quick)
    elif options.group == "accuracy":
        from benchmarks import accuracy

        yield from accuracy.run(options.names, data=options.data, only=options.only, quick=options.quick)
    elif options.group == "speed":
        from benchmarks import speed

        yield from speed.run([*options.names, *options.only], data=options.data, quick=options.quick)
    else:
        from benchmarks import serving

        yield from serving.run([*options.names, *options.only], data=options.data, quick=options.quick)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, perhaps save; the exit code."""
    # This variable makes OpenBLAS use the kernels of an old processor, which halves every product. It must go before
    # NumPy is loaded; child processes inherit the change.
    os.environ.pop("OPENBLAS_CORETYPE", None)
    options = parser().parse_intermixed_args(arguments)
    from benchmarks import rows as output

    found: list[dict[str, object]] = []
    try:
        for row in rows_of(options):
            found.append(row)
            if options.json:
                print(output.as_json(row), flush=True)
        if options.save:
            output.save(options.group, [row for row in found if "error" not in row])
    except ForetasteError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return exc.exit_code
    if not options.json:
        output.print_table(found)
    return int(any("error" in row for row in found))


if __name__ == "__main__":
    sys.exit(main())
