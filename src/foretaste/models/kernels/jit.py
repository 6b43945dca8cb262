"""The one way to compile a kernel, typed so that callers keep their types."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, overload

import numba

P = ParamSpec("P")
R = TypeVar("R")


@overload
def kernel(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def kernel(
    *, parallel: bool = ..., fastmath: Any = ..., inline: str = ...
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def kernel(
    function: Callable[P, R] | None = None,
    /,
    *,
    parallel: bool = False,
    fastmath: Any = False,
    inline: str = "never",
) -> Any:
    """Compile with numba: no Python objects, GIL released, machine code cached on disk.

    Plain functions are called from our own threads (:func:`foretaste.models.threads.map_threads`), so ``parallel`` is
    the exception.
    """
    options: dict[str, Any] = {
        "cache": True,
        "nogil": True,
        "parallel": parallel,
        "fastmath": fastmath,
        "inline": inline,
    }
    return numba.njit(**options)(function) if function is not None else numba.njit(**options)
