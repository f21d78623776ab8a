"""A word in the log before something bounded is full: who runs the service can act before anybody is refused."""

import structlog

_MANY = 0.8
_FEWER = 0.5
_log = structlog.get_logger()


class Brim:
    """Says once that four fifths are taken, and again after half was free meanwhile."""

    __slots__ = ("_again", "_event", "_many", "_most", "_said")

    def __init__(self, event: str, most: int) -> None:
        """`event` names the log line, `most` is what may be taken."""
        self._event, self._most = event, most
        self._many, self._again = _MANY * most, _FEWER * most
        self._said = False

    def note(self, taken: int) -> None:
        """So much is taken now."""
        if self._said:
            self._said = taken > self._again
        elif taken >= self._many:
            self._said = True
            _log.warning(self._event, taken=taken, most=self._most)
