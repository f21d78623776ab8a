"""One trial in the training loop of a library: what is saved, told and agreed on, by one process or by a group."""

import logging
import pickle
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from rungway._core.enums import Decision, Outcome
from rungway._core.errors import FailedPrecondition, InvalidArgument, Preempted, RungwayError
from rungway._core.exit import NORMAL, Exit, exit_of, is_swallowed, log_swallowed
from rungway._sync.client import Client
from rungway._sync.run import TrialRun
from rungway.integrations._aside import TICK_SECONDS, Aside
from rungway.integrations._group import Group, GroupBroken
from rungway.integrations._signals import Leaving
from rungway.integrations.checkpoints import Checkpoints, Restored, Save
from rungway.models.work import Assignment

_log = logging.getLogger("rungway")
ERROR_SECONDS = 20.0
"""How long a rank with an error waits for the others, who may have the same; they may also wait for it in a collective
of the training, and then this process has to end for them to go on."""
_KEPT = 2
"""Checkpoints that a trial keeps beside that of its best result: the last that was told, and the one before."""


@dataclass(frozen=True)
class Search:
    """What every rank of a group knows of the search."""

    experiment: str
    max_length: int
    metric: str
    prunes: bool
    """Whether old checkpoints of trials may be removed: clones of `pbt` begin with those of others."""


@dataclass(frozen=True)
class Desk:
    """What all trials of a loop share."""

    group: Group
    checkpoints: Checkpoints
    leaving: Leaving
    client: Client | None
    """Of rank 0."""

    def on_first(self, call: Callable[[], Any], *, may_wait: bool = True) -> Any:
        """Rank 0 calls, and everybody gets what it returned, or raises what it raised. Raises Preempted when it takes
        longer than `shutdown_timeout` after a signal."""
        if self.group.rank:
            while (kind := (said := self.group.from_first(None))[0]) == "waits":
                pass
            if kind == "raised":
                raise said[1]
            return said[1]
        try:
            value = self._waited(Aside(call)) if may_wait else call()
        except BaseException as error:
            self.group.from_first(("raised", _portable(error)))
            raise
        self.group.from_first(("value", value))
        return value

    def _waited(self, aside: Aside) -> Any:
        left = self.client.config.shutdown_timeout if self.client else 0.0
        while not aside.wait(TICK_SECONDS):
            if self.leaving.asked:
                left -= TICK_SECONDS
                if left <= 0:
                    raise Preempted("a signal asked the process to leave while the service did not answer")
            self.group.from_first(("waits", None))
        return aside.result()


def _portable(error: BaseException) -> BaseException:
    """The error, or its text where it cannot be sent."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  (our own bytes)
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


class ManagedTrial:
    """One trial under one lease, in one process or in all processes of a group; use it in a `with` block.

    In a group every method is collective: all ranks call the same ones, with the same lengths, and get the same
    answers. An error on one rank ends the trial on all of them.

    Train until `report` says no. A block that is left before, after a report, has finished the trial: its training has
    stopped early by itself, and it is never handed out again.
    """

    def __init__(self, desk: Desk, search: Search, assignment: Assignment, run: TrialRun | None) -> None:
        """`run` is the trial of rank 0; None on the others."""
        self._desk, self._search, self._assignment, self._run = desk, search, assignment, run
        self.to_length = assignment.to_length
        """Furthest length that may be reported for now; it grows when the trial is promoted."""
        self.next_decision = assignment.next_decision
        """The next length at which the service decides: report a result there."""
        self.used = False
        """Whether its block was entered."""
        self._reported = assignment.from_length
        self._told = [assignment.checkpoint] if assignment.checkpoint else []
        self._asked = -1  # the length of which `must_save` has the answer
        self._due = False
        self._leaves = False  # a signal has come to some rank
        self._over = False
        self._restored: list[Restored] = []

    # What it is.

    @property
    def number(self) -> int:
        """Trial number, counted from 0 in its experiment."""
        return self._assignment.trial

    @property
    def hparams(self) -> dict[str, Any]:
        """The configuration: values by hyperparameter name, groups as nested dictionaries."""
        return self._assignment.hparams

    @property
    def checkpoint(self) -> str:
        """The checkpoint to resume from, as it was told; empty when there is none. `restore` has its files."""
        return self._assignment.checkpoint

    @property
    def from_length(self) -> int:
        """Length of that checkpoint (the experiment's unit); 0 = start afresh."""
        return self._assignment.from_length

    @property
    def max_length(self) -> int:
        """The length of the highest rung: what schedules of the learning rate are built for, so that they do not change
        when the trial is promoted."""
        return self._search.max_length

    @property
    def metric(self) -> str:
        """The name of the searcher's metric."""
        return self._search.metric

    @property
    def rank(self) -> int:
        """Which process of the group this is, from 0 on."""
        return self._desk.group.rank

    @property
    def should_stop(self) -> bool:
        """Whether further training is useless: the trial is over for this worker."""
        return self._over

    def lengths(self) -> Iterator[int]:
        """The lengths to train up to, one by one, as long as the service lets the trial go on. Raises InvalidArgument
        when nothing was reported at the last of them."""
        length = self._reported
        while not self._over and length < self.to_length:
            length += 1
            yield length
        if not self._over and self._reported < self.to_length:
            raise InvalidArgument.one("length", f"nothing was reported at {self.to_length}, where it is compared")

    def restore(self) -> Path | None:
        """A folder with the files of the checkpoint to resume from, until the block ends; None = start afresh. Raises
        FileNotFoundError when they are not there, and InvalidArgument when they are not below this root."""
        if not self.checkpoint:
            return None
        restored = self._desk.checkpoints.restore(self.checkpoint)
        self._restored.append(restored)
        return restored.folder

    # What is said of it.

    def must_save(self, length: int) -> bool:
        """Whether the state is to be saved before the result of this length is reported: a decision is due there, or a
        signal has come. For libraries that save by themselves, between their validation and `report`."""
        if not self._over and self._asked != length:
            self._asked = length
            self._agree(f"reports length {length}")
            self._due = length >= self.next_decision or self._leaves
        return self._due and not self._over

    def report(
        self,
        length: int,
        metric: object,
        save: Save | None = None,
        *,
        metrics: Mapping[str, object] | None = None,
        cost: float | None = None,
    ) -> bool:
        """Report a validation result at an absolute length (the experiment's unit); returns whether to train on.

        `save(folder)` writes the state into a folder that is there and empty. It is called before the result is told,
        on all ranks, where a decision is due or a signal has come. The other arguments are as in `TrialRun.report`;
        those of rank 0 count. Raises what that raises and, after a signal, Preempted once the trial is given back.
        """
        name = self._saved(length, save) if self.must_save(length) and save else ""
        if self._over:
            return False
        leaves, due = self._leaves, self._due
        tell = lambda: self._tell(length, metric, name, metrics, cost, leaves)  # noqa: E731  (two lines less)
        self._apply(length, self._desk.on_first(tell, may_wait=due or isinstance(metric, Mapping)))
        if leaves:
            self._preempt()
        return not self._over

    def must_leave(self) -> bool:
        """Whether a signal has come, to any rank: then call `leave`. For the ends of steps; in a group it is one small
        exchange."""
        if not self._over:
            self._agree("ends a step")
        return self._leaves and not self._over

    def leave(self, save: Save | None = None) -> None:
        """Give the trial back at no cost, in the middle of a length, and raise Preempted. The state counts as that of
        the length last reported; before the first report nothing is saved."""
        if not self._over:
            name = self._saved(self._reported, save) if save and self._reported else ""
            self._desk.on_first(lambda: self._release(self._published(name)))
        self._preempt()

    def _preempt(self) -> None:
        self._over = True
        raise Preempted(f"a signal asked the process to leave; trial {self.number} is given back")

    def _saved(self, length: int, save: Save) -> str:
        """All ranks write; returns the name of what is not published yet."""
        checkpoints, fence = self._desk.checkpoints, self._assignment.lease.fencing_token
        self._agree(f"saves at length {length}")  # a library may have saved something before, on each rank
        if self._over:
            return ""
        name = self._desk.on_first(lambda: checkpoints.begin(self._search.experiment, self.number, length, fence))
        checkpoints.write(name, save)
        self._agree(f"has saved at length {length}")
        return str(name)

    def _published(self, name: str) -> str | None:
        return self._desk.checkpoints.publish(name) if name else None

    def _tell(
        self,
        length: int,
        metric: object,
        name: str,
        metrics: Mapping[str, object] | None,
        cost: float | None,
        leaves: bool,
    ) -> tuple[bool, int, int]:
        """On rank 0: publish, tell, release. Returns whether the trial goes on, `to_length` and `next_decision`."""
        assert self._run is not None
        text = self._published(name)
        goes_on = self._run.report(length, metric, text, metrics=metrics, cost=cost)
        if leaves and goes_on:
            self._release(text)
        elif text and self._was_told():
            self._told = [*self._told, text][-_KEPT:]
            if self._search.prunes:
                self._prune(length)
        return goes_on, self._run.to_length, self._run.next_decision

    def _was_told(self) -> bool:
        reply = None if self._run is None else self._run.last_reply
        return reply is not None and reply.decision is not Decision.SUPERSEDED

    def _prune(self, length: int) -> None:
        """Remove what the trial has left behind. The service says which checkpoint is that of its best result."""
        assert self._desk.client is not None
        try:
            found = self._desk.client.list_trials(1, after=self.number)
        except RungwayError as error:
            _log.warning("old checkpoints of trial %d are not removed for now: %s", self.number, error)
            return
        kept, fence = [*self._told, *(trial.best_checkpoint for trial in found)], self._assignment.lease.fencing_token
        self._desk.checkpoints.prune(self._search.experiment, self.number, kept, length, fence)

    def _release(self, checkpoint: str | None) -> None:
        assert self._run is not None
        self._run.release(checkpoint)

    def _apply(self, length: int, reply: tuple[bool, int, int]) -> None:
        goes_on, self.to_length, self.next_decision = reply
        self._reported, self._over = length, not goes_on

    # What all ranks agree on.

    def _agree(self, what: str, error: Exit | None = None, limit: float | None = None) -> None:
        """All ranks come here, say what they do, and learn of signals and errors of the others.

        Raises FailedPrecondition (RANKS_DIFFER) when they do different things, GroupBroken when one does not come, and
        Preempted when another one leaves by its error."""
        said = None if error is None else [error.outcome and str(error.outcome), error.message, error.worker_goes_on]
        lost = self._run is not None and self._run.should_stop
        words = self._desk.group.gather([what, self._desk.leaving.asked, lost, said], limit)
        self._leaves = self._leaves or any(word[1] for word in words)
        errors = [(rank, word[3]) for rank, word in enumerate(words) if word[3] is not None]
        if errors:
            self._fail(*errors[0], mine=error is not None)
        elif len({word[0] for word in words}) > 1:
            said_by = "; ".join(f"rank {rank} {word[0]}" for rank, word in enumerate(words))
            problem = f"all ranks must do the same: {said_by}"
            self._end(Exit(Outcome.TRANSIENT, problem))
            raise FailedPrecondition(problem, reason="RANKS_DIFFER")
        elif words[0][2] and what == "ends a step":
            self._over = True

    def _fail(self, rank: int, said: tuple[str | None, str, bool], *, mine: bool) -> None:
        """The trial ends on all ranks by the error of one. Raises Preempted where that one leaves the loop."""
        outcome, message, goes_on = said
        of_rank = f"rank {rank}: {message}" if self._desk.group.size > 1 else message
        self._end(Exit(Outcome(outcome) if outcome else None, of_rank, worker_goes_on=goes_on))
        if not goes_on and not mine:
            raise Preempted(f"{of_rank}; trial {self.number} is given back")

    def _end(self, how: Exit) -> None:
        self._over = True
        self._desk.on_first(lambda: self._run.leave(how) if self._run else None)

    # Its block.

    def __enter__(self) -> "ManagedTrial":
        self.used = True
        if self._run is not None:
            self._run.__enter__()
            self._run._uses_lengths = True  # so a block that is left right after a decision has finished, too
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        swallowed = is_swallowed(raised) and not isinstance(raised, GroupBroken)
        if swallowed:
            log_swallowed(self.number, raised)
        try:
            self._leave(raised, swallowed)
        except GroupBroken as broken:
            self._over = True
            self._leave_alone(raised, broken)
            return False
        finally:
            if self._run is not None and self._over:
                self._run.leave(NORMAL)  # nothing, unless its lease was lost
            for restored in self._restored:
                restored.close()
        return swallowed

    def _leave(self, raised: BaseException | None, swallowed: bool) -> None:
        if self._over:
            return
        if raised is None:
            self._agree("leaves its block")
            if not self._over:
                self._end(NORMAL)
        else:
            self._agree("has an error", exit_of(raised, worker_goes_on=swallowed), ERROR_SECONDS)

    def _leave_alone(self, raised: BaseException | None, broken: GroupBroken) -> None:
        """The group is broken: rank 0 says what became of the trial, and this process has to end."""
        if self._run is not None:
            # Others that are there but do not come: the error is ours. Others that are gone: it is not the trial's.
            ours = raised is not None and broken.late and not isinstance(raised, GroupBroken)
            self._run.leave(exit_of(raised, worker_goes_on=False) if ours and raised else Exit(None, str(broken)))
        if raised is None:
            raise broken
