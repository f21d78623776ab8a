"""The words that scripts store in the event log and in remembered answers, and the number that stands for each.

A number never changes and is never used again: stored searches have it. Words that are not here are stored as they are.
"""

from rungway_server.domain.engine import Decision, Reason

CODES: dict[str, int] = {
    "assign": 1,
    Decision.PAUSE: 8,
    Reason.NEW_TRIAL: 14,
    Reason.PROMOTED: 24,
    Reason.NOT_PROMOTED: 33,
    Reason.COMPLETED: 46,
    Decision.STOP: 56,
    Decision.CONTINUE: 61,
    Reason.STOPPED_AT_RUNG: 70,
    "release": 86,
    Reason.RETRY: 94,
    Reason.FAILED: 100,
    Reason.INVALID: 107,
    Reason.REQUEUED: 115,
    Reason.ENQUEUED: 124,
    Reason.CLONED: 133,
    Reason.PREEMPTED: 140,
    Reason.EXPERIMENT_PAUSED: 150,
    Reason.EXPERIMENT_STOPPED: 168,
    Reason.SEARCH_DONE: 187,
    Reason.TARGET_REACHED: 199,
    Reason.FINISHED: 214,
    Reason.FAILING: 223,
}
WORDS = {code: str(word) for word, code in CODES.items()}
"""The inverse of `CODES`."""
