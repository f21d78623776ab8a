"""How much the package says: one line for each trial, on the logger "rungway.optuna"."""

import logging
from logging import CRITICAL, DEBUG, ERROR, FATAL, INFO, WARN, WARNING

__all__ = [
    "CRITICAL",
    "DEBUG",
    "ERROR",
    "FATAL",
    "INFO",
    "WARN",
    "WARNING",
    "get_logger",
    "get_verbosity",
    "set_verbosity",
]
_log = logging.getLogger("rungway.optuna")


def get_logger(name: str) -> logging.Logger:
    """The logger of this name."""
    return logging.getLogger(name)


def get_verbosity() -> int:
    """The level of the logger "rungway.optuna"."""
    return _log.getEffectiveLevel()


def set_verbosity(verbosity: int) -> None:
    """Set the level of the logger "rungway.optuna"; handlers are those of the program."""
    _log.setLevel(verbosity)
