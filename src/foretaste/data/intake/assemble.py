"""From checked rows to weighted interactions: duplicates, minimum counts, weights, decay, order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from foretaste.data.dataset import DuplicatesPolicy, Interactions
from foretaste.data.intake.config import BuildConfig
from foretaste.data.intake.interactions import Chunk
from foretaste.data.report import BuildReport
from foretaste.data.weights import INTERACTION, RATING, READ
from foretaste.errors import DataFormatError

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
_DAY_S = 86_400.0


@dataclass(frozen=True)
class Policy:
    """What the data turned out to be."""

    is_ratings: bool
    """Every action is a rating."""
    is_explicit: bool
    duplicates: DuplicatesPolicy


def joined(chunks: Sequence[Chunk]) -> Chunk:
    """All chunks as one."""
    if len(chunks) == 1:
        return chunks[0]
    has_ids = any(chunk.event_ids is not None for chunk in chunks)
    return Chunk(
        np.concatenate([c.users for c in chunks]),
        np.concatenate([c.items for c in chunks]),
        np.concatenate([c.values for c in chunks]),
        np.concatenate([c.timestamps for c in chunks]),
        np.concatenate([c.actions for c in chunks]),
        pl.concat([_ids(c) for c in chunks]) if has_ids else None,
    )


def taken(rows: Chunk, keep: Mask) -> Chunk:
    """The rows of a mask."""
    ids = None if rows.event_ids is None else rows.event_ids.filter(pl.Series(keep))
    return Chunk(rows.users[keep], rows.items[keep], rows.values[keep], rows.timestamps[keep], rows.actions[keep], ids)


def policy_of(rows: Chunk, actions: Sequence[str], config: BuildConfig) -> Policy:
    """Whether rows are ratings, and how their repeats are combined."""
    met = {actions[code] for code in _met(rows)}
    is_ratings = met == {RATING} and bool(np.isfinite(rows.values).all())
    is_explicit = is_ratings and config.positive_rating is None and config.time_decay_half_life_days is None
    by_kind: DuplicatesPolicy = "last" if is_ratings else "sum"
    return Policy(is_ratings, is_explicit, by_kind if config.duplicates == "auto" else config.duplicates)


def kept_rows(
    rows: Chunk, policy: Policy, config: BuildConfig, report: BuildReport, allowed: tuple[Mask | None, Mask | None]
) -> Mask:
    """Mask of the rows that stay; ``allowed`` holds masks of the user and item numbers that may stay."""
    keep = np.ones(len(rows), dtype=bool)
    table = report.interactions
    if rows.event_ids is not None:
        again = (~rows.event_ids.is_first_distinct() & rows.event_ids.is_not_null()).to_numpy()
        table.drop("event_id_seen_before", int(again.sum()), rows.event_ids.filter(pl.Series(again)).head(3).to_list())
        keep &= ~again
    for what, mask, codes in (("user", allowed[0], rows.users), ("item", allowed[1], rows.items)):
        if mask is not None:
            unknown = keep & ~mask[codes]
            table.drop(f"unknown_{what}", int(unknown.sum()))
            keep &= ~unknown
    if config.exact_duplicates == "drop":
        twice = keep & _exact_duplicates(rows)
        table.drop("exact_duplicate", int(twice.sum()))
        keep &= ~twice
    if policy.is_ratings and policy.duplicates == "last":
        old = _superseded(rows, keep)
        table.drop("rated_again_later", int(old.sum()))
        keep &= ~old
    return _core(rows, keep, config, report)


def weights_of(rows: Chunk, actions: Sequence[str], policy: Policy, config: BuildConfig, report: BuildReport) -> Floats:
    """The weight of each row.

    Raises:
        DataFormatError: an action without a weight, where the config says so.
    """
    values = rows.values.astype(np.float64)
    if policy.is_ratings:
        weights = values
    else:
        weights = _action_weights(rows, actions, config, report) * _factors(rows, values, actions, config)
        negative = weights < 0
        report.warn("negative_weights_taken_as_0", int(negative.sum()), rows.values[negative][:3].tolist())
        weights = np.maximum(weights, 0.0)
    if config.positive_rating is not None and RATING in actions:
        low = (rows.actions == actions.index(RATING)) & (values < config.positive_rating)
        weights = np.where(low, 0.0, weights)
    return weights * _decay(rows.timestamps, config, report)


def ordered(
    rows: Chunk,
    weights: Floats,
    user_rows: npt.NDArray[np.int32],
    item_rows: npt.NDArray[np.int32],
    actions: Sequence[str],
) -> Interactions:
    """Interactions by user, then time, then the order given; only actions that occur are named."""
    met = _met(rows)
    renumbered = np.zeros(256, dtype=np.uint8)
    renumbered[met] = np.arange(len(met), dtype=np.uint8)
    order = _by_user_and_time(user_rows, rows.timestamps)
    return Interactions(
        user_rows[order],
        item_rows[order],
        weights[order].astype(np.float32),
        rows.timestamps[order],
        renumbered[rows.actions[order]],
        tuple(actions[code] for code in met),
    )


def _met(rows: Chunk) -> list[int]:
    """The actions that occur."""
    return [int(code) for code in np.flatnonzero(np.bincount(rows.actions, minlength=1))]


def _by_user_and_time(user_rows: npt.NDArray[np.int32], times: Floats) -> npt.NDArray[np.int64]:
    """Positions by user, then time (unknown times last), then the order given; cheap where times are in order."""
    in_order = bool(np.isnan(times).all() or (times[1:] >= times[:-1]).all())
    by_time = None if in_order else np.argsort(times, kind="stable")
    users = pl.DataFrame({"user": user_rows if by_time is None else user_rows[by_time]})
    by_user = users.select(pl.arg_sort_by("user", maintain_order=True)).to_series().to_numpy().astype(np.int64)
    return by_user if by_time is None else by_time[by_user]


def _ids(chunk: Chunk) -> pl.Series:
    if chunk.event_ids is not None:
        return chunk.event_ids
    return pl.Series("event_id", [None], dtype=pl.String).new_from_index(0, len(chunk))


def _exact_duplicates(rows: Chunk) -> Mask:
    eligible = ~np.isnan(rows.timestamps)
    if rows.event_ids is not None:
        eligible &= rows.event_ids.is_null().to_numpy()
    places = np.flatnonzero(eligible)
    frame = pl.DataFrame(
        {
            "place": places,
            "user": rows.users[places],
            "item": rows.items[places],
            "action": rows.actions[places],
            "time": rows.timestamps[places],
            "value": rows.values[places],
        }
    )
    key = ["user", "item", "action", "time", "value"]
    # Few rows share a hash, so the exact comparison sees a small part of large data only.
    candidates = frame.filter(frame.select(key).hash_rows().is_duplicated())
    again = candidates.filter(~pl.struct(key).is_first_distinct())
    twice = np.zeros(len(rows), dtype=bool)
    twice[again["place"].to_numpy()] = True
    return twice


def _superseded(rows: Chunk, keep: Mask) -> Mask:
    """Kept rows after which the same user rates the same item again (by time, then by order)."""
    places = np.flatnonzero(keep)
    pairs = pl.DataFrame(
        {
            "place": places,
            "user": rows.users[places],
            "item": rows.items[places],
            "time": np.nan_to_num(rows.timestamps[places], nan=-1.0),
        }
    )
    if not pairs.select(pl.struct("user", "item").is_duplicated().any()).item():
        return np.zeros(len(rows), dtype=bool)
    last = pairs.sort("time", "place").unique(["user", "item"], keep="last", maintain_order=True)
    old = keep.copy()
    old[last["place"].to_numpy()] = False
    return old


def _core(rows: Chunk, keep: Mask, config: BuildConfig, report: BuildReport) -> Mask:
    """The k-core: rounds of dropping users and items with too few rows, until all that are left have enough."""
    rules = (
        ("user_below_minimum", rows.users, config.min_user_interactions),
        ("item_below_minimum", rows.items, config.min_item_interactions),
    )
    keep = keep.copy()
    changed = True
    while changed:
        changed = False
        for reason, codes, minimum in rules:
            if minimum <= 1:
                continue
            few = keep & (np.bincount(codes[keep], minlength=int(codes.max(initial=0)) + 1)[codes] < minimum)
            report.interactions.drop(reason, int(few.sum()))
            keep &= ~few
            changed = changed or bool(few.any())
    return keep


def _action_weights(rows: Chunk, actions: Sequence[str], config: BuildConfig, report: BuildReport) -> Floats:
    table = config.action_weights.table()
    unknown = [name for code, name in enumerate(actions) if name not in table and bool((rows.actions == code).any())]
    if unknown and config.unknown_actions == "error":
        raise DataFormatError(
            f"no weight is set for the action {unknown[0]!r} ({len(unknown)} such actions)",
            hint=f"set it with ActionWeights({unknown[0]}=…) or choose unknown_actions='weight_1'",
            details={"unknown": unknown, "known": sorted(table)},
        )
    for name in unknown:
        hits = int((rows.actions == actions.index(name)).sum())
        report.warn("actions_of_unknown_kind_weighted_1", hits, [name])
    per_action = np.array([table.get(name, 1.0) for name in actions])
    return np.asarray(per_action[rows.actions])


def _factors(rows: Chunk, values: Floats, actions: Sequence[str], config: BuildConfig) -> Floats:
    """What the values do to the weights of data that are not only ratings."""
    factors = np.ones(len(rows))
    known = np.isfinite(values)
    for code, name in enumerate(actions):
        mine = known & (rows.actions == code)
        if not mine.any():
            continue
        if name == RATING:
            top = config.rating_scale[1] if config.rating_scale else max(float(values[mine].max()), 1e-9)
            factors[mine] = values[mine] / top
        elif name == READ:
            middle = max(float(np.median(values[mine])), 1e-9)
            factors[mine] = np.minimum(np.log2(1.0 + values[mine] / middle), 2.0)
        elif name == INTERACTION:
            factors[mine] = values[mine]
        elif name in config.multiply_by_value:
            factors[mine] = np.log2(1.0 + np.maximum(values[mine], 0.0))
    return factors


def _decay(times: Floats, config: BuildConfig, report: BuildReport) -> Floats | float:
    if config.time_decay_half_life_days is None:
        return 1.0
    known = ~np.isnan(times)
    report.warn("rows_without_a_time_do_not_decay", int((~known).sum()))
    if not known.any():
        return 1.0
    age_days = np.where(known, times[known].max() - times, 0.0) / _DAY_S
    return np.asarray(np.exp2(-age_days / config.time_decay_half_life_days))
