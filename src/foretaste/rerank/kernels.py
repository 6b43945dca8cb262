"""Compiled loops that all rerankers share: candidates made ready, pins put in place, the rest of the list kept."""

import numpy as np
import numpy.typing as npt

from foretaste.models.kernels.jit import kernel

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]


@kernel
def prepare(
    rows: Ints, scores: Floats, by_rank: bool, kept: Ints, origins: Ints, relevance: Floats, counts: Longs
) -> None:
    """Fill ``kept``, ``origins``, ``relevance`` (B, n) and ``counts`` (B,): each item at its first place, no gaps."""
    n_lists, n = rows.shape
    size = 4
    while size < 2 * n:
        size *= 2
    table = np.empty(size, np.int32)
    for b in range(n_lists):
        table[:] = -1
        count = 0
        for place in range(n):
            row = rows[b, place]
            if row < 0:
                continue
            slot = (np.int64(row) * 2654435761) & (size - 1)
            while table[slot] >= 0 and table[slot] != row:
                slot = (slot + 1) & (size - 1)
            if table[slot] == row:
                continue
            table[slot] = row
            kept[b, count] = row
            origins[b, count] = place
            relevance[b, count] = scores[b, place]
            count += 1
        counts[b] = count
        if by_rank:
            for p in range(count):
                relevance[b, p] = np.float32(1.0) - np.float32(p) / np.float32(max(count - 1, 1))
        else:
            scale_relevance(relevance[b, :count])


@kernel
def scale_relevance(scores: Floats) -> None:
    """In place: never rising, then from 1 (first) to 0 (last); all 1 where no two differ. Infinite ones count as
    unknown, and an unknown one as the one above it.
    """
    n = len(scores)
    known = np.float32(np.nan)
    for p in range(n):  # the first known score stands for the unknown ones above it
        if np.isfinite(scores[p]):
            known = scores[p]
            break
    for p in range(n):
        score = scores[p]
        if np.isfinite(score) and score < known:
            known = score
        scores[p] = known
    if n == 0:
        return
    top, span = np.float64(scores[0]), np.float64(scores[0]) - np.float64(scores[n - 1])
    for p in range(n):
        if span > 0.0:
            scores[p] = np.float32(1.0 - (top - np.float64(scores[p])) / span)
        else:
            scores[p] = np.float32(1.0)


@kernel
def settle_pins(kept: Ints, counts: Longs, lengths: Longs, pins: Ints, pinned: Ints) -> None:
    """Fill ``pinned`` (B, K) with the candidates that ``pins`` (B, any) name; the first place counts for a row pinned
    twice, rows that are no candidates and places beyond the list are passed over.
    """
    for b in range(pins.shape[0]):
        for place in range(min(pins.shape[1], lengths[b])):
            row = pins[b, place]
            if row < 0:
                continue
            is_new = True
            for earlier in range(place):
                if pins[b, earlier] == row:
                    is_new = False
            if not is_new:
                continue
            for candidate in range(counts[b]):
                if kept[b, candidate] == row:
                    pinned[b, place] = candidate


@kernel
def mark_pinned(pinned: Ints, taken: npt.NDArray[np.bool_]) -> None:
    """Set ``taken`` (n,) for the candidates of one list that a pin keeps for its place."""
    for place in range(len(pinned)):
        if pinned[place] >= 0:
            taken[pinned[place]] = True


@kernel
def by_score(scores: Floats, counts: Longs, lengths: Longs, pinned: Ints) -> Ints:
    """The best candidates by ``scores`` (B, n), the earlier one where they tie, pins at their places: (B, K)."""
    n_lists, width = pinned.shape
    chosen = np.full((n_lists, width), -1, np.int32)
    for b in range(n_lists):
        taken = np.zeros(counts[b], np.bool_)
        mark_pinned(pinned[b], taken)
        for place in range(lengths[b]):
            best = pinned[b, place]
            if best < 0:
                top = np.float32(-np.inf)
                for c in range(counts[b]):
                    if not taken[c] and (best < 0 or scores[b, c] > top):
                        best, top = c, scores[b, c]
                taken[best] = True
            chosen[b, place] = best
    return chosen


@kernel
def arrange(
    chosen: Ints,
    origins: Ints,
    counts: Longs,
    rows: Ints,
    scores: Floats,
    places: Ints,
    new_rows: Ints,
    new_scores: Floats,
    new_places: Ints,
) -> None:
    """Fill the new arrays (B, n): the chosen candidates, the others as they came; what is left stays as it is."""
    for b in range(origins.shape[0]):
        taken = np.zeros(counts[b], np.bool_)
        filled = 0
        for turn in range(chosen.shape[1] + counts[b]):
            candidate = chosen[b, turn] if turn < chosen.shape[1] else turn - chosen.shape[1]
            if candidate >= 0 and not taken[candidate]:
                taken[candidate] = True
                origin = origins[b, candidate]
                new_rows[b, filled], new_scores[b, filled] = rows[b, origin], scores[b, origin]
                new_places[b, filled] = places[b, origin]
                filled += 1


@kernel
def within_bounds(
    scores: Floats,
    counts: Longs,
    lengths: Longs,
    pinned: Ints,
    members: npt.NDArray[np.bool_],
    least: Longs,
    most: Longs,
) -> Ints:
    """The best candidates by ``scores`` (B, n) such that the first p + 1 places hold ``least[b, p]`` to ``most[b, p]``
    (B, K) ``members`` (B, n); a bound for which no candidate is left gives way. Ties go to the earlier one: (B, K).
    """
    n_lists, width = pinned.shape
    chosen = np.full((n_lists, width), -1, np.int32)
    for b in range(n_lists):
        taken = np.zeros(counts[b], np.bool_)
        mark_pinned(pinned[b], taken)
        inside = 0
        for place in range(lengths[b]):
            best = pinned[b, place]
            if best < 0:
                only_members, no_members = inside < least[b, place], inside + 1 > most[b, place]
                top, best_fits = np.float32(-np.inf), False
                for c in range(counts[b]):
                    if taken[c]:
                        continue
                    fits = not ((only_members and not members[b, c]) or (no_members and members[b, c]))
                    if best < 0 or (fits and not best_fits) or (fits == best_fits and scores[b, c] > top):
                        best, top, best_fits = c, scores[b, c], fits
                taken[best] = True
            inside += members[b, best]
            chosen[b, place] = best
    return chosen
