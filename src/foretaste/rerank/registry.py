"""Names of rerankers: ours and those that other packages bring through the entry-point group ``foretaste.rerankers``.

Nothing is imported before it is asked for. A third party registers with, in its ``pyproject.toml``::

    [project.entry-points."foretaste.rerankers"]
    my_reranker = "my_package.my_module:MyReranker"
"""

from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from foretaste.errors import ConfigurationError, UnknownNameError
from foretaste.rerank.base import RerankConfig, Reranker, parse_rerank

BUILT_IN = {
    "mmr": "foretaste.rerank.mmr:MMR",
    "dpp": "foretaste.rerank.dpp:DPP",
    "calibration": "foretaste.rerank.calibration:Calibration",
    "freshness": "foretaste.rerank.freshness:Freshness",
    "exposure_fairness": "foretaste.rerank.exposure_fairness:ExposureFairness",
    "demographic_parity": "foretaste.rerank.demographic_parity:DemographicParity",
}
"""Kind → module:class of the rerankers that come with Foretaste."""

GROUP = "foretaste.rerankers"


@cache
def _third_party() -> dict[str, str]:
    return {entry.name: entry.value for entry in entry_points(group=GROUP)}


def reranker_names() -> list[str]:
    """All kinds, sorted."""
    return sorted(BUILT_IN | _third_party())


@cache
def reranker_class(kind: str) -> type[Reranker]:
    """The class registered as ``kind``; our own kinds cannot be taken over.

    Raises:
        UnknownNameError: no such kind.
        ConfigurationError: what is registered cannot be imported, is no :class:`Reranker` or has another name.
    """
    target = (_third_party() | BUILT_IN).get(kind)
    if target is None:
        near = get_close_matches(str(kind), reranker_names(), n=1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        raise UnknownNameError(f"there is no reranker {kind!r}", hint=f"{guess}valid: {', '.join(reranker_names())}")
    module, _, attribute = target.partition(":")
    try:
        found = getattr(import_module(module), attribute, None)
    except ImportError as exc:
        raise ConfigurationError(
            f"reranker {kind!r} cannot be imported from {target!r}: {exc}", hint="install what it needs"
        ) from exc
    if not (isinstance(found, type) and issubclass(found, Reranker)):
        raise ConfigurationError(f"{target!r}, registered as reranker {kind!r}, is not a Reranker class")
    if found.name != kind:
        raise ConfigurationError(
            f"{target!r} is registered as {kind!r} but calls itself {found.name!r}", hint="make the names equal"
        )
    return found


def create_reranker(kind: str | RerankConfig, **parameters: Any) -> Reranker:
    """A reranker by its kind and parameters, or by its settings.

    >>> create_reranker("mmr", trade_off=0.8)
    MMR(trade_off=0.8)

    Raises:
        UnknownNameError, UnknownParameterError, ConfigurationError: see :func:`parse_rerank`.
    """
    config = parse_rerank({"kind": kind, **parameters} if isinstance(kind, str) else kind)
    return reranker_class(config.kind)(config)
