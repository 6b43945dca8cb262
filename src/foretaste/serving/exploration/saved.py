"""What policies have learnt, as a shared value of the record store: a worker that starts goes on from it."""

import asyncio
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from foretaste.errors import ConflictError, CorruptStateError
from foretaste.logs import get_logger
from foretaste.models.bandits import Bandit
from foretaste.models.state import State
from foretaste.storage.records import Records

KEY = "exploration"
"""Name of the shared value."""
MOST_KEPT = 50
"""Policies that are kept, those in use and those that were last."""
log = get_logger(__name__)


@dataclass(frozen=True)
class Learnt:
    """One policy up to two positions in the logs."""

    bandit: Bandit
    exposures: int = 0
    """Number of the newest list that was counted."""
    events: int = 0
    """All events up to this sequence were counted; of later ones perhaps some."""
    given: Mapping[str, tuple[float, dict[str, float]]] = field(default_factory=dict)
    """List → when it was shown, and the reward that each item has had, so that no event counts twice."""

    def dump(self, now: float) -> dict[str, Any]:
        """JSON values from which :meth:`parse` makes the same."""
        state = self.bandit.state()
        arrays = {
            name: {
                "dtype": array.dtype.str,
                "shape": list(array.shape),
                "data": b64encode(zlib.compress(np.ascontiguousarray(array).tobytes(), 1)).decode(),
            }
            for name, array in state.arrays.items()
        }
        return {
            "saved_at": now,
            "exposures": self.exposures,
            "events": self.events,
            "given": {name: [at, items] for name, (at, items) in self.given.items()},
            "meta": state.meta,
            "arrays": arrays,
        }

    @classmethod
    def parse(cls, values: Mapping[str, Any], fresh: Bandit) -> "Learnt":
        """What was saved for a policy whose new bandit is ``fresh``.

        Raises:
            CorruptStateError: the parts do not belong together.
        """
        try:
            arrays = {name: _array(**fields) for name, fields in values["arrays"].items()}
            meta = {**values["meta"], "config": fresh.config.model_dump(mode="json")}
            bandit = type(fresh).from_state(State(fresh.name, meta, arrays))
            given = {name: (float(at), dict(items)) for name, (at, items) in values["given"].items()}
            return cls(bandit, int(values["exposures"]), int(values["events"]), given)
        except (KeyError, TypeError, ValueError, AttributeError, zlib.error) as exc:
            raise CorruptStateError(f"what a policy of {KEY!r} had learnt cannot be read: {exc}") from exc


def _array(*, dtype: str, shape: list[int], data: str) -> np.ndarray[Any, Any]:
    return np.frombuffer(zlib.decompress(b64decode(data)), np.dtype(dtype)).reshape(shape)


async def load(records: Records, name: str, fresh: Bandit) -> Learnt | None:
    """What a policy had learnt when it was last saved; None when it never was, or when that cannot be read.

    Raises:
        StorageError: the store cannot be read.
    """
    value, _ = await records.get_value(KEY)
    entry = (value or {}).get(name)
    if entry is None:
        return None
    try:
        return await asyncio.to_thread(Learnt.parse, entry, fresh)
    except CorruptStateError as exc:
        log.error("exploration_not_loaded", policy=name, error=str(exc))
        return None


async def saved_at(records: Records, name: str) -> float:
    """When a policy was last saved, by whatever worker; 0 for never.

    Raises:
        StorageError: the store cannot be read.
    """
    value, _ = await records.get_value(KEY)
    return float(((value or {}).get(name) or {}).get("saved_at", 0.0))


async def save(records: Records, learnt: Mapping[str, Learnt], now: float) -> bool:
    """Keep what some policies have learnt, beside what is there of others; False when another worker was faster.

    Raises:
        StorageError: the store cannot be written.
    """
    entries = await asyncio.to_thread(lambda: {name: one.dump(now) for name, one in learnt.items()})
    value, version = await records.get_value(KEY)
    both = {**(value or {}), **entries}
    newest = sorted(both, key=lambda name: (name in entries, both[name]["saved_at"]), reverse=True)[:MOST_KEPT]
    try:
        kept = {name: both[name] for name in newest}
        await records.put_value(KEY, kept, expected_version=version, changes_lists=False)
    except ConflictError:
        return False
    return True
