"""Structured log events: one name and fields, as readable lines or as JSON.

``log = get_logger(__name__)`` then ``log.info("model_fitted", model="ease", items=12480, seconds=3.1)``. Request ids
are bound once per request with ``structlog.contextvars``. Logs carry no personal data and no secrets: fields named as
in ``_SECRET`` are masked, and in the texts of all others API keys, tokens and the secrets of the settings.
"""

import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, Literal

import structlog

_SECRET = ("password", "secret", "token", "api_key", "authorization")
_CREDENTIALS = r"(?<=\bft_[0-9a-f]{12}_)[\w-]{43}|\beyJ[\w-]+\.[\w-]+\.[\w-]+"
"""Secret parts of API keys, and whole tokens (JWT)."""


class _Mask:
    """Takes secrets out of events, however they came there: a driver's error may hold a URL with its password."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = [re.escape(secret) for secret in sorted(secrets, key=len, reverse=True) if secret]
        self._pattern = re.compile("|".join([*known, _CREDENTIALS]))

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for name, value in event.items():
            if any(word in name.lower() for word in _SECRET):
                event[name] = "***"
            elif not isinstance(value, int | float | bool | None):
                event[name] = self._clean(value)
        return event

    def _clean(self, value: Any) -> Any:
        """Texts without secrets; other values as they are, unless their text holds one."""
        if isinstance(value, str):
            return self._pattern.sub("***", value)
        text = str(value)
        return self._pattern.sub("***", text) if self._pattern.search(text) else value


class _StandardError:
    """Writes lines to whatever standard error is at that moment (a test or a daemon may exchange it)."""

    def __init__(self, *_: Any) -> None:
        pass

    def msg(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is where logs go

    log = debug = info = warning = error = critical = exception = failure = fatal = warn = err = msg


def configure_logs(*, level: str = "info", form: Literal["text", "json"] = "text", secrets: Iterable[str] = ()) -> None:
    """Send log events of ``level`` and above to standard error, as text lines or as JSON lines, without ``secrets``."""
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
            _Mask(secrets),
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
