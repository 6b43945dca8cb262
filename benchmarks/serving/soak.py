"""Mixed traffic for a long time: the server's memory must stay flat.

Twenty minutes by default; ``python -m benchmarks.serving.soak --seconds 300`` for another length. Every minute a new
version goes live, so that what a swap leaves behind would show. The slope is a least-squares line through the resident
memory after the first fifth (warm-up: caches fill), in MB per hour; its interval comes from the residuals of ten equal
parts' means, which are nearly independent (a t interval with 8 degrees of freedom).
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import psutil

from benchmarks.rows import Row, print_table, rounded
from benchmarks.serving import serving_row
from benchmarks.serving._servers import core_plan, pinned_server
from benchmarks.serving._shop import home_of, user_ids
from benchmarks.serving._traffic import lost_events, traffic
from benchmarks.serving._versions import tell, train_version

SECONDS = 1200.0
SAMPLE_S = 1.0
SWAP_S = 60.0
PARTS = 10
T_975 = 2.306
"""97.5 % point of Student's t with eight degrees of freedom."""


def run(*, data: Path | None, quick: bool, seconds: float = SECONDS) -> Iterator[Row]:
    """One row; needs no data."""
    length = 20.0 if quick else seconds
    with tempfile.TemporaryDirectory(prefix="foretaste-soak-") as folder:
        made = home_of(n_users=2_000, n_items=2_000)
        home = shutil.copytree(made.foretaste_home, Path(folder, "home"))
        settings = made.model_copy(update={"foretaste_home": home, "log_level": "error"})
        versions = [train_version(settings, name) for name in ("blue", "green")]
        with pinned_server(settings, core_plan(1)) as server:
            process = psutil.Process(server.pid)
            with traffic(server.url, user_ids(2_000), rate=200.0) as account:
                samples, swaps = _watch(process, server.url, versions, length)
        lost = lost_events(home / "foretaste.db", account.acknowledged)
    slope, low, high = slope_of(samples)
    _, p95, p99 = account.quantiles_ms("list")
    row = serving_row(
        "soak",
        f"{length:.0f} s, {len(account.answers) / length:.0f} requests/s, {swaps} swaps",
        requests=len(account.answers),
        errors=len(account.wrong("list")) + len(account.wrong("events")) + account.asked_again(),
        p95_ms=p95,
        p99_ms=p99,
        rss_start_mb=samples[len(samples) // 5][1],
        rss_end_mb=samples[-1][1],
        rss_slope_mb_per_h=slope,
        rss_slope_low=low,
        rss_slope_high=high,
        lost_events=lost,
    )
    row["valid_lists"] = rounded(account.valid_share(), 6)
    yield row


def _watch(
    process: psutil.Process, url: str, versions: Sequence[str], length: float
) -> tuple[list[tuple[float, float]], int]:
    """(seconds, resident MB) once a second, with a swap every minute."""
    start, swaps = time.monotonic(), 0
    samples: list[tuple[float, float]] = []
    while (now := time.monotonic() - start) < length:
        samples.append((now, process.memory_info().rss / 1e6))
        if now >= (swaps + 1) * SWAP_S:
            tell(url, f"/api/v1/models/{versions[swaps % 2]}/promote")
            swaps += 1
        time.sleep(SAMPLE_S)
    return samples, swaps


def slope_of(samples: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """MB per hour after the first fifth, and its 95 % interval."""
    kept = np.array(samples[len(samples) // 5 :])
    parts = np.array([part.mean(axis=0) for part in np.array_split(kept, PARTS)])
    x, y = parts[:, 0] / 3600.0, parts[:, 1]
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    residuals = y - y.mean() - slope * centred
    error = float(np.sqrt(residuals @ residuals / (PARTS - 2) / (centred @ centred)))
    return slope, slope - T_975 * error, slope + T_975 * error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it for a chosen time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    options = parser.parse_args(arguments)
    print_table(list(run(data=None, quick=False, seconds=options.seconds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
