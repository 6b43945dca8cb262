"""What a measurement says: one flat row, the machine it ran on, and how rows become text and files.

A speed row has ``benchmark`` («speed»), ``name``, ``ours``, ``peer``, ``peer_name``, ``ratio`` (above 1: we are
better), ``unit``, ``threads`` and ``versions``; ``case`` tells apart several rows of one name. An accuracy row has
``benchmark`` («accuracy»), ``data``, ``model``, its metrics, ``fit_s``, ``score_s``, ``peak_mb`` and ``protocol``. A
serving row is described in :mod:`benchmarks.serving`. A row with ``error`` failed; one with ``skipped`` was left out on
purpose, and says why.
"""

import json
import math
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

Row = dict[str, object]

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results"
TABLES = FOLDER / "RESULTS.md"
LIBRARIES = ("foretaste", "numpy", "scipy", "numba")
_KEYS = {
    "accuracy": ("data", "task", "model"),
    "speed": ("name", "case"),
    "serving": ("name", "case"),
}
_HIDDEN = ("benchmark", "versions", "machine", "settings")
_TIMES = ("s", "ms", "µs", "us")


def speed_row(
    name: str,
    *,
    ours: float,
    peer: float,
    peer_name: str,
    unit: str,
    packages: Sequence[str] = (),
    threads: int | None = None,
    **extra: object,
) -> Row:
    """A row that compares us with a peer; less is better for a time (s, ms, µs), more for any other unit.

    ``packages`` are the distributions of the peer, for ``versions``; ``extra`` is added as it is (``case`` tells apart
    several rows of one name).
    """
    from foretaste.models.threads import n_threads

    ratio = peer / ours if unit in _TIMES else ours / peer
    return {
        "benchmark": "speed",
        "name": name,
        **extra,
        "ours": rounded(ours),
        "peer": rounded(peer),
        "peer_name": peer_name,
        "ratio": rounded(ratio),
        "unit": unit,
        "threads": threads if threads is not None else n_threads(),
        "versions": versions(*packages),
    }


def rounded(value: float, digits: int = 4) -> float:
    """``value`` with ``digits`` significant digits, as JSON can hold it."""
    return float(f"{value:.{digits}g}")


def versions(*packages: str) -> dict[str, str]:
    """Installed versions of Python, of the libraries that we stand on, and of ``packages``."""
    found = {"python": platform.python_version()}
    for package in (*LIBRARIES, *packages):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def machine() -> dict[str, str]:
    """The machine in general words: processor, cores, threads in use, and the BLAS kernel that was chosen."""
    import numpy as np
    from threadpoolctl import threadpool_info

    from foretaste.models.threads import n_threads

    np.ones((2, 2)) @ np.ones((2, 2))  # loads BLAS
    blas = {
        f"{pool['internal_api']} {pool.get('architecture', '')}".strip()
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    }
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "threads": str(n_threads()),
        "blas": ", ".join(sorted(blas)) or "unknown",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def machine_line() -> str:
    """:func:`machine` and :func:`versions` in one readable line."""
    facts = " · ".join(f"{name} {value}" for name, value in machine().items())
    return f"{facts} · " + " · ".join(f"{name} {value}" for name, value in versions().items())


def as_json(row: Mapping[str, object]) -> str:
    """One line of JSON; a number that is not finite becomes null."""
    return json.dumps({key: _finite(value) for key, value in row.items()}, ensure_ascii=False)


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def columns_of(rows: Iterable[Mapping[str, object]]) -> list[str]:
    """The columns to show, in the order in which they first occur."""
    return list(dict.fromkeys(key for row in rows for key in row if key not in _HIDDEN))


def cell(value: object) -> str:
    """A value as a table shows it."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 1 else f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    return str(value).replace("|", "/")


def print_table(rows: Sequence[Mapping[str, object]]) -> None:
    """Print rows as a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=True, header_style="bold")
    columns = columns_of(rows)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(cell(row.get(column)) for column in columns))
    console = Console()
    console.print(table)
    console.print(machine_line(), style="dim", highlight=False)


def save(group: str, rows: Sequence[Row]) -> None:
    """Merge ``rows`` into ``results/GROUP.json`` (a row replaces the one it measures again) and rewrite its table."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{group}.json"
    kept: dict[tuple[object, ...], Row] = {}
    old = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    here = machine()
    for row in [*old, *({**row, "machine": here} for row in rows)]:
        kept[tuple(row.get(key) for key in _KEYS[group])] = {key: _finite(value) for key, value in row.items()}
    everything = list(kept.values())
    path.write_text(json.dumps(everything, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    text = TABLES.read_text(encoding="utf-8") if TABLES.is_file() else "# Results\n"
    TABLES.write_text(put_between(text, group, markdown(everything)), encoding="utf-8")


def markdown(rows: Sequence[Mapping[str, object]]) -> str:
    """A markdown table for each benchmark or data set and task, and what machine and versions made its rows."""
    groups: dict[str, list[Mapping[str, object]]] = {}
    for row in rows:
        title = " · ".join(str(row[key]) for key in ("name", "data", "task") if key in row)
        groups.setdefault(title, []).append(row)
    parts = []
    for title, own in groups.items():
        columns = [column for column in columns_of(own) if column not in {"name", "data", "task"}]
        lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
        lines += ["| " + " | ".join(cell(row.get(column)) for column in columns) + " |" for row in own]
        sources = dict.fromkeys(_source(row) for row in own)
        parts.append("\n".join([f"### {title}", "", *lines, "", *(f"Measured on {source}." for source in sources)]))
    return "\n\n".join(parts)


def _source(row: Mapping[str, object]) -> str:
    parts: list[str] = []
    for field in ("machine", "versions"):
        facts = row.get(field)
        parts += [f"{name} {value}" for name, value in facts.items()] if isinstance(facts, Mapping) else []
    return ", ".join(parts)


def put_between(text: str, group: str, table: str) -> str:
    """``text`` with what stands between the markers of ``group`` replaced; markers that are missing are appended."""
    begin, end = f"<!-- {group}: begin -->", f"<!-- {group}: end -->"
    if begin not in text or end not in text:
        text = f"{text.rstrip()}\n\n## {group.capitalize()}\n\n{begin}\n{end}\n"
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}"
