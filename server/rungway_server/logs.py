"""Logs: one JSON object per line on stdout, from structlog and from every library that uses `logging`."""

import logging
import sys
from collections.abc import Sequence
from typing import TextIO

import structlog
from structlog.typing import Processor

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
    stream = stream or sys.stdout
    threshold = logging.getLevelNamesMapping()[level.upper()]
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


def _renderers(form: str, stream: TextIO) -> list[Processor]:
    if form == "console" or (form == "auto" and stream.isatty()):
        return [structlog.dev.ConsoleRenderer(colors=stream.isatty(), timestamp_key="ts")]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=repr)]
