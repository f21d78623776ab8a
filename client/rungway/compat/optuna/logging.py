"""How much the package says: one line for each trial, on the logger "rungway.optuna"."""

import logging
from logging import CRITICAL, DEBUG, ERROR, FATAL, INFO, WARN, WARNING
from typing import Any

from rungway.compat.optuna._refused import refused

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
    """The logger of this name; "optuna" is "rungway.optuna"."""
    return _log if name == "optuna" else logging.getLogger(name)


def get_verbosity() -> int:
    """The level of the logger "rungway.optuna"."""
    return _log.getEffectiveLevel()


def set_verbosity(verbosity: int) -> None:
    """Set the level of the logger "rungway.optuna"; handlers are those of the program."""
    _log.setLevel(verbosity)


def __getattr__(name: str) -> Any:
    instead = "handlers are those of the program: logging.basicConfig(), or logging.getLogger('rungway.optuna')"
    names = ("enable_propagation", "disable_propagation", "enable_default_handler", "disable_default_handler")
    raise refused(f"optuna.logging.{name}", name, dict.fromkeys(names, instead))
