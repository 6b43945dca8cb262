"""Backends by URL scheme: ours, and those that other packages bring through entry points."""

from importlib import import_module
from importlib.metadata import entry_points
from typing import TypeVar

from foretaste.errors import ConfigurationError, UnknownNameError

S = TypeVar("S")


def open_backend(group: str, built_in: dict[str, str], url: str, contract: type[S]) -> S:
    """What the function registered for the scheme of ``url`` makes of it; our own schemes cannot be taken over.

    Raises:
        UnknownNameError: no such scheme; the hint lists those there are.
        ConfigurationError: the registered function cannot be imported or gives something else than a ``contract``.
    """
    scheme = url.partition("://")[0].partition("+")[0].lower()
    known = {entry.name: entry.value for entry in entry_points(group=group)} | built_in
    if "://" not in url or scheme not in known:
        shown = scheme if "://" in url else url
        raise UnknownNameError(
            f"there is no store for {shown!r}", hint=f"use a URL that starts with one of: {', '.join(sorted(known))}"
        )
    module, _, attribute = known[scheme].partition(":")
    try:
        make = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as exc:
        raise ConfigurationError(f"{known[scheme]!r}, registered for {scheme}://, cannot be imported: {exc}") from exc
    store = make(url)
    if not isinstance(store, contract):
        raise ConfigurationError(f"{known[scheme]!r}, registered for {scheme}://, gives no {contract.__name__}")
    return store
