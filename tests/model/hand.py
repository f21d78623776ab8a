"""A short way to write games by hand: trials by number, lengths filled in, time moved on request."""

from collections.abc import Callable, Mapping, Sequence

from rungway_server.domain.engine import (
    AskAnswer,
    Assignment,
    Decision,
    ExperimentState,
    Further,
    Lease,
    Outcome,
    Release,
    Report,
    Result,
    TellReply,
    TrialView,
)
from rungway_server.domain.errors import InvalidInput
from tests.model.pair import Engine

LEASE_MS = 10_000
MAX_RESTARTS = 2
WORKER = "worker"


class Hand:
    """One experiment, played by hand. `now` is in milliseconds."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.now = 1_000
        self.held: dict[int, Lease] = {}
        self.next_length: dict[int, int] = {}

    def answer(self, count: int = 1, request: str = "", worker: str = WORKER) -> AskAnswer:
        """The whole answer to an ask."""
        answer = self.engine.ask(request, count, worker, self.now)
        for given in answer.assignments:
            self.held[given.lease.trial] = given.lease
            self.next_length[given.lease.trial] = given.next_decision_length
        return answer

    def ask(self, count: int = 1) -> list[int]:
        """The trials handed out."""
        return [given.lease.trial for given in self.answer(count).assignments]

    def assigned(self) -> Assignment:
        """The one assignment handed out."""
        [given] = self.answer().assignments
        return given

    def tell(
        self,
        trial: int,
        *metrics: float,
        at: Sequence[int] | int = (),
        checkpoint: str = "saved",
        request: str = "",
        cost: float | None = None,
    ) -> TellReply:
        """Tell one metric at the next decision's length, or several metrics at these lengths; each cost as much."""
        lengths = [at] if isinstance(at, int) else at or [self.next_length[trial]]
        further = None if cost is None else Further({}, cost)
        reports = [Report(*report, further) for report in zip(lengths, metrics, strict=True)]
        [reply] = self.tell_all([Result(self.held[trial], reports, checkpoint)], request)
        return reply

    def tell_all(self, results: list[Result], request: str = "") -> list[TellReply]:
        """Tell several results in one call."""
        replies = list(self.engine.tell(request, results, self.now).replies)
        for reply in replies:
            if reply.decision is Decision.CONTINUE:
                self.next_length[reply.lease.trial] = reply.next_decision_length
        return replies

    def told(self, trial: int, metric: float) -> str:
        """What a metric at the next decision's length leads to, in short: "continue promoted"."""
        return in_short(self.tell(trial, metric))

    def refused(self, trial: int, *lengths: int) -> list[str]:
        """The fields for which reports at these lengths are refused."""
        try:
            self.tell(trial, *[0.5] * len(lengths), at=lengths)
        except InvalidInput as error:
            return [violation.field for violation in error.violations]
        return []

    def fail(self, trial: int, outcome: Outcome, request: str = "") -> TellReply:
        """End a trial as the outcome says."""
        return self.engine.fail(request, self.held[trial], outcome, "it broke", self.now)[0]

    def release(self, trial: int, checkpoint: str = "", length: int = 0, request: str = "") -> TellReply:
        """Give a trial back."""
        [reply] = self.engine.release(request, [Release(self.held[trial], checkpoint, length)], self.now).replies
        return reply

    def enqueue(self, hparams: Mapping[str, object], request: str = "") -> int:
        """Enqueue a configuration."""
        return self.engine.enqueue(request, hparams, self.now)

    def fill_stock(self, first: int, count: int) -> tuple[int, int]:
        """Another program proposes; how many wait, and the number of the next."""
        return self.engine.fill_stock(first, count)[:2]

    def enqueue_known(self, hparams: Mapping[str, object], length: int, metric: float, request: str = "") -> int:
        """Add a trial of elsewhere."""
        return self.engine.enqueue_known(request, hparams, Report(length, metric), self.now)

    def beat(self, *trials: int) -> list[Decision]:
        """Renew the leases of these trials."""
        return [status.decision for status in self.engine.heartbeat([self.held[trial] for trial in trials], self.now)]

    def pause(self) -> None:
        """Pause the experiment."""
        self.engine.set_state(ExperimentState.PAUSED)

    def resume(self) -> None:
        """Let it go on."""
        self.engine.set_state(ExperimentState.RUNNING)

    def stop(self) -> None:
        """Stop it for good."""
        self.engine.set_state(ExperimentState.STOPPED)

    def view(self, trial: int) -> TrialView:
        """One trial with its curve."""
        [view] = self.engine.trials([trial], curve=True)
        return view

    def sizes(self, bracket: int = 0) -> list[int]:
        """Results in each rung of a bracket."""
        return list(self.engine.progress().rung_results[bracket])

    def passed(self, bracket: int = 0) -> list[int]:
        """Trials that were promoted from each rung of a bracket."""
        return list(self.engine.progress().rung_promoted[bracket])

    def best(self, count: int = 10) -> list[int]:
        """The best trials."""
        return [view.trial for view in self.engine.best(count)]

    def waits(self) -> str:
        """What an ask comes to when nothing is handed out: "wait concurrency_limit"."""
        answer = self.answer()
        assert answer.reason is not None, answer
        return f"{answer.status} {answer.reason}"


def in_short(reply: TellReply) -> str:
    """A reply in two words."""
    return f"{reply.decision} {reply.explanation.reason}"


Start = Callable[..., Hand]
"""Makes an experiment of a Plan; keywords `smaller_is_better` (True), `target` (None), `pause_after` (0), `finite`
(None)."""

Example = Callable[[Start], None]

REGISTERED: list[Example] = []


def example(play: Example) -> Example:
    """Register a game worked by hand: it runs on the model, on the store beside the model, and against each mutant."""
    REGISTERED.append(play)
    return play
