"""Warnings about a search that has paused itself, or is over with failures or without a result."""

from collections.abc import Sequence

from rungway_server.domain.engine import Explanation, Progress, Reason, TrialState, TrialView
from rungway_server.domain.explain import in_words
from rungway_server.service.port import ExperimentRef, ExperimentStore

NO_RESULT = "no trial has a real result"
_LATEST = 16
"""How many of the last trials are searched for a message."""


async def warnings(store: ExperimentStore, ref: ExperimentRef, progress: Progress) -> tuple[str, ...]:
    """Sentences for the user: that a search has paused itself, and why; once it is over, how many trials failed or were
    invalid, with the last error, and that no trial has a real result. Empty while a search is running well."""
    if progress.failing is not None:
        return (f"{in_words(Explanation(Reason.FAILING))}; the last error: {progress.failing}",)
    if not progress.state.is_over:
        return ()
    started, lines = sum(progress.started), []
    failed, invalid = (progress.trial_states.get(state, 0) for state in (TrialState.FAILED, TrialState.INVALID))
    first = max(progress.trials_created - _LATEST, 0)
    latest = await store.trials(ref, list(range(first, progress.trials_created))) if failed or invalid else []
    if failed:
        lines.append(f"{failed:,} of {started:,} trials failed{_last_message(latest, TrialState.FAILED)}")
    if invalid:
        were = "configuration was" if invalid == 1 else "configurations were"
        lines.append(f"{invalid:,} {were} invalid and replaced{_last_message(latest, TrialState.INVALID)}")
    if not await store.best(ref, 1):
        lines.append(NO_RESULT)
    return tuple(lines)


def is_fruitless(progress: Progress, best: TrialView | None) -> bool:
    """Whether a search that is over has no real result, or all its trials have failed."""
    return best is None or progress.trial_states.get(TrialState.FAILED, 0) == sum(progress.started)


def _last_message(latest: Sequence[TrialView], state: TrialState) -> str:
    messages = [trial.message for trial in latest if trial.state is state and trial.message]
    return f"; the last said: {messages[-1]}" if messages else ""


class LastMessages:
    """The last message about each experiment, so that it is logged once and not with every call."""

    _MOST = 1_000

    def __init__(self) -> None:
        self._last: dict[ExperimentRef, str] = {}

    def is_new(self, ref: ExperimentRef, text: str) -> bool:
        """Whether this message is another one than the last about this experiment; remembers it."""
        if not text:
            self._last.pop(ref, None)
            return False
        if self._last.get(ref) == text:
            return False
        if len(self._last) >= self._MOST:
            self._last.pop(next(iter(self._last)))
        self._last[ref] = text
        return True
