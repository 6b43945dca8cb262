"""A new version goes live while shoppers ask: no failed answer, none that mixes two versions, and hardly a slower one.

The two versions' lists come from models of different names, so that an answer which mixed them would show.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.rows import Row
from benchmarks.serving import serving_row
from benchmarks.serving._servers import core_plan, pinned_server
from benchmarks.serving._shop import home_of, user_ids
from benchmarks.serving._traffic import traffic, until
from benchmarks.serving._versions import tell, train_version

AROUND_S = 1.0
"""«During» is from a promotion to this much after its answer."""


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """A row for one worker and one for two; needs no data."""
    calm_s, swaps = (1.5, 2) if quick else (5.0, 6)
    for workers in (1, 2):
        yield _measured(workers, calm_s, swaps)


def _measured(workers: int, calm_s: float, swaps: int) -> Row:
    with tempfile.TemporaryDirectory(prefix="foretaste-bench-") as folder:
        made = home_of(n_users=2_000, n_items=2_000)
        home = shutil.copytree(made.foretaste_home, Path(folder, "home"))
        settings = made.model_copy(update={"foretaste_home": home, "workers": workers})
        versions = {train_version(settings, name): name for name in ("blue", "green")}
        plan = core_plan(workers)
        with pinned_server(settings, plan) as server:
            tell(server.url, f"/api/v1/models/{next(iter(versions))}/promote")
            time.sleep(1.0)
            windows: list[tuple[float, float]] = []
            with traffic(server.url, user_ids(2_000), rate=300.0) as account:
                time.sleep(calm_s)
                for number in range(1, swaps + 1):
                    version = list(versions)[number % 2]
                    start = time.monotonic()
                    tell(server.url, f"/api/v1/models/{version}/promote")
                    until(lambda v=version: {a.version for a in account.of("list")[-40:]} == {v}, 10.0)  # type: ignore[misc]
                    windows.append((start, time.monotonic() + AROUND_S))
                    time.sleep(calm_s)
    return _row(account, versions, windows, f"{workers} worker{'s'[: workers - 1]}, {swaps} swaps, {plan.note}")


def _row(account, versions, windows, case):  # type: ignore[no-untyped-def]
    lists = account.of("list")
    during = [a for a in lists if any(start <= a.at < end for start, end in windows)]
    calm = [a for a in lists if not any(start <= a.at < end for start, end in windows)]
    mixed = [a for a in lists if a.wrong is None and not a.sources <= {versions.get(a.version), "popular", "catalogue"}]
    p99 = [sorted(a.ms for a in part)[int(len(part) * 0.99)] for part in (calm, during)]
    return serving_row(
        "swap",
        case,
        requests=len(account.answers),
        errors=len(account.wrong("list")) + len(account.wrong("events")) + account.asked_again(),
        mixed=len(mixed),
        p99_ms=p99[1],
        p99_calm_ms=p99[0],
        times_calm=p99[1] / p99[0],
        longest_during_ms=max(a.ms for a in during),
        swap_s=max(end - AROUND_S - start for start, end in windows),
    )
