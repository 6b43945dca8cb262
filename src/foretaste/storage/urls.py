"""Backends by URL scheme: ours, and those that other packages bring through entry points."""

from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from foretaste.errors import UnknownNameError


def backend(group: str, built_in: dict[str, str], url: str) -> Any:
    """What is registered for the scheme of ``url``: a function from URL to store.

    Raises:
        UnknownNameError: no such scheme; the hint lists those there are.
    """
    scheme = url.partition("://")[0].partition("+")[0].lower()
    known = {entry.name: entry.value for entry in entry_points(group=group)} | built_in
    if "://" not in url or scheme not in known:
        shown = scheme if "://" in url else url
        raise UnknownNameError(
            f"there is no store for {shown!r}", hint=f"use a URL that starts with one of: {', '.join(sorted(known))}"
        )
    module, _, attribute = known[scheme].partition(":")
    return getattr(import_module(module), attribute)
