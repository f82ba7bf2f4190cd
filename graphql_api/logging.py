"""Structured logs: one JSON object a line, or coloured lines while developing."""

import json
import logging
import re
import sys
from typing import Any

import orjson
import structlog

_DETAIL = re.compile(r"DETAIL:.*?(?=\n(?:CONTEXT:|HINT:|\[SQL|\n)|\Z)", re.DOTALL)


def configure_logging(*, development: bool) -> None:
    """Set up the logs of the process, those of the libraries among them; everything goes to standard error."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if development:
        plain = structlog.dev.plain_traceback
        renderer: structlog.typing.Processor = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=plain
        )
    else:
        renderer = structlog.processors.JSONRenderer(_json)
    last: list[structlog.typing.Processor] = [structlog.processors.format_exc_info, _without_details, renderer]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # looked up for each line: it may be replaced
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[_drop_meta, *last], foreign_pre_chain=shared))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def _json(line: structlog.typing.EventDict, **options: Any) -> str:
    """What isn't ASCII is escaped; dataclasses are shown by their repr, which leaves out what is secret."""
    try:
        text = orjson.dumps(line, option=orjson.OPT_PASSTHROUGH_DATACLASS, **options)
    except orjson.JSONEncodeError:  # a number that is too great, or half a character
        return json.dumps(line, **options)
    return text.decode() if text.isascii() else json.dumps(line, **options)


def _without_details(
    logger: structlog.typing.WrappedLogger, name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """PostgreSQL's details quote whole rows: who somebody is, what is secret."""
    for key in ("exception", "error"):
        if isinstance(event.get(key), str):
            event[key] = _DETAIL.sub("DETAIL: left out", event[key])
    return event


def _drop_meta(
    logger: structlog.typing.WrappedLogger, name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    return structlog.stdlib.ProcessorFormatter.remove_processors_meta(logger, name, event)
