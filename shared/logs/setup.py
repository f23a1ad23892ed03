"""Sets logging up, once in each entry file: one line an event, readable or JSON, to stderr.

Whatever writes through the standard library (uvicorn, Celery, warnings) takes the same way out.
What is bound to the context (`request_id`, `chat_id`, `turn_id`, `attempt`) is on every line.
"""

import json
import logging
import sys
from typing import Any, Final, Literal, TextIO

import orjson
import structlog
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from shared.logs.redact import redact

Format = Literal["readable", "json"]
Level = Literal["debug", "info", "warning", "error"]

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

# They log what they send and receive, or a line for every call.
_CHATTY: Final = ("openai", "anthropic", "httpx2", "httpcore2", "alembic", "aiohttp", "kombu")

_COLOURED: Final = "color_message"
"""What uvicorn says a second time, with escape codes."""

# Loggers with a way out of their own; everything goes through the root's.
_OWN_HANDLERS: Final = ("uvicorn", "uvicorn.error", "uvicorn.access", "celery", "py.warnings")


def configure(
    format: Format, level: Level, process_name: str, *, stream: TextIO | None = None
) -> None:
    """Set structlog and the standard library up; `stream` is stderr unless a test wants another."""
    out = sys.stderr if stream is None else stream
    shared = _shared(process_name)
    structlog.configure(
        processors=[*shared, ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[ProcessorFormatter.remove_processors_meta, _redact, _renderer(format, out)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LEVELS[level])
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(LEVELS[level], logging.WARNING))
    for name in _OWN_HANDLERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.captureWarnings(True)


def _shared(process_name: str) -> list[Processor]:
    def name_process(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["process"] = process_name
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_process,
        structlog.processors.StackInfoRenderer(),
        # Before the redaction, because the text of an exception may quote a secret.
        structlog.processors.format_exc_info,
    ]


def _redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {name: redact(name, value) for name, value in event.items() if name != _COLOURED}


def _renderer(format: Format, out: TextIO) -> Processor:
    if format == "json":
        return structlog.processors.JSONRenderer(serializer=_dump)
    return ConsoleRenderer(colors=out.isatty(), exception_formatter=plain_traceback)


def _dump(event: object, **_: Any) -> str:
    try:
        return orjson.dumps(event, default=str).decode()
    except TypeError:
        # An integer of more than 64 bits or half a surrogate pair must not lose the line.
        return json.dumps(event, default=str)
