"""A decision as a sentence for people."""

from collections.abc import Sequence

from rungway_server.domain.engine import SAMPLER, USER, Entry, Explanation, Reason

_PLAIN = {
    Reason.NEW_TRIAL: "a new trial",
    Reason.REQUEUED: "resumed after its last worker released it, failed or went silent",
    Reason.BETWEEN_RUNGS: "between two rungs: nothing to decide yet",
    Reason.EXPERIMENT_PAUSED: "the experiment is paused",
    Reason.EXPERIMENT_STOPPED: "the experiment was stopped",
    Reason.LEASE_LOST: "the lease ended before this report: it expired, was released, or another worker holds it",
    Reason.CONCURRENCY_LIMIT: "every allowed lease is in use",
    Reason.WAITING_FOR_RESULTS: "all work is handed out; results of running trials may allow promotions",
    Reason.FAILING: "the search has paused itself: its first trials all failed and nothing was ever told",
    Reason.SEARCH_DONE: "the search has finished",
    Reason.PREEMPTED: "released: waits for the next worker",
    Reason.RETRY: "its worker went silent, or failed in a way that a retry may fix: waits for the next worker",
    Reason.FAILED: "failed for good: ranks after every real result",
    Reason.TARGET_REACHED: "the target was reached: the search has finished",
    Reason.ENQUEUED: "a new trial with a configuration that a user enqueued",
    Reason.BUDGET_SPENT: "the budget of the search is spent: nothing more is handed out",
    Reason.INVALID: "invalid configuration: its results are removed and a fresh trial replaces it",
}

_AT_RUNG = {
    Reason.PROMOTED: "promoted",
    Reason.PROMOTED_AMONG_OWN: "promoted among the trials of the sampler",
    Reason.NOT_PROMOTED: "waits",
    Reason.OUTRANKED: "waits",
    Reason.STOPPED_AT_RUNG: "stopped",
    Reason.COMPLETED: "completed at the top",
    Reason.FINISHED: "its training has ended, its last result counts",
    Reason.EXPERIMENT_PAUSED: "may be promoted once the experiment is resumed",
    Reason.GOING_ON: "no new trial is left, so the best that waits goes on",
    Reason.BLIND: "no new trial is left, so one that waits, drawn evenly, goes on",
    Reason.BUDGET_SPENT: "waits, for the budget of the search is spent",
    Reason.RUNG_FULL: "waits, for its rung has promoted as many before",
}


def in_words(why: Explanation) -> str:
    """One sentence without the trial's number: "waits: rank 4 of 12 at rung 0, the best 3 go on (cut-off 0.25)".

    Ranks and rungs count from 0, as in the fields: the best 3 have the ranks 0 to 2.
    """
    if why.reason is Reason.CLONED:
        return f"cloned from trial {why.parent}, ranked {why.rank} of {why.rung_size} at rung {why.rung}"
    if why.entries or why.proposal:
        return _new_trial(why)
    if why.rung < 0 or why.reason not in _AT_RUNG:
        return _PLAIN.get(why.reason, why.reason.replace("_", " "))
    front = "" if why.front is None else f"front {why.front}, "
    where = f"{_AT_RUNG[why.reason]}: {front}rank {why.rank} of {why.rung_size} at rung {why.rung}"
    if why.reason is Reason.COMPLETED:
        return where
    if why.quota == 0:
        return f"{where}, none goes on yet"
    cutoff = "" if why.cutoff is None else f" (cut-off {why.cutoff:.6g})"
    return f"{where}, the best {why.quota} {'goes' if why.quota == 1 else 'go'} on{cutoff}"


def _used(entries: Sequence[Entry]) -> str:
    """What the entries have used of the training, where its cost counts; "" elsewhere."""
    used = [entry.used for entry in entries if entry.used is not None]
    if not sum(used):
        return ""
    return f"; used so far, by cost: {', '.join(f'{each / sum(used):.0%}' for each in used)}"


def _new_trial(why: Explanation) -> str:
    """Where a new trial enters, and who proposed its configuration."""
    said = [_PLAIN[why.reason]]
    if why.entries:
        shares = ", ".join(f"{entry.share:.0%}" for entry in why.entries)
        said.append(f"which enters at rung {why.rung} unjudged; shares of the training: {shares}{_used(why.entries)}")
    found = why.proposal
    if found and found.source == found.turn and found.revision:
        said.append(f"proposed by {found.source} from the results of revision {found.revision}")
    elif found and found.source != found.turn:
        said.append(f"drawn by the {found.source}, for {found.turn} had nothing ready")
    elif found and found.source != USER:
        said.append(f"{'drawn' if found.source == SAMPLER else 'proposed'} by {found.source}")
    return ", ".join(said)
