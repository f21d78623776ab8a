"""Logs: one JSON object per line on stdout, from structlog and from every library that uses `logging`."""

import logging
import re
import sys
from collections.abc import Sequence
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

_SECRETS = (
    (re.compile(r"(rwy[_-][0-9a-f]{0,16})[\w.…-]*"), r"\1…"),
    (re.compile(r"(\w://[^\s/@:]*:)[^\s/@]+@"), r"\1…@"),
)
"""A token without its secret, and a URL without its password."""
_is_debug = False


def _without_secrets(_: object, __: str, event: EventDict) -> EventDict:
    """Replace what must not be in a log: callers put secrets into wrong places."""
    for key, value in event.items():
        if isinstance(value, str) and ("rwy" in value or "@" in value):
            for secret, shown in _SECRETS:
                value = secret.sub(shown, value)
            event[key] = value
    return event


_SHARED: Sequence[Processor] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
)


def configure(level: str = "info", form: str = "auto", stream: TextIO | None = None) -> None:
    """Route all logs of the process to `stream` (default stdout) as `json` or `console` lines, or `auto`: console
    on a terminal.

    Lines of structlog are rendered directly and not through `logging`, which is slower. Values for every line of a task
    are bound with `structlog.contextvars.bind_contextvars`.
    """
    global _is_debug  # read with every call
    stream = stream or sys.stdout
    threshold = logging.getLevelNamesMapping()[level.upper()]
    _is_debug = threshold <= logging.DEBUG
    render = _renderers(form, stream)
    structlog.configure(
        processors=[*_SHARED, *render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,  # module-level loggers must follow a second call, as tests make
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_SHARED, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    # Of libraries, warnings and above only: their debug lines can contain payloads and addresses with passwords.
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.WARNING), force=True)
    logging.captureWarnings(True)


def is_debug() -> bool:
    """Whether lines of the level debug are written. To be asked where such a line would cost every call something."""
    return _is_debug


def for_people(form: str, stream: TextIO) -> bool:
    """Whether lines in this form, on this stream, are text for people."""
    return form == "console" or (form == "auto" and stream.isatty())


def shown(text: str, longest: int) -> str:
    """A text of a caller for a line: cut, and without characters that a terminal would obey."""
    cut = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in cut)


def _renderers(form: str, stream: TextIO) -> list[Processor]:
    if for_people(form, stream):
        return [_without_secrets, structlog.dev.ConsoleRenderer(colors=stream.isatty(), timestamp_key="ts")]
    render: Any = structlog.processors.JSONRenderer(default=repr)
    return [structlog.processors.format_exc_info, _without_secrets, render]
