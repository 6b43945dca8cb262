"""What the rules say about a batch of queries, and lists made to follow it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from foretaste.serving.live.columns import Column

EXCLUDED = "excluded by the request"
Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Cap:
    """At most ``most`` items of a list share a value."""

    name: str
    most: int
    is_hard: bool
    column: Column

    def codes(self, rows: Rows) -> Rows:
        """The values of some rows (n, most values of one item) as numbers, padded with -1."""
        column = self.column
        if column.lists is None or column.text is not None:
            return column.codes[rows][:, None]
        return column.lists.padded(rows)

    def rows_of(self, codes: set[int]) -> Mask:
        """Rows (I,) that have one of these values."""
        column = self.column
        if column.lists is None or column.text is not None:
            return np.isin(column.codes, list(codes))
        wanted = np.zeros(len(column.lists.words), dtype=bool)
        wanted[list(codes)] = True
        return column.lists.having(wanted)


class WhyNot(Protocol):
    """Names the rules that leave a row out of a query's list."""

    def __call__(self, b: int, row: int) -> list[str]: ...


@dataclass(frozen=True, eq=False)
class Decision:
    """What may be shown, and how, to each query of a batch."""

    mask: Mask
    """Rows that may be shown: (I,) when all queries may see the same, else (B, I). Not to be written to."""
    factors: Sequence[Floats | None]
    """For each query the factor of every row (I,), shared between queries; None where nothing is boosted."""
    pins: Sequence[Sequence[tuple[int, int]]]
    """For each query (place from 0, row), in the order in which they win."""
    caps: Sequence[Sequence[Cap]]
    """For each query, those relaxed last first."""
    why_not: WhyNot = field(repr=False)

    def within(self, mask: Mask) -> "Decision":
        """The same, but of the rows of a mask (I,) or (B, I) alone."""
        return replace(self, mask=self.mask & mask)

    def hiding_only(self, n: int) -> "Decision":
        """What may be shown, without anything that shapes the ``n`` lists."""
        return replace(self, factors=[None] * n, pins=[()] * n, caps=[()] * n)

    def allowed(self, b: int) -> Mask:
        """Rows (I,) that one query may be shown."""
        return self.mask if self.mask.ndim == 1 else self.mask[b]

    def boosted(self, rows: Rows, scores: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
        """The order (B, n) in which the boosted lists stand, and the boosted scores in the old order (B, n).

        Positive scores are multiplied by their factor and negative ones divided, so that a factor above 1 always lifts.
        Equal scores, and items without one, keep their order; the padding stays at the end.
        """
        made = scores.astype(np.float32, copy=True)
        for b, factors in enumerate(self.factors):
            if factors is None:
                continue
            inside = rows[b] >= 0
            factor, score = factors[rows[b, inside]], made[b, inside]
            with np.errstate(divide="ignore", invalid="ignore"):
                made[b, inside] = np.where(score >= 0, score * factor, score / factor)
        key = np.where(rows < 0, np.inf, np.where(np.isnan(made), np.float32(np.finfo(np.float32).max), -made))
        order = np.argsort(key, axis=1, kind="stable")
        unboosted = np.array([factors is None for factors in self.factors])
        order[unboosted] = np.arange(rows.shape[1])
        return order, made


class Room:
    """Counts what a list holds of each capped value, and says what may still come in.

    Args:
        caps: those to keep.
        rows: all rows that will be asked about.
    """

    def __init__(self, caps: Sequence[Cap], rows: Sequence[int]) -> None:
        self._caps = caps
        self._counts: list[dict[int, int]] = [{} for _ in caps]
        array = np.array(rows, dtype=np.int32)
        tables = [cap.codes(array).tolist() for cap in caps] if len(rows) else [[] for _ in caps]
        self._codes = {row: [table[n] for table in tables] for n, row in enumerate(rows)}

    def add(self, row: int) -> None:
        """An item of the list."""
        for codes, counts in zip(self._codes[row], self._counts, strict=True):
            for code in codes:
                counts[code] = counts.get(code, 0) + 1

    def takes(self, row: int) -> bool:
        """Whether an item would keep all caps."""
        return all(
            code < 0 or counts.get(code, 0) < cap.most
            for cap, codes, counts in zip(self._caps, self._codes[row], self._counts, strict=True)
            for code in codes
        )

    def mask(self, allowed: Mask) -> Mask:
        """Of the allowed rows (I,), those that would keep all caps."""
        for cap, counts in zip(self._caps, self._counts, strict=True):
            full = {code for code, count in counts.items() if code >= 0 and count >= cap.most}
            if full:
                allowed = allowed & ~cap.rows_of(full)
        return allowed


def settled(decision: Decision, b: int, rows: Sequence[int], k: int, pins: dict[int, int] | None = None) -> list[int]:
    """Of the rows of list ``b``, best first, at most ``k``: pins in their places, the others as far as caps let them.

    Pinned rows need not be among ``rows``; those that may not be shown, or for which there is no place, are left out.
    ``pins`` are those of :func:`placed_pins`, where they are known already.
    """
    from foretaste.serving.rules.kernels import within_caps

    pins = placed_pins(decision, b, k) if pins is None else pins
    caps = decision.caps[b]
    array = np.array([*pins.values(), *(row for row in rows if row >= 0)], dtype=np.int32)
    tables = [cap.codes(array) for cap in caps]
    codes = np.concatenate([np.zeros((len(array), 0), np.int32), *tables], axis=1, dtype=np.int32)
    of_cap = np.repeat(np.arange(len(caps)), [table.shape[1] for table in tables])
    most = np.array([cap.most for cap in caps], dtype=np.int64)
    return with_pins(within_caps(array, len(pins), k, codes, of_cap, most).tolist(), pins, k)


def with_pins(others: Sequence[int], pins: dict[int, int], k: int) -> list[int]:
    """The other rows around the pinned ones; pins beyond the end of a short list close it."""
    made: list[int] = []
    rest, waiting = list(others), dict(sorted(pins.items()))
    while len(made) < k and (rest or waiting):
        if len(made) in waiting:
            made.append(waiting.pop(len(made)))
        elif rest:
            made.append(rest.pop(0))
        else:
            made.append(waiting.pop(next(iter(waiting))))
    return made


def placed_pins(decision: Decision, b: int, k: int) -> dict[int, int]:
    """Place from 0 → pinned row that stands there in list ``b`` of length ``k``."""
    allowed, placed = decision.allowed(b), dict[int, int]()
    room = Room([cap for cap in decision.caps[b] if cap.is_hard], [row for _, row in decision.pins[b]])
    for place, row in decision.pins[b]:
        free = next(at for at in range(place, place + len(placed) + 1) if at not in placed)
        if free < k and allowed[row] and row not in placed.values() and room.takes(row):
            room.add(row)
            placed[free] = row
    return placed


def still_open(decision: Decision, b: int, rows: Sequence[int], *, without: int = 0) -> Mask:
    """Rows (I,) that may lengthen list ``b``: allowed, not in it, and within the caps.

    ``without`` caps, the last ones that are not hard, are passed over: so a short list is relaxed step by step.
    """
    room = Room(_caps_without(decision, b, without), rows)
    for row in rows:
        room.add(row)
    allowed = room.mask(decision.allowed(b)).copy()
    allowed[list(rows)] = False
    return allowed


def fitting(
    decision: Decision, b: int, rows: Sequence[int], candidates: Sequence[int], *, most: int, without: int = 0
) -> list[int]:
    """Places in ``candidates``, best first, of at most ``most`` rows that may lengthen list ``b`` together."""
    caps = _caps_without(decision, b, without)
    taken, places = set(rows), list[int]()
    room = Room(caps, [*rows, *(row for row in candidates if row >= 0)])
    for row in rows:
        room.add(row)
    for place, row in enumerate(candidates):
        if len(places) >= most:
            break
        if row >= 0 and row not in taken and room.takes(row):
            room.add(row)
            taken.add(row)
            places.append(place)
    return places


def _caps_without(decision: Decision, b: int, without: int) -> list[Cap]:
    soft = [cap for cap in decision.caps[b] if not cap.is_hard]
    dropped = soft[max(0, len(soft) - without) :] if without else []
    return [cap for cap in decision.caps[b] if cap not in dropped]


def broken(decision: Decision, b: int, rows: Sequence[int]) -> tuple[str, ...]:
    """Names of the caps that a list breaks."""
    found = []
    for cap in decision.caps[b]:
        codes = cap.codes(np.array(rows, dtype=np.int32)) if len(rows) else np.zeros((0, 1), np.int32)
        used = codes[codes >= 0]
        if len(used) and int(np.bincount(used).max()) > cap.most:
            found.append(cap.name)
    return tuple(found)
