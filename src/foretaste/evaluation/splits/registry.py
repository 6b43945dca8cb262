"""Splits by name."""

from difflib import get_close_matches
from typing import Any

from foretaste.errors import UnknownNameError
from foretaste.evaluation.splits.base import Splitter
from foretaste.evaluation.splits.cold import ColdItems, ColdUsers
from foretaste.evaluation.splits.folds import KFold
from foretaste.evaluation.splits.per_user import LeaveLast, LeaveOneOut, RandomShare
from foretaste.evaluation.splits.temporal import GlobalTime

_SPLITTERS: dict[str, type[Splitter]] = {
    splitter.name: splitter
    for splitter in (RandomShare, LeaveOneOut, LeaveLast, GlobalTime, ColdItems, ColdUsers, KFold)
}


def split_names() -> list[str]:
    """All names that can be given to :func:`create_splitter`, sorted."""
    return sorted(_SPLITTERS)


def create_splitter(name: str, **options: Any) -> Splitter:
    """A split by its name.

    >>> create_splitter("leave_last", n=2)
    LeaveLast(n=2, min_train=1)

    Raises:
        UnknownNameError, UnknownParameterError, ConfigurationError.
    """
    found = _SPLITTERS.get(name)
    if found is None:
        near = get_close_matches(name, split_names(), n=1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        raise UnknownNameError(f"there is no split {name!r}", hint=f"{guess}valid ones: {', '.join(split_names())}")
    return found(**options)
