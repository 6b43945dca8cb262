"""Fifty rules over 100 k items: made ready, and decided for one user and for batches, beside a loop over the items.

The rules read attributes of items, users, context and time. Users come from eight countries, four ages and two devices,
and every one has bought other items, so some of a decision is shared and some is not. *First* decisions are those of
users of whose kind nobody was before; *later* ones find what is shared. The peer is the same rules as Python functions,
one item at a time, as one would write them; the same process and core, and both say the same of every item.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rows import Row
from benchmarks.serving import serving_row
from foretaste.data import Query, Vocabulary
from foretaste.events import Event
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.rules import CompiledRules, RuleSet
from foretaste.storage.records import Record

NOW = 1_780_000_000.0
DAY_S = 86_400.0
BATCH = 64
COUNTRIES = ("AT", "CH", "CZ", "DE", "DK", "FR", "IT", "PL")
Attributes = dict[str, Any]
Judge = Callable[[Attributes, Attributes, Attributes], Any]
"""What a Python function says of an item, a user and a context."""


@dataclass(frozen=True)
class Somebody:
    attributes: Attributes
    events: tuple[Event, ...]


def run(*, data: Path | None, quick: bool) -> Iterator[Row]:
    """Rows for making ready, for one user and for batches; needs no data."""
    n_items, n_users = (5_000, 128) if quick else (100_000, 640)
    items, (rules, denies, boosts) = items_of(n_items), rules_of()
    records = [Record(f"p-{n}", item, True, 0.0, 0.0, n + 1) for n, item in enumerate(items)]
    catalogue = Catalogue(Vocabulary([record.record_id for record in records])).changed(records)
    users, queries = askers(n_users, n_items)
    case = f"{len(rules)} rules, {n_items:,} items"
    compile_s = [_seconds(lambda: CompiledRules(RuleSet.parse(rules), catalogue)) for _ in range(5)]
    compiled = CompiledRules(RuleSet.parse(rules), catalogue)
    first, later = [], []
    kinds = set()
    for user, query in zip(users, queries, strict=True):
        kind = (*(str(user.attributes[name]) for name in ("country", "age")), query.context["device"])
        (later if kind in kinds else first).append(_decide_s(compiled, [query], [user]))
        kinds.add(kind)
    peer_s = []
    for user, query in zip(users[:4], queries, strict=False):
        start = time.perf_counter()
        allowed, factors = by_loop(items, user, query.context, denies, boosts)
        peer_s.append(time.perf_counter() - start)
        _check_same(compiled, query, user, allowed, factors)
    batches = [slice(start, start + BATCH) for start in range(0, n_users, BATCH)]
    batch_s = np.array([_decide_s(compiled, queries[b], users[b]) for b in batches]) / BATCH
    peer = 1.0 / float(np.median(peer_s))
    yield _row(f"made ready, {case}", compile_s)
    yield _row(f"one user a call, first of a kind, {case}", first, peer)
    yield _row(f"one user a call, later ones, {case}", later, peer)
    yield _row(f"{BATCH} users a call, each, {case}", batch_s, peer)


def _row(case: str, seconds: Sequence[float], peer: float | None = None) -> Row:
    p50, p95, p99 = (float(1e3 * np.percentile(seconds, q)) for q in (50, 95, 99))
    rate = float(len(seconds) / np.sum(seconds))
    return serving_row(
        "rules", case, peer=peer, peer_name="a Python loop over the items",
        requests_per_s=rate, p50_ms=p50, p95_ms=p95, p99_ms=p99,
    )  # fmt: skip


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _decide_s(compiled: CompiledRules, queries: Sequence[Query], users: Sequence[Somebody]) -> float:
    return _seconds(lambda: compiled.decide(queries, users, now=NOW))


def items_of(n: int) -> list[Attributes]:
    """Items with everything that the rules read."""
    rng = np.random.default_rng(11)
    price, margin, stock = np.round(rng.gamma(2.0, 30.0, n), 2), rng.random(n), rng.integers(0, 50, n)
    return [
        {
            "price": float(price[i]),
            "margin": float(margin[i]),
            "stock": int(stock[i]),
            "category": f"c{i % 50}",
            "seller": f"s{i % 997}",
            "tags": [f"t{i % 7}", f"t{i % 11}"],
            "created_at": NOW - DAY_S * (i % 400),
            "age_rating": 18 if i % 40 == 0 else 6,
            "region": COUNTRIES[i % len(COUNTRIES)],
        }
        for i in range(n)
    ]


def askers(n: int, n_items: int) -> tuple[list[Somebody], list[Query]]:
    """Users with their purchases, and what they ask."""
    rng = np.random.default_rng(12)
    users, queries = [], []
    for i in range(n):
        attributes = {"country": COUNTRIES[i % 8], "age": 12 + 6 * (i // 8 % 4), "likes": [f"t{i % 2}"]}
        bought = [f"p-{row}" for row in rng.integers(0, n_items, 20)]
        events = tuple(
            Event(event_id=f"e{i}-{m}", user_id=f"u{i}", item_id=item, type="purchase", timestamp=NOW - DAY_S)
            for m, item in enumerate(bought)
        )
        users.append(Somebody(attributes, events))
        queries.append(Query(user_id=f"u{i}", context={"device": ("app", "web")[i // 32 % 2]}))
    return users, queries


def rules_of() -> tuple[list[Attributes], list[Judge], list[Judge]]:
    """The rules, and the same as Python functions: what is denied, and factors."""
    rules: list[Attributes] = []
    denies: list[Judge] = []
    boosts: list[Judge] = []

    def deny(text: str, judge: Judge) -> None:
        rules.append({"kind": "filter", "name": text, "deny": text})
        denies.append(judge)

    def boost(where: str, factor: float, judge: Judge) -> None:
        rules.append({"kind": "boost", "name": where, "where": where, "factor": factor})
        boosts.append(lambda i, u, c: factor if judge(i, u, c) else 1.0)

    for n in range(8):
        deny(f"item.category == 'c{n}' and item.price > {80 + n}",
             lambda i, u, c, n=n: i["category"] == f"c{n}" and i["price"] > 80 + n)  # fmt: skip
        boost(f"item.category == 'c{10 + n}'", 1.1, lambda i, u, c, n=n: i["category"] == f"c{10 + n}")
    for n in range(4):
        sellers = [f"s{10 * n + m}" for m in range(10)]
        deny(f"item.seller in {sellers}", lambda i, u, c, s=frozenset(sellers): i["seller"] in s)
        boost(f"item.seller in {[f's{500 + 10 * n + m}' for m in range(10)]}", 1.2,
              lambda i, u, c, s=frozenset(f"s{500 + 10 * n + m}" for m in range(10)): i["seller"] in s)  # fmt: skip
    for country in COUNTRIES[:4]:
        deny(f"user.country == '{country}' and item.region == 'PL' and item.price > 20",
             lambda i, u, c, n=country: u["country"] == n and i["region"] == "PL" and i["price"] > 20)  # fmt: skip
        boost(f"user.country == '{country}' and item.region == '{country}'", 1.3,
              lambda i, u, c, n=country: u["country"] == n and i["region"] == n)  # fmt: skip
    deny("context.device == 'app' and item.price > 300", lambda i, u, c: c["device"] == "app" and i["price"] > 300)
    deny("item.margin < 0.02 or item.price < 2", lambda i, u, c: i["margin"] < 0.02 or i["price"] < 2)
    boost("age_days(item.created_at) < 14", 1.3, lambda i, u, c: (NOW - NOW % 60 - i["created_at"]) / DAY_S < 14)
    boost("overlaps(item.tags, user.likes)", 1.5, lambda i, u, c: not set(u["likes"]).isdisjoint(i["tags"]))
    rules.append({"kind": "boost", "name": "margin", "factor": "1 + 0.5 * item.margin"})
    boosts.append(lambda i, u, c: 1 + 0.5 * i["margin"])
    denies += [lambda i, u, c: i["stock"] <= 0, lambda i, u, c: i["age_rating"] > u["age"]]
    rules += [{"kind": "stock", "name": "stock"}, {"kind": "age_rating", "name": "age"}]
    rules += [{"kind": "cap", "name": f"cap {name}", "attribute": name, "most": 3} for name in ("seller", "category")]
    rules += [{"kind": "pin", "name": f"pin {n}", "item": f"p-{n}", "place": n + 1} for n in range(3)]
    rules.append({"kind": "bought", "name": "had", "hide": "always"})
    dated = {"valid_from": NOW - DAY_S, "valid_until": NOW + DAY_S}
    rules += [{"kind": "hide", "name": f"hide {n}", "items": [f"p-{100 + n}"], **dated} for n in range(4)]
    return rules, denies, boosts


def by_loop(
    items: Sequence[Attributes], user: Somebody, context: Attributes, denies: Sequence[Judge], boosts: Sequence[Judge]
) -> tuple[list[bool], list[float]]:
    """What the rules say of each item, one after the other: whether it may be shown, and its factor."""
    hidden = {int(event.item_id[2:]) for event in user.events} | {100, 101, 102, 103}
    allowed, factors, attributes = [], [], user.attributes
    for row, item in enumerate(items):
        if row in hidden or any(deny(item, attributes, context) for deny in denies):
            allowed.append(False)
            factors.append(1.0)
            continue
        factor = 1.0
        for boost in boosts:
            factor *= boost(item, attributes, context)
        allowed.append(True)
        factors.append(factor)
    return allowed, factors


def _check_same(
    compiled: CompiledRules, query: Query, user: Somebody, allowed: list[bool], factors: list[float]
) -> None:
    decision = compiled.decide([query], [user], now=NOW)
    own = decision.factors[0]
    assert own is not None
    same = np.array_equal(decision.allowed(0), allowed) and np.allclose(own[allowed], np.array(factors)[allowed])
    if not same:
        raise RuntimeError(f"the loop and the rules differ for {query.user_id}")
