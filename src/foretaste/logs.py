"""Structured log events: one name and fields, as readable lines or as JSON.

``log = get_logger(__name__)`` then ``log.info("model_fitted", model="ease", items=12480, seconds=3.1)``. Request ids
are bound once per request with ``structlog.contextvars``. Logs carry no personal data and no secrets: keys named in
``_SECRET`` are masked.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog

_SECRET = ("password", "secret", "token", "api_key", "authorization")


def _mask_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in event:
        if any(word in key.lower() for word in _SECRET):
            event[key] = "***"
    return event


class _StandardError:
    """Writes lines to whatever standard error is at that moment (a test or a daemon may exchange it)."""

    def __init__(self, *_: Any) -> None:
        pass

    def msg(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is where logs go

    log = debug = info = warning = error = critical = exception = failure = fatal = warn = err = msg


def configure_logs(*, level: str = "info", form: Literal["text", "json"] = "text") -> None:
    """Send log events of ``level`` and above to standard error, as text lines or as JSON lines."""
    render: Any = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _mask_secrets,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=_StandardError,
        cache_logger_on_first_use=False,
    )


def get_logger(name: str) -> Any:
    """A structured logger bound to the module ``name``.

    A program that has configured neither our logs nor structlog hears warnings only, on standard error: a library does
    not write to what its user prints.
    """
    if not structlog.is_configured():
        configure_logs(level="warning")
    return structlog.get_logger(module=name)
