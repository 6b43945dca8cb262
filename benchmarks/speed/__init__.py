"""Speed beside a peer: each file here has ``run(*, data, quick)``, which yields rows (see :mod:`benchmarks.rows`).

The name of a benchmark is the name of its file.
"""

import sys
import traceback
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

from benchmarks.rows import Row
from foretaste.errors import UnknownNameError


def names() -> list[str]:
    """The benchmarks there are."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))


def run(chosen: Sequence[str], *, data: Path | None, quick: bool) -> Iterator[Row]:
    """Rows of the chosen benchmarks (all when none is named); one that fails gives a row with ``error``.

    Raises:
        UnknownNameError: a name there is no file for.
    """
    valid = names()
    for name in chosen:
        if name not in valid:
            raise UnknownNameError(f"there is no speed benchmark {name!r}", hint=f"valid ones: {', '.join(valid)}")
    for name in chosen or valid:
        try:
            yield from import_module(f"benchmarks.speed.{name}").run(data=data, quick=quick)
        except Exception as exc:  # noqa: BLE001 - the others go on
            traceback.print_exc(file=sys.stderr)
            yield {"benchmark": "speed", "name": name, "error": f"{type(exc).__name__}: {exc}"}
