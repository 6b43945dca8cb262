"""The service under load, server and load generator on separate cores, on the loopback device.

Each file here (without a leading underscore) has ``run(*, data, quick)``, which yields rows made by
:func:`serving_row`; its name is the name of the benchmark. A new one needs four parts:

* :func:`benchmarks.serving._shop.home_of` gives settings over a trained home with made-up users, items and events;
* :func:`benchmarks.serving._servers.pinned_server` runs a real server on the cores that :func:`.core_plan` gives it;
* :func:`benchmarks.serving._load.drive` (or ``wrk``) sends requests from the other core and gives a ``Load``: rate,
  percentiles, errors, share of its core that the generator used;
* :func:`serving_row` makes the row, with the processor time that the server used.

A row has ``benchmark`` («serving»), ``name``, ``case`` and, where it applies, ``requests_per_s``, ``p50_ms``,
``p95_ms``, ``p99_ms``, ``hit_rate``, ``events_per_s``, ``server_cpu_s_per_1000`` (processor seconds of the server for
a thousand requests: what stays comparable where cores are too few), ``errors``, ``peer``, ``peer_name`` and ``ratio``
(ours to the peer's, above 1: we are better).
"""

import sys
import traceback
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

from benchmarks.rows import Row, rounded, versions
from benchmarks.serving._load import Load
from foretaste.errors import UnknownNameError

PACKAGES = ("granian", "fastapi", "orjson", "msgspec")


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
            raise UnknownNameError(f"there is no serving benchmark {name!r}", hint=f"valid ones: {', '.join(valid)}")
    for name in chosen or valid:
        try:
            yield from import_module(f"benchmarks.serving.{name}").run(data=data, quick=quick)
        except Exception as exc:  # noqa: BLE001 - the others go on
            traceback.print_exc(file=sys.stderr)
            yield {"benchmark": "serving", "name": name, "error": f"{type(exc).__name__}: {exc}"}


def serving_row(
    name: str,
    case: str,
    load: Load | None = None,
    *,
    peer: Load | float | None = None,
    peer_name: str = "",
    packages: Sequence[str] = (),
    **extra: object,
) -> Row:
    """A row from what a load generator saw.

    ``extra`` (``hit_rate``, ``events_per_s`` …) is added as it is, and wins over what ``load`` says; None is left out.
    ``peer`` is the peer's requests per second, or its load; ``packages`` are its distributions, for ``versions``.
    """
    row: Row = {"benchmark": "serving", "name": name, "case": case}
    if load is not None:
        row |= figures(load)
    row |= {key: rounded(value) if isinstance(value, float) else value for key, value in extra.items()}
    if isinstance(peer, Load):
        row["peer_p99_ms"] = rounded(peer.p99_ms)
        row["peer_server_cpu_s_per_1000"] = rounded(peer.server_cpu_s_per_1000)
    rate = peer.requests_per_s if isinstance(peer, Load) else peer
    own = row.get("events_per_s", row.get("requests_per_s"))
    if rate is not None and isinstance(own, float):
        row |= {"peer": rounded(rate), "peer_name": peer_name, "ratio": rounded(own / rate)}
    row["versions"] = versions(*PACKAGES, *packages)
    return {key: value for key, value in row.items() if value is not None}


def figures(load: Load) -> Row:
    """What a load says, as fields of a row."""
    return {
        "requests_per_s": rounded(load.requests_per_s),
        "p50_ms": rounded(load.p50_ms),
        "p95_ms": rounded(load.p95_ms),
        "p99_ms": rounded(load.p99_ms),
        "errors": load.errors,
        "server_cpu_s_per_1000": rounded(load.server_cpu_s_per_1000),
        "generator": load.generator,
        "generator_busy": rounded(load.generator_busy, 2),
    }
