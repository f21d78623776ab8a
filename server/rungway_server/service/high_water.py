"""A warning in the log before a limit is reached, so that the operator can act before calls are refused."""

import structlog

_MANY = 0.8
_FEWER = 0.5
_log = structlog.get_logger()


class HighWaterWarning:
    """Warns once when 80 % of a limit are used, and again only after use has fallen to 50 % in between."""

    __slots__ = ("_again", "_event", "_many", "_most", "_said")

    def __init__(self, event: str, most: int) -> None:
        """`event` names the log line, `most` is the limit."""
        self._event, self._most = event, most
        self._many, self._again = _MANY * most, _FEWER * most
        self._said = False

    def note(self, taken: int) -> None:
        """Tell how much is used now."""
        if self._said:
            self._said = taken > self._again
        elif taken >= self._many:
            self._said = True
            _log.warning(self._event, taken=taken, most=self._most)
