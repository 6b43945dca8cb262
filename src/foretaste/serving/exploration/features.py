"""Features of arms in a situation: the same in every worker and for every model, so that logs can be learnt from."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from zlib import crc32

import numpy as np
import numpy.typing as npt

from foretaste.serving.exploration.config import ExplorationConfig

_HOUR_BANDS = ("night", "morning", "afternoon", "evening")
_USER = "user."


def situation_of(
    config: ExplorationConfig, context: Mapping[str, object], user: Mapping[str, object], now: float
) -> dict[str, str]:
    """The value of each key of ``config.context`` that is known: from the request, the user or the clock."""
    found = {key: _value(key, context, user, now) for key in config.context}
    return {key: value for key, value in found.items() if value is not None}


def features_of(
    config: ExplorationConfig, situation: Mapping[str, str], attributes: Sequence[Mapping[str, str]]
) -> npt.NDArray[np.float64]:
    """One row an arm (n, d): 1, then ``buckets`` places a key with a 1 where the hash of its value falls.

    First the keys of the context, then the items' attributes (``attributes``: one mapping an arm), then each pair of
    both. A value that is missing leaves its places at 0.
    """
    out = np.zeros((len(attributes), config.n_features))
    out[:, 0] = 1.0
    at = 1
    for key in config.context:
        if key in situation:
            out[:, at + _bucket(key, situation[key], config.buckets)] = 1.0
        at += config.buckets
    for name in config.attributes:
        for arm, own in enumerate(attributes):
            if name in own:
                out[arm, at + _bucket(name, own[name], config.buckets)] = 1.0
        at += config.buckets
    for name in config.attributes:
        for key in config.context:
            for arm, own in enumerate(attributes):
                if name in own and key in situation:
                    pair = _bucket(f"{name}&{key}", f"{own[name]}&{situation[key]}", config.buckets)
                    out[arm, at + pair] = 1.0
            at += config.buckets
    return out


def _value(key: str, context: Mapping[str, object], user: Mapping[str, object], now: float) -> str | None:
    given = user.get(key.removeprefix(_USER)) if key.startswith(_USER) else context.get(key)
    if given is not None:
        return str(given)
    if key == "hour":
        return _HOUR_BANDS[int(now // 3600 % 24) // 6]
    if key == "weekday":
        return str(datetime.fromtimestamp(now, UTC).weekday())
    return None


def _bucket(key: str, value: str, buckets: int) -> int:
    return crc32(f"{key}={value}".encode("utf-8", "surrogatepass")) % buckets
