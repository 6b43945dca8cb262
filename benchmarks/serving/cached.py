"""Personal lists of ten that were asked for before: the same users again and again.

Two rows for one worker: ``wrk`` for the rate (it leaves the server the most room), our own generator for answers that
are checked against the schema. One for two workers. The peer serves its precomputed lists in the same run.
"""

from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

from benchmarks.rows import Row
from benchmarks.serving import serving_row
from benchmarks.serving._load import Load, drive, has_wrk, http, wrk
from benchmarks.serving._peer import NAME, PACKAGES, peer_server
from benchmarks.serving._servers import Clock, CorePlan, address_of, core_plan, pinned_server
from benchmarks.serving._shop import home_of, user_ids
from foretaste.schemas import Recommendations

K = 10
CONNECTIONS = 32


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """Rows for one worker and for two; needs no data."""
    n_users, seconds = (200, 2) if quick else (1_000, 8)
    settings = home_of(n_users=2_000, n_items=2_000)
    users = user_ids(n_users)
    paths = [f"/api/v1/recommendations/user/{user_id}?limit={K}" for user_id in users]
    plan = core_plan(1)
    with peer_server(plan, users, k=K) as peer:
        theirs = _measure(peer.url, [f"/recommendations/user/{u}?limit={K}" for u in users], plan, peer.clock, seconds)
    with pinned_server(settings, plan) as server:
        clock = Clock(server.pid)
        ours = _measure(server.url, paths, plan, clock, seconds)
        checked = _checked(server.url, paths, clock, seconds)
    case = f"k = {K}, {n_users:,} users, one worker, {CONNECTIONS} connections, {plan.note}"
    yield serving_row("cached", case, ours, peer=theirs, peer_name=NAME, packages=PACKAGES)
    yield serving_row("cached", f"{case}, answers checked", checked)
    plan = core_plan(2)
    with pinned_server(settings.model_copy(update={"workers": 2}), plan) as server:
        two = _measure(server.url, paths, plan, Clock(server.pid), seconds)
    speedup = {} if plan.shared else {"times_one_worker": two.requests_per_s / ours.requests_per_s}
    cost = {"cpu_of_one_worker": ours.server_cpu_s_per_1000 / two.server_cpu_s_per_1000}
    case = f"k = {K}, {n_users:,} users, two workers, {CONNECTIONS} connections, {plan.note}"
    yield serving_row("cached", case, two, **speedup, **cost)


def _measure(url: str, paths: Sequence[str], plan: CorePlan, clock: Clock, seconds: int) -> Load:
    """The load after a warm-up that asks for everything once."""
    requests = [http("GET", path) for path in paths]
    drive(address_of(url), cycle(requests), seconds=max(1.0, seconds / 4), connections=4)
    if has_wrk():
        return wrk(url, paths, seconds=seconds, connections=CONNECTIONS, core=min(plan.load), cpu=clock)
    return drive(address_of(url), cycle(requests), seconds=seconds, connections=CONNECTIONS, cpu=clock)


def _checked(url: str, paths: Sequence[str], clock: Clock, seconds: int) -> Load:
    requests = cycle([http("GET", path) for path in paths])
    return drive(address_of(url), requests, seconds=seconds, connections=CONNECTIONS, check=is_a_list, cpu=clock)


def is_a_list(_status: int, body: bytes) -> str | None:
    """What is wrong with an answer that should be a list of ``K`` valid places."""
    try:
        found = Recommendations.model_validate_json(body, strict=True)
    except ValueError as exc:
        return str(exc)
    ranks = [item.rank for item in found.items]
    return None if ranks == list(range(1, K + 1)) and found.request_id else f"not {K} places: {body[:200]!r}"
