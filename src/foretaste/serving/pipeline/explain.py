"""Explanation: each item's reason from the source that gave it."""

from collections.abc import Sequence

from foretaste.data import Query, Reason, RecLists
from foretaste.logs import get_logger
from foretaste.serving.pipeline.parts import Explaining
from foretaste.serving.pipeline.sources import Sources

log = get_logger(__name__)


def explain(lists: RecLists, queries: Sequence[Query], sources: Sources) -> RecLists:
    """The lists with a reason for each item, None where the source cannot say."""
    return lists.with_reasons([_one(lists, b, query, sources) for b, query in enumerate(queries)])


def _one(lists: RecLists, b: int, query: Query, sources: Sources) -> tuple[Reason | None, ...]:
    one = lists[b]
    reasons: list[Reason | None] = [None] * len(one)
    for name in dict.fromkeys(one.sources):
        places = [p for p, source in enumerate(one.sources) if source == name]
        found = _reasons(name, query, [one.item_ids[p] for p in places], sources)
        for place, reason in zip(places, found, strict=True):
            reasons[place] = reason
    return tuple(reasons)


def _reasons(name: str, query: Query, item_ids: list[str], sources: Sources) -> Sequence[Reason | None]:
    source = sources.named(name)
    try:
        return source.explain(query, item_ids) if isinstance(source, Explaining) else [None] * len(item_ids)
    except Exception as exc:  # noqa: BLE001 - a list without reasons is better than none; it is logged
        error = f"{type(exc).__name__}: {exc}"
        log.warning("explanation_failed", source=name, version=sources.bundle.version, error=error)
        return [None] * len(item_ids)
