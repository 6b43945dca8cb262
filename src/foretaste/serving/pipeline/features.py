"""Features of candidates, for rankings: named numbers for each place of each list.

All lie between 0 and 1, NaN where unknown:

- ``merged``: the merged score, scaled within the list;
- ``score.NAME``, ``rank.NAME``: what source NAME said, its score scaled within its list, and 1/rank; 0 for what it
  did not give;
- ``popularity``: log(1 + people who took it), the most popular item being 1;
- ``freshness``: 1 for an item of this moment, half of it after 30 days;
- ``price``: the share of the catalogue's prices that are lower;
- ``affinity.ATTRIBUTE``: the share of the user's history (by its weights) that has the item's value of it;
- ``context.ATTRIBUTE``: 1 where the item's value of it is the one that the request's context has under this name.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from foretaste.rerank import ItemView, Labels
from foretaste.serving.pipeline.batch import Batch
from foretaste.serving.pipeline.journal import Candidates
from foretaste.serving.pipeline.sources import history_rows

HALF_LIFE_S = 30 * 86_400.0
Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]


def features(batch: Batch, names: Sequence[str]) -> dict[str, Floats]:
    """Each named feature for the candidates of the draft (B, n), NaN in the padding.

    Raises:
        KeyError: no such feature.
    """
    padding = batch.draft.rows < 0
    return {name: np.where(padding, np.float32(np.nan), _feature(batch, name)) for name in names}


def _feature(batch: Batch, name: str) -> Floats:
    what, _, of = name.partition(".")
    return _OF_A_NAME[what](batch, of) if of else _PLAIN[what](batch)


def looked_up(keys: Longs, values: Floats, wanted: Longs) -> Floats:
    """The value of each wanted key, 0 for those that are not there; keys are there once."""
    if len(keys) == 0:
        return np.zeros(wanted.shape, dtype=np.float32)
    order = np.argsort(keys, kind="stable")
    at = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    found = order[at]
    return np.where(keys[found] == wanted, values[found], np.float32(0))


def scaled(scores: Floats) -> Floats:
    """Scores (B, n) scaled to 0 … 1 within each list, 1 where all are equal; NaN stays."""
    known = np.isfinite(scores)
    low = np.min(scores, axis=1, keepdims=True, initial=np.inf, where=known)
    high = np.max(scores, axis=1, keepdims=True, initial=-np.inf, where=known)
    span = np.where(high > low, high - low, np.float32(1))
    with np.errstate(invalid="ignore"):
        return np.where(known, np.where(high > low, (scores - low) / span, np.float32(1)), np.float32(np.nan))


# --- of the sources ----------------------------------------------------------------------------------------------


def _merged(batch: Batch) -> Floats:
    return scaled(batch.draft.scores)


def _score(batch: Batch, source: str) -> Floats:
    return _of_source(batch, source, lambda one: np.nan_to_num(scaled(one.scores), nan=0.0))


def _rank(batch: Batch, source: str) -> Floats:
    return _of_source(batch, source, lambda one: np.broadcast_to(_reciprocals(one.rows.shape[1]), one.rows.shape))


def _reciprocals(n: int) -> Floats:
    return np.float32(1) / np.arange(1, n + 1, dtype=np.float32)


def _of_source(batch: Batch, name: str, worth: Callable[[Candidates], Floats]) -> Floats:
    rows = batch.draft.rows
    source = next((one for one in batch.candidates if one.config.name == name), None)
    if source is None:  # it failed, or had nothing
        return np.zeros(rows.shape, dtype=np.float32)
    b, place = np.nonzero(source.rows >= 0)
    n = np.int64(len(batch.catalogue.items))
    return looked_up(b * n + source.rows[b, place], worth(source)[b, place], _by_list(rows, n))


def _by_list(values: npt.NDArray[np.integer], n: np.int64) -> Longs:
    """Numbers (B, m) below ``n`` as one number each that also says which list it is."""
    return np.asarray(np.arange(len(values), dtype=np.int64)[:, None] * n + values)


# --- of the items ------------------------------------------------------------------------------------------------


def _popularity(batch: Batch) -> Floats:
    view = batch.view()
    shares: Floats = view.derived("popularity_share", lambda: _popularity_shares(view))
    return shares[batch.draft.rows]


def _popularity_shares(view: ItemView) -> Floats:
    logs = np.log1p(np.zeros(view.n_items) if view.popularity is None else view.popularity)
    return (logs / max(float(logs.max(initial=0.0)), 1e-12)).astype(np.float32)


def _freshness(batch: Batch) -> Floats:
    created = batch.view().created_at
    if created is None:
        return np.full(batch.draft.rows.shape, np.nan, dtype=np.float32)
    times = created[batch.draft.rows]
    ages = np.maximum(batch.now - times, 0.0)
    return np.where(times > 0, 0.5 ** (ages / HALF_LIFE_S), np.nan).astype(np.float32)


def _price(batch: Batch) -> Floats:
    numbers = batch.catalogue.columns.numbers("price")
    shares: Floats = batch.view().derived("price_share", lambda: price_shares(numbers))
    return shares[batch.draft.rows]


def price_shares(prices: npt.NDArray[np.float64]) -> Floats:
    """The share of the known prices that are lower than each (I,); NaN where there is none."""
    known = np.sort(prices[np.isfinite(prices)])
    lower = np.searchsorted(known, prices, side="left") / max(1, len(known))
    return np.where(np.isfinite(prices), lower, np.nan).astype(np.float32)


# --- of the user and the request -----------------------------------------------------------------------------------


def _affinity(batch: Batch, attribute: str) -> Floats:
    codes = batch.catalogue.columns.codes(attribute)
    n = np.int64(int(codes.max(initial=0)) + 1)
    keys, weights = [], []
    for b, query in enumerate(batch.queries):
        rows, own = history_rows(query, batch.bundle, batch.catalogue)
        liked = (rows >= 0) & (own > 0)
        of_liked, own = codes[rows[liked]], own[liked]
        has = of_liked >= 0
        keys.append(b * n + of_liked[has].astype(np.int64))
        weights.append(own[has] / max(float(own.sum()), 1e-12))
    distinct, places = np.unique(np.concatenate(keys), return_inverse=True)
    shares = np.bincount(places, np.concatenate(weights), len(distinct)).astype(np.float32)
    of_rows = codes[batch.draft.rows]
    return np.where(of_rows >= 0, looked_up(distinct, shares, _by_list(of_rows, n)), np.float32(0))


def _context(batch: Batch, attribute: str) -> Floats:
    out = np.zeros(batch.draft.rows.shape, dtype=np.float32)
    labels = batch.view().labels(attribute)
    for b, query in enumerate(batch.queries):
        code = -1 if labels is None else labels.code(_as_label(query.context.get(attribute)))
        if labels is not None and code >= 0:
            out[b] = _have(labels, batch.draft.rows[b], code)
    return out


def _have(labels: Labels, rows: Rows, code: int) -> npt.NDArray[np.bool_]:
    """Which rows (n,) have a value; those of -1 count as the first."""
    starts, ends = labels.indptr[np.maximum(rows, 0)], labels.indptr[np.maximum(rows, 0) + 1]
    lengths = ends - starts
    owners = np.repeat(np.arange(len(rows)), lengths)
    places = np.repeat(starts - np.cumsum(lengths) + lengths, lengths) + np.arange(int(lengths.sum()))
    return np.asarray(np.bincount(owners, labels.codes[places] == code, len(rows)) > 0)


def _as_label(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:.15g}"


_PLAIN: Mapping[str, Callable[[Batch], Floats]] = {
    "merged": _merged,
    "popularity": _popularity,
    "freshness": _freshness,
    "price": _price,
}
_OF_A_NAME: Mapping[str, Callable[[Batch, str], Floats]] = {
    "score": _score,
    "rank": _rank,
    "affinity": _affinity,
    "context": _context,
}
