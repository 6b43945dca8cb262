"""From a question to lists and from lists to an answer: similar items, lists for everybody, titles and reasons."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from foretaste.data import Query, Reason, RecLists
from foretaste.data.weights import NOT_KNOWN, normal_action
from foretaste.errors import InvalidRecordError
from foretaste.events import check_event, check_id
from foretaste.explain import sentence
from foretaste.logs import get_logger
from foretaste.serving.answers import Answer, AnswerItem, ExploredItem, Fallback, Skipped
from foretaste.serving.config import FallbackConfig, Kind, PipelineConfig
from foretaste.serving.live.catalogue import Catalogue
from foretaste.serving.live.models import Live
from foretaste.serving.live.users import EventWeights, History
from foretaste.serving.pipeline import CATALOGUE, Outcome, Pipeline

Mask = npt.NDArray[np.bool_]
MAX_HISTORY = 1000
_KINDS: dict[str, str] = {"popular": "popular", "trending": "trending", "new": "newest"}
log = get_logger(__name__)


def clean_history(history: Sequence[Any], weights: EventWeights) -> History:
    """A history from item ids or objects with ``item_id`` and, where known, ``type``, ``value``, ``timestamp``; what
    somebody does not know is no part of it.

    Raises:
        InvalidRecordError: names the place and what is wrong.
    """
    if len(history) > MAX_HISTORY:
        raise InvalidRecordError(f"the history has {len(history)} entries, at most {MAX_HISTORY} are allowed")
    items, values, times = [], [], []
    actions: dict[str, str] = {}
    for place, entry in enumerate(history):
        try:
            if isinstance(entry, Mapping):
                event = check_event({**entry, "user_id": "anonymous"})
                if event.type == NOT_KNOWN:
                    continue
                items.append(event.item_id)
                values.append(weights.weight(event))
                actions[event.item_id] = normal_action(event.type)
                times.append(event.timestamp if entry.get("timestamp") is not None else np.nan)
            else:
                items.append(check_id(entry, "item_id"))
                values.append(weights.top_rating or 1.0 if weights.is_explicit else 1.0)
                times.append(np.nan)
        except (InvalidRecordError, OverflowError, ValueError) as exc:
            raise InvalidRecordError(f"history[{place}]: {exc}", details={"field": f"history[{place}]"}) from exc
    return History(tuple(items), tuple(values), tuple(times), actions)


def category_mask(catalogue: Catalogue, category: str | None) -> Mask | None:
    """Rows of one category (upper and lower case alike); none for an unknown one; None when nothing was asked."""
    if category is None:
        return None
    mask = catalogue.categories.get(category.strip().lower())
    return mask if mask is not None else np.zeros(len(catalogue.items), dtype=bool)


def list_of_kind(live: Live, kind: Kind, query: Query, category: str | None, explain: bool) -> Outcome:
    """The list that is the same for everybody. ``new`` starts with what came after the training."""
    allowed = category_mask(live.catalogue, category)
    wanted = _models_of_kind(live, kind)
    config = live.pipeline.config.model_copy(update={"sources": (), "scenarios": {}, "fallback": _chain(wanted)})
    pipeline = Pipeline(config, rules=live.pipeline.rules, is_shaped=False)
    outcome = pipeline.run([query], live.bundle, catalogue=live.catalogue, allowed=allowed, explain=explain)
    if kind == "new":
        outcome = _arrivals_first(live, query, outcome, _shown(live, query, allowed))
    served = bool(wanted) or kind == "new"
    failed = tuple(Skipped(name, "error") for name in outcome.failed)
    fallback: Fallback = "none" if served and live.bundle.version is not None else "no_model"
    return replace(outcome, fallbacks=("model_error" if failed else fallback,), skipped=(failed,))


def similar_lists(live: Live, item_id: str, query: Query, explain: bool) -> Outcome:
    """Items like one item from the first model that can say; filled up from its category, then from all."""
    bundle, catalogue, config = live.bundle, live.catalogue, live.pipeline.config
    names = config.similar.models or tuple(bundle.models)
    shown = _shown(live, query, None)
    skipped: list[Skipped] = []
    for name in names:
        model = bundle.models.get(name)
        if model is None or not model.finds_similar_items or item_id not in model.items:
            continue
        try:
            found = model.similar_items([item_id], query.k, allowed=shown[: len(model.items)])
        except Exception as exc:  # noqa: BLE001 - the next model is asked; it is logged and counted
            log.warning("source_failed", source=name, version=bundle.version, error=f"{type(exc).__name__}: {exc}")
            skipped.append(Skipped(name, "error"))
            continue
        if found.lengths[0] > 0:
            return _similar_outcome(live, item_id, query, found, name, skipped, explain)
        skipped.append(Skipped(name, "empty"))
    nothing = RecLists(np.full((1, query.k), -1, np.int32), np.full((1, query.k), np.nan, np.float32), catalogue.items)
    return _similar_outcome(live, item_id, query, nothing, "", skipped, explain)


def answer_of(
    live: Live,
    query: Query,
    outcome: Outcome,
    b: int,
    *,
    store_failed: bool,
    recommendation_id: str,
    actions: Mapping[str, str] | None = None,
) -> Answer:
    """One list of an outcome as an answer, with titles and readable reasons.

    ``actions`` says what the user did with the items of the history.
    """
    one = outcome.lists[b]
    catalogue = live.catalogue
    reasons = one.reasons or (None,) * len(one)
    items = tuple(
        AnswerItem(item_id, _finite(score), rank, catalogue.title(item_id), source, _text(reason, catalogue, actions))
        for rank, (item_id, score, source, reason) in enumerate(
            zip(one.item_ids, one.scores, one.sources, reasons, strict=True), start=1
        )
    )
    explored = outcome.explored[b] if outcome.explored else None
    if explored is not None:
        chance = dict(zip(explored.item_ids, explored.propensities, strict=True))
        items = tuple(_marked(item, chance[item.item_id]) if item.item_id in chance else item for item in items)
    skipped = outcome.skipped[b]
    failed = any(s.why in {"error", "late", "paused"} for s in skipped) or bool(outcome.failed)
    fallback = outcome.fallbacks[b]
    if store_failed and fallback in {"none", "cold_user", "too_few"}:
        fallback = "store_error"
    return Answer(
        items=items,
        user_id=query.user_id,
        scenario=query.scenario,
        model_version=live.bundle.label,
        sources=tuple(dict.fromkeys(one.sources)),
        fallback=fallback,
        fallbacks=skipped,
        degraded=failed or store_failed or fallback == "no_model",
        short_by=query.k - len(one),
        recommendation_id=recommendation_id,
    )


def _marked(item: AnswerItem, propensity: float) -> ExploredItem:
    return ExploredItem(
        item.item_id, item.score, item.rank, item.title, item.source, item.reason, propensity=propensity
    )


def _text(reason: Reason | None, catalogue: Catalogue, actions: Mapping[str, str] | None) -> str | None:
    if reason is None:
        return None
    return sentence(reason, lambda item_id: catalogue.title(item_id) or item_id, actions=actions)


def _finite(score: float) -> float:
    return score if math.isfinite(score) else 0.0


def _shown(live: Live, query: Query, allowed: Mask | None) -> Mask:
    """What the rules let anybody see (I,), within ``allowed``."""
    return live.pipeline.decide([query], live.catalogue, allowed=allowed, now=time.time()).allowed(0)


def _models_of_kind(live: Live, kind: Kind) -> tuple[str, ...]:
    """Names of the bundle's models that make such a list: by their registered kind."""
    return tuple(name for name, model in live.bundle.models.items() if model.name == _KINDS[kind])[:1]


def _chain(names: tuple[str, ...]) -> FallbackConfig:
    return FallbackConfig(chain=names)


def _arrivals_first(live: Live, query: Query, outcome: Outcome, shown: Mask) -> Outcome:
    arrivals = live.catalogue.arrivals[shown[live.catalogue.arrivals]]
    if len(arrivals) == 0:
        return outcome
    lists = outcome.lists
    assert lists.source_codes is not None
    rest = ~np.isin(lists.item_rows[0], arrivals) & (lists.item_rows[0] >= 0)
    names = lists.source_names if CATALOGUE in lists.source_names else (*lists.source_names, CATALOGUE)
    code = names.index(CATALOGUE)
    rows = np.concatenate([arrivals, lists.item_rows[0][rest]])[: query.k]
    scores = np.concatenate([np.zeros(len(arrivals), np.float32), lists.scores[0][rest]])[: query.k]
    codes = np.concatenate([np.full(len(arrivals), code, np.int16), lists.source_codes[0][rest]])[: query.k]
    reasons: tuple[tuple[Reason | None, ...], ...] = ()
    if lists.reasons:
        kept = [lists.reasons[0][place] for place in np.flatnonzero(rest)]
        reasons = (tuple([*(Reason("new") for _ in arrivals), *kept][: query.k]),)
    merged = RecLists(rows[None, :], scores[None, :], lists.items, lists.user_ids, codes[None, :], names, reasons)
    return replace(outcome, lists=merged)


def _similar_outcome(
    live: Live, item_id: str, query: Query, found: RecLists, name: str, skipped: list[Skipped], explain: bool
) -> Outcome:
    """The similar items found, and where they are too few, others: of the same category first."""
    catalogue, chain = live.catalogue, live.pipeline.config.fallback.chain
    n = int(found.lengths[0])
    rows = found.item_rows[0, :n].tolist()
    scores = found.scores[0, :n].tolist()
    codes, names = [0] * n, [name]
    reasons: list[Reason | None] = [Reason("because_items", (item_id,), (1.0,))] * n
    facts = catalogue.facts.get(item_id)
    masks = [category_mask(catalogue, c) for c in (facts.categories if facts else ())[:3]]
    for mask in [*masks, None]:
        if len(rows) >= query.k:
            break
        exclude = query.exclude | set(catalogue.items.ids_of(rows)) if rows else query.exclude
        config = PipelineConfig(models=live.pipeline.config.models, fallback=FallbackConfig(chain=chain))
        rest = Pipeline(config, rules=live.pipeline.rules, is_shaped=False).run(
            [replace(query, exclude=exclude, k=query.k - len(rows))],
            live.bundle,
            catalogue=catalogue,
            allowed=mask,
            explain=explain,
        )
        more = rest.lists
        assert more.source_codes is not None
        count = int(more.lengths[0])
        rows += more.item_rows[0, :count].tolist()
        scores += [0.0] * count
        for code in more.source_codes[0, :count]:
            source = more.source_names[code]
            if source not in names:
                names.append(source)
            codes.append(names.index(source))
        reasons += list(more.reasons[0]) if more.reasons else [None] * count
    lists = RecLists(
        np.array([rows], dtype=np.int32).reshape(1, -1),
        np.array([scores], dtype=np.float32).reshape(1, -1),
        catalogue.items,
        (None,),
        np.array([codes], dtype=np.int16).reshape(1, -1),
        tuple(names),
        (tuple(reasons),) if explain else (),
    )
    failed = tuple(s.source for s in skipped if s.why == "error")
    why: Fallback = "no_model" if live.bundle.version is None else "model_error" if failed else "new_item"
    if n > 0:
        why = "none" if n == len(rows) else "too_few"
    return Outcome(lists, (why,), (tuple(skipped),), failed)
