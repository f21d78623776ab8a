"""A decision in words, for people."""

from rungway_server.domain.engine import Explanation, Reason

_PLAIN = {
    Reason.NEW_TRIAL: "a new trial",
    Reason.REQUEUED: "goes on after its last worker gave it back, failed or fell silent",
    Reason.BETWEEN_RUNGS: "between two rungs: nothing to decide yet",
    Reason.EXPERIMENT_PAUSED: "the experiment is paused",
    Reason.EXPERIMENT_STOPPED: "the experiment was stopped",
    Reason.LEASE_LOST: "the lease ended before this report: it expired, was given back, or somebody else holds it",
    Reason.CONCURRENCY_LIMIT: "every allowed lease is in use",
    Reason.WAITING_FOR_RESULTS: "everything is handed out; results still being trained may allow promotions",
    Reason.FAILING: "the search has paused itself: its first trials all failed and nothing was ever told",
    Reason.SEARCH_DONE: "the search has finished",
    Reason.PREEMPTED: "given back: waits for the next worker",
    Reason.RETRY: "failed in a way that a retry may cure: waits for the next worker",
    Reason.FAILED: "failed for good: ranks after every real result",
    Reason.TARGET_REACHED: "the target was reached: the search has finished",
    Reason.ENQUEUED: "a new trial with a configuration that a user queued",
    Reason.INVALID: "invalid configuration: its results are removed and a fresh trial replaces it",
}

_AT_RUNG = {
    Reason.PROMOTED: "goes up",
    Reason.NOT_PROMOTED: "waits",
    Reason.STOPPED_AT_RUNG: "stopped",
    Reason.COMPLETED: "completed at the top",
    Reason.FINISHED: "its training has ended, its last result stands",
    Reason.EXPERIMENT_PAUSED: "may go up once the experiment is resumed",
}


def in_words(why: Explanation) -> str:
    """One sentence without the trial's name: "waits: rank 4 of 12 at rung 0, the best 3 go on (cut-off 0.25)".

    Ranks and rungs count from 0, as in the fields, so the best 3 are the ranks 0 to 2.
    """
    if why.reason is Reason.CLONED:
        return f"cloned from trial {why.parent}, ranked {why.rank} of {why.rung_size} at rung {why.rung}"
    if why.rung < 0 or why.reason not in _AT_RUNG:
        return _PLAIN.get(why.reason, why.reason.replace("_", " "))
    place = f"{_AT_RUNG[why.reason]}: rank {why.rank} of {why.rung_size} at rung {why.rung}"
    if why.reason is Reason.COMPLETED:
        return place
    if why.quota == 0:
        return f"{place}, none goes on yet"
    cutoff = "" if why.cutoff is None else f" (cut-off {why.cutoff:.6g})"
    return f"{place}, the best {why.quota} {'goes' if why.quota == 1 else 'go'} on{cutoff}"
