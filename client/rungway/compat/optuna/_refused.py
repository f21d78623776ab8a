"""What Optuna has and this has not: refused by its name, with what to do instead."""

from collections.abc import Mapping

from rungway.compat.optuna.exceptions import NotOffered


def refused(shown: str, name: str, known: Mapping[str, str]) -> Exception:
    """The error for an attribute that is not there: NotOffered for one of Optuna, else AttributeError, which Python
    itself asks for."""
    if name in known:
        return NotOffered(shown, known[name])
    return AttributeError(f"rungway.compat.optuna has no {shown!r}")
