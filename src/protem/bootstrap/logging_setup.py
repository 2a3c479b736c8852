"""Structured logs on standard error.

Here: one configuration for our own log lines and those of libraries. Not here: what is logged.

Invariants: one event is one line; every character outside printable ASCII is escaped, so that no
value of a caller can forge a line or steer a terminal.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import structlog

from protem.bootstrap.settings import LogSettings

_CHATTY = ("sse_starlette", "asyncio", "uvicorn.access", "httpx2", "httpcore2")
"""Web clients would log each address that is called, and one may be a secret as a whole."""


def set_up_logging(settings: LogSettings) -> None:
    """Send all logs of this process to standard error in the chosen format."""
    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    render = _as_json if settings.format == "json" else _as_text
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _as_json(_logger: Any, _name: str, event: structlog.types.EventDict) -> str:
    return json.dumps(event, ensure_ascii=True, default=repr)


def _as_text(_logger: Any, _name: str, event: structlog.types.EventDict) -> str:
    at, level = event.pop("timestamp", ""), str(event.pop("level", "")).upper()
    event.pop("logger", None)
    words = [str(at), f"{level:<7}", str(event.pop("event", ""))]
    words += [f"{name}={json.dumps(value, default=repr)}" for name, value in event.items()]
    return ascii(" ".join(words))[1:-1]
