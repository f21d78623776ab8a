"""What the log says of a wait that several threads share."""

import logging

import pytest

from rungway import Reason
from rungway._core.waiting import LOG_AFTER, Waiting


def test_the_end_of_a_wait_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Also when another place of an agent gets work while the line is written."""
    seconds = iter([0.0, LOG_AFTER, 12.0, 13.0])
    waiting = Waiting("digits", lambda: next(seconds))
    assert waiting.is_due(Reason.EXPERIMENT_PAUSED)
    others = [2]

    def also(_: logging.LogRecord) -> bool:
        if others:
            waiting.over(f"trial {others.pop()} is handed out")
        return True

    logger = logging.getLogger("rungway")
    logger.addFilter(also)
    try:
        waiting.over("trial 1 is handed out")
    finally:
        logger.removeFilter(also)
    assert [record.getMessage() for record in caplog.records] == ["digits: trial 1 is handed out after 12 s of waiting"]
