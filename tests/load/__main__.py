"""``python -m tests.load [URL]``: every load script that can run here against a running server, and one table.

Without a URL a server over made-up data is started. The exit code is 1 when a request failed.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
N_USERS = N_ITEMS = 2_000
MOST_IDS = 10_000
_GRACE_S = 60


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the scripts and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("url", nargs="?", help="address of the server, such as http://127.0.0.1:8000")
    parser.add_argument("--seconds", type=int, default=10, help="length of each script")
    parser.add_argument("--users", type=int, default=32, help="connections, or locust's users")
    parser.add_argument("--workers", type=int, default=1, help="processes of a server that is started here")
    parser.add_argument("--user-ids", type=Path, help="file with a user id a line; by default the server is asked")
    parser.add_argument("--key", default=os.environ.get("LOAD_KEY", ""), help="API key with the scope admin")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each script")
    options = parser.parse_args(arguments)
    try:
        with _served(options) as (url, folder):
            rows = list(run(url, folder, options.seconds, options.users, options.key))
    except (OSError, ValueError) as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 2
    for row in rows if options.json else ():
        print(json.dumps(row))
    if not options.json:
        print_table(rows)
    return int(any(row["errors"] for row in rows if "errors" in row))


@contextmanager
def _served(options: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    """The address of the server, and a folder with ``users.txt`` and ``items.txt``."""
    with tempfile.TemporaryDirectory(prefix="foretaste-load-") as name:
        folder = Path(name)
        if options.url:
            url = options.url.rstrip("/")
            given = options.user_ids
            users = given.read_text(encoding="utf-8").splitlines() if given else ids_of(url, "user", options.key)
            _write(folder, users, ids_of(url, "item", options.key))
            yield url, folder
            return
        from benchmarks.serving._servers import core_plan, pinned_server
        from benchmarks.serving._shop import home_of, user_ids

        _write(folder, user_ids(N_USERS), [f"p-{n:06}" for n in range(N_ITEMS)])
        with pinned_server(home_of(N_USERS, N_ITEMS, workers=options.workers), core_plan(options.workers)) as server:
            yield server.url, folder


def ids_of(url: str, kind: str, key: str) -> list[str]:
    """Ids of the users or items that the server lists, at most ``MOST_IDS``.

    Raises:
        ValueError: it lists none.
        OSError: it does not answer, or refuses.
    """
    found: list[str] = []
    cursor = ""
    while len(found) < MOST_IDS:
        request = urllib.request.Request(f"{url}/api/v1/{kind}s?limit=1000{cursor}")
        if key:
            request.add_header("Authorization", f"Bearer {key}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                page = json.load(answer)
        except urllib.error.HTTPError as exc:
            raise OSError(f"{request.full_url} answered {exc.code}: {exc.read(300).decode(errors='replace')}") from exc
        found += [record["id"] for record in page["records"]]
        if not page["next_cursor"]:
            break
        cursor = f"&cursor={urllib.request.quote(page['next_cursor'], safe='')}"
    if not found:
        raise ValueError(f"{url} lists no {kind}s" + ("; give --user-ids FILE" if kind == "user" else ""))
    return found


def _write(folder: Path, users: Sequence[str], items: Sequence[str]) -> None:
    for name, ids in (("users.txt", users), ("items.txt", items)):
        (folder / name).write_text("".join(f"{one}\n" for one in ids), encoding="utf-8")


def run(url: str, folder: Path, seconds: int, users: int, key: str) -> Iterator[dict[str, Any]]:
    """A row for each script, with the reason where one cannot run."""
    environment = {
        **os.environ,
        "LOAD_KEY": key,
        "LOAD_USERS": str(folder / "users.txt"),
        "LOAD_ITEMS": str(folder / "items.txt"),
    }
    for name in ("cached.lua", "mixed.lua"):
        row: dict[str, Any] = {"tool": "wrk", "script": name, "users": users}
        has_tool = shutil.which("wrk") is not None
        yield row | (_wrk(url, name, seconds, users, environment) if has_tool else {"skipped": "wrk is not installed"})
    row = {"tool": "locust", "script": "locustfile.py", "users": users}
    command = locust_command()
    hint = {"skipped": "locust is not installed: pip install 'foretaste[load]'"}
    yield row | (_locust(command, url, seconds, users, environment) if command else hint)


def _wrk(url: str, script: str, seconds: int, users: int, environment: dict[str, str]) -> dict[str, Any]:
    command = ["wrk", "-t1", f"-c{users}", f"-d{seconds}s", "-s", str(HERE / script), url]
    command += ["--", environment["LOAD_USERS"], environment["LOAD_ITEMS"]]
    done = _run(command, seconds, environment)
    found = json.loads(done.rpartition("RESULT ")[2].splitlines()[0])
    return {"requests_per_s": round(found.pop("requests") / found.pop("seconds"), 1), **found}


def locust_command() -> list[str]:
    """How locust is started here; empty where there is none."""
    if find_spec("locust") is not None:
        return [sys.executable, "-m", "locust"]
    found = shutil.which("locust")  # an environment of its own
    return [found] if found else []


def _locust(command: Sequence[str], url: str, seconds: int, users: int, environment: dict[str, str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        options = ["-f", str(HERE / "locustfile.py"), "--headless", "--only-summary", "--host", url]
        options += ["--users", str(users), "--spawn-rate", str(users), "--run-time", f"{seconds}s"]
        options += ["--csv", str(Path(folder, "load")), "--exit-code-on-error", "0"]
        _run([*command, *options], seconds, environment)
        with Path(folder, "load_stats.csv").open(encoding="utf-8") as file:
            total = next(row for row in csv.DictReader(file) if row["Name"] == "Aggregated")
    return {
        "requests_per_s": round(float(total["Requests/s"]), 1),
        "errors": int(total["Failure Count"]),
        **{f"p{q}_ms": float(total[f"{q}%"]) for q in (50, 95, 99)},
    }


def _run(command: Sequence[str], seconds: int, environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=seconds + _GRACE_S, env=environment
    )
    if done.returncode:
        raise OSError(f"{Path(command[0]).name} ended with {done.returncode}: {done.stderr[-500:]}")
    return done.stdout


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """All scripts in one table."""
    from rich.console import Console
    from rich.table import Table

    columns = ("tool", "script", "users", "requests_per_s", "p50_ms", "p95_ms", "p99_ms", "errors", "skipped")
    table = Table(*(name for name in columns if any(name in row for row in rows)))
    for row in rows:
        table.add_row(*(str(row.get(column.header, "")) for column in table.columns))
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
