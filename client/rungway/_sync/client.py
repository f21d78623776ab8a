"""The client for threads; `AsyncClient` has the same methods, awaited."""

import threading
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar, overload

from rungway._core.about import About
from rungway._core.calls import WorkerCalls
from rungway._core.config import ClientConfig, configured
from rungway._core.enums import AskStatus, Outcome
from rungway._core.errors import FailedPrecondition, RungwayError
from rungway._core.experiment_calls import ExperimentCalls
from rungway._core.progress import Bar, bar
from rungway._core.requests import Config, report
from rungway._core.run import Loop
from rungway._core.waiting import Waiting
from rungway._sync.data import DataMethods
from rungway._sync.driver import SyncDriver
from rungway._sync.keeper import LeaseKeeper
from rungway._sync.run import TrialRun
from rungway.models.experiments import Caller, Event, Experiment, Preview
from rungway.models.people import Enqueued, Worker
from rungway.models.shown import client_text
from rungway.models.work import (
    AskReply,
    Assignment,
    Checkpoint,
    Lease,
    LeaseStatus,
    Result,
    TellReply,
    Trial,
)

_Self = TypeVar("_Self", bound="Client")


class Client(DataMethods):
    """Asks a Rungway service for work and tells it results. Any number of threads may share one.

    A call is repeated until it is answered, always with the same request_id, so that it has one effect even when a
    request or a reply is lost. The calls of workers wait until the service answers, or for `config.worker_timeout`
    seconds where that is set; the others give up after `config.total_timeout` seconds. Every method that calls the
    service may raise a subclass of `rungway.RungwayError`; the docstrings name those to expect.

    Lengths are absolute, in the experiment's unit. A client does not survive `os.fork`: create it in the process that
    uses it.
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        experiment: str | None = None,
        token: str | None = None,
        tls: bool | None = None,
        config: ClientConfig | None = None,
    ) -> None:
        """Sends nothing yet. `target` ("host:port", or "https://…" for HTTP), `experiment`, `token` and `tls` override
        those of `config`, which override RUNGWAY_TARGET, RUNGWAY_EXPERIMENT, RUNGWAY_TOKEN and RUNGWAY_TLS; without
        any target the service is looked for at localhost:7077. Raises InvalidArgument for a wrong setting, and when the
        token would cross a network in plain text. A client pickles as its settings, the token included."""
        self.config = configured(config, target, experiment, token, tls)
        self._driver = SyncDriver(self.config)
        self._work = WorkerCalls(self.config, threading.current_thread)
        self._experiments = ExperimentCalls(self.config)
        self._keeper = LeaseKeeper(self._driver, self._work)

    __repr__ = client_text

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), config=self.config), ()

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Cancel the calls under way and close the connection; leases still held expire."""
        self._work.closed = True
        self._keeper.stop()
        self._driver.close()
        self._keeper.join()

    # Work.

    def ask(self, *, timeout: float | None = None) -> Assignment | None:
        """The next assignment, or None when the search is over. Sleeps as long as the service says to wait.

        A trial that this thread was told to CONTINUE comes first, under the same lease and without a call; to drop it
        instead, release or fail it. The lease is renewed in the background as long as the assignment is referred to.
        With `timeout` (seconds, 0 = do not wait) it raises DeadlineExceeded when nothing was handed out by then; a call
        under way may take `attempt_timeout` longer. Raises FailedPrecondition (FAILING) when the search has paused
        itself because its first trials all failed, and NotFound when there is no such experiment.
        """
        assignment = self._driver.run(self._work.ask(timeout))
        if assignment is not None:
            self._keeper.ensure()
        return assignment

    def ask_once(self, count: int = 1, *, wait: float = 0.0, request_id: str | None = None) -> AskReply:
        """Ask for up to `count` assignments (1 to 64) and return the reply: work, WAIT or DONE. With `wait` the service
        holds an ask that finds nothing, until there is work or so many seconds are over (at most 30).

        The caller renews these leases with `heartbeat`, and goes on after a CONTINUE with `reply.next`.
        """
        return self._driver.run(self._work.ask_once(count, request_id, wait=wait))

    def tell(
        self,
        assignment: Assignment,
        metric: object,
        *,
        length: int | None = None,
        checkpoint: Checkpoint = None,
        finished: bool = False,
        metrics: Mapping[str, object] | None = None,
        cost: float | None = None,
        request_id: str | None = None,
    ) -> TellReply:
        """Tell one validation result, by default that at `assignment.next_decision`; returns the decision.

        `metric` is a real number, NaN and infinities included. After CONTINUE (a truthy reply) the next `ask` of this
        thread returns the same trial with its new `next_decision`; use `reply.next` to go on without asking. Without a
        checkpoint that assignment starts at the last checkpoint again, with its `from_length`. With `finished` the
        training is over at `length`, before its assignment: the result stands, and the trial is never handed out again.
        `metrics`, `cost` and a mapping as `metric` are as in `TrialRun.report`.

        Raises InvalidArgument for a wrong metric, cost, length or checkpoint, and OutcomeUnknown after
        `config.worker_timeout`: repeat the tell with the `request_id` of the error.
        """
        if isinstance(metric, Mapping):
            metric, metrics = self._driver.run(self._work.by_name(metric, metrics))
        reports = [report(assignment.next_decision if length is None else length, metric, metrics, cost)]
        return self.tell_many([Result(assignment, reports, checkpoint, finished)], request_id=request_id)[0]

    def tell_many(self, results: Iterable[Result], *, request_id: str | None = None) -> list[TellReply]:
        """Tell results of several assignments in one call: up to 256, with at most 4,096 reports in all. One reply for
        each, in the same order. A result that is refused refuses the whole call (InvalidArgument)."""
        return self._driver.run(self._work.tell(results, request_id))

    def heartbeat(self, leases: Iterable[Assignment | Lease]) -> list[LeaseStatus]:
        """Renew leases now. One status for each, in the same order."""
        return self._driver.run(self._work.heartbeat(leases))

    def release(
        self,
        assignment: Assignment,
        checkpoint: Checkpoint = None,
        length: int | None = None,
        *,
        request_id: str | None = None,
    ) -> TellReply:
        """Release a trial at no cost: another worker resumes it. A checkpoint needs its `length`, told before."""
        return self._driver.run(self._work.release(assignment.lease, checkpoint, length, request_id))

    def fail(
        self, assignment: Assignment, outcome: Outcome, message: str = "", *, request_id: str | None = None
    ) -> TellReply:
        """Say how a trial failed. The message is cut at 4,096 bytes. Raises InvalidArgument for UNKNOWN or FINISHED."""
        return self._driver.run(self._work.fail(assignment.lease, outcome, message, request_id))

    def trials(self, *, progress: bool = False) -> Generator[TrialRun, None, None]:
        """Trials to run, one after the other, until the search is over.

        Write `for trial in client.trials():` and `with trial:` inside it. The loop swallows the errors of a trial and
        goes on with the next one: InvalidConfiguration replaces the trial; Diverged, FloatingPointError and
        OverflowError rank it worst; any other Exception, and a report that is refused for its content, is logged and
        the trial is tried again, up to `max_restarts` times. Preempted, KeyboardInterrupt, SystemExit and errors of
        connection, token or namespace release the trial at no cost and leave the loop.

        A block that is left normally after a report has finished its trial: the last result stands, and the trial is
        never handed out again. To release it instead, call `trial.release()` or raise Preempted. A block that is left
        without any report releases the trial; if `trial.lengths()` came to its end, the trial has failed. Raises
        FailedPrecondition (FAILING) when the search has paused itself because its first trials all failed.

        With `progress` a bar shows how much of the search is done, by all its workers, and its best result; it needs
        tqdm (InvalidArgument without it).

        Without `with`, a loop cannot see what its body raises: a trial under way when the loop is left then counts as
        one transient failure.
        """
        loop = Loop()
        return loop.track(self._trials(loop, bar(progress)))

    def _trials(self, loop: Loop, shown: Bar | None) -> Generator[TrialRun, None, None]:
        try:
            while (assignment := self.ask()) is not None:
                run = self._hold(assignment, loop)
                if shown and shown.is_due():
                    self._show(shown)
                try:
                    yield run
                except GeneratorExit:
                    run.abandon()
                    raise
                run.next()
            if shown:
                self._show(shown)
        finally:
            if shown:
                shown.close()

    def _show(self, shown: Bar) -> None:
        """Draw the progress anew; an error of it does not end the training."""
        with suppress(RungwayError):
            shown.show(self.get_experiment(), self.best())

    @contextmanager
    def trial(self) -> Iterator[TrialRun]:
        """One trial to run in a `with` block. An exception ends the trial as in `trials`, and is then raised.

        Raises FailedPrecondition with the reason SEARCH_DONE when no trial is left.
        """
        if (assignment := self.ask()) is None:
            raise FailedPrecondition("the search is over: there is no trial to run", reason="SEARCH_DONE")
        with self._hold(assignment) as run:
            yield run

    def _ask_waiting(self, waiting: Waiting, most: float | None = None) -> AskReply:
        """`ask_once` for a worker that waits by itself until there is work; what it waits for is logged. The service
        holds it for `most` seconds at most."""
        reply = self._driver.run(self._work.ask_waiting(waiting, most=most))
        if reply.status is AskStatus.WAIT:
            self._driver.run(self._work.log_wait(waiting, reply.reason))
        return reply

    def _hold(self, assignment: Assignment, loop: Loop | None = None) -> TrialRun:
        run = TrialRun(self._driver, self._work, assignment, loop)
        self._keeper.ensure()
        return run

    # Experiments and results. Without `experiment` they mean the client's own.

    def create_experiment(
        self,
        experiment: str,
        config: Config,
        *,
        exist_ok: bool = False,
        warm_start_from: str | None = None,
        warm_start_count: int = 1,
        labels: Mapping[str, str] | None = None,
        owner: str = "",
        comment: str = "",
        request_id: str | None = None,
    ) -> Experiment:
        """Plan and store a new search. `config` is a mapping, the path of a file, or a text in YAML or JSON (several
        lines, or one in braces). Raises AlreadyExists when the id is taken, and InvalidArgument that lists every wrong
        field, or says why a file cannot be read.

        With `exist_ok` a search that is there is returned (`existed` is true) if its configuration is the same, seed
        and defaults included. Otherwise raises ConfigDiffers, whose `differences` list the fields. A change by
        `update_experiment` is a difference, too.

        The `warm_start_count` best configurations of the experiment `warm_start_from` become its first trials, as far
        as its space allows them; a note says how many. Raises NotFound when that experiment does not exist. A search
        that is there already is not changed by them.

        `labels` (texts by name), `owner` and `comment` are for people: they are no part of the configuration, and a
        search that is there keeps its own. `list_experiments` finds it by labels and owner, `update_experiment` changes
        them. InvalidArgument names their limits.
        """
        about = About(labels, owner or None, comment or None)
        return self._driver.run(
            self._experiments.create(experiment, config, request_id, warm_start_from, warm_start_count, exist_ok, about)
        )

    def get_experiment(self, experiment: str | None = None) -> Experiment:
        """One search with its plan and progress. Raises NotFound."""
        return self._driver.run(self._experiments.get(experiment))

    def list_experiments(
        self,
        limit: int | None = None,
        *,
        with_config: bool = False,
        labels: Mapping[str, str | None] | None = None,
        owner: str = "",
    ) -> list[Experiment]:
        """The searches, oldest first, without their plans and comments; all of them unless limited. Their
        configurations may be large and are left out unless `with_config`. With `labels` only those that have all of
        these (None: with any value), with `owner` only those of this owner."""
        return self._driver.run(self._experiments.list_experiments(limit, with_config, labels, owner))

    def pause_experiment(self, experiment: str | None = None) -> Experiment:
        """Hand nothing out until resumed; running trials pause at their next decision. Raises FailedPrecondition when
        the search is over."""
        return self._driver.run(self._experiments.pause(experiment))

    def resume_experiment(self, experiment: str | None = None) -> Experiment:
        """End a pause. Raises FailedPrecondition when the search is over."""
        return self._driver.run(self._experiments.resume(experiment))

    def stop_experiment(self, experiment: str | None = None) -> Experiment:
        """End a search; running trials are told to stop at their next report."""
        return self._driver.run(self._experiments.stop(experiment))

    def update_experiment(
        self,
        *,
        max_trials: int | None = None,
        max_concurrent_trials: int | None = None,
        retention_days: float | None = None,
        labels: Mapping[str, str | None] | None = None,
        owner: str | None = None,
        comment: str | None = None,
        experiment: str | None = None,
    ) -> Experiment:
        """Change a search: how many trials it may start, how many may run at once (0 = no limit), for how many days it
        is kept after its end (0 = until it is deleted). None leaves a setting as it is. `labels` adds and replaces
        labels, and removes those whose value is None; others stay. "" removes an owner or a comment.

        Leases that are held stay; a search that is done goes on with the trials that it may start now. Raises
        InvalidArgument for fewer trials than have been started, or for another number of a grid or a single search, and
        FailedPrecondition when it was stopped or has reached its target.
        """
        about = About(labels, owner, comment)
        return self._driver.run(
            self._experiments.update(max_trials, max_concurrent_trials, retention_days, about, experiment)
        )

    def delete_experiment(self, experiment: str | None = None) -> None:
        """Remove a search and everything stored of it. Raises NotFound."""
        self._driver.run(self._experiments.delete(experiment))

    def preview(self, config: Config) -> Preview:
        """What a search would do, without storing anything; `config` is as in `create_experiment`. Raises
        InvalidArgument with every wrong field."""
        return self._driver.run(self._experiments.preview(config))

    def list_trials(self, limit: int | None = None, *, after: int = 0, experiment: str | None = None) -> list[Trial]:
        """Trials by number from `after` on, without their curves; all of them unless limited."""
        return self._driver.run(self._experiments.list_trials(limit, after, experiment))

    def get_caller(self) -> Caller:
        """The namespace and the role in which the service takes the calls of this client, and its version."""
        return self._driver.run(self._experiments.get_caller())

    def list_workers(self, experiment: str | None = None) -> list[Worker]:
        """The workers that hold a lease now, those first that were not heard of for the longest time; at most 1,000.
        Raises NotFound."""
        return self._driver.run(self._experiments.list_workers(experiment))

    def get_trial(self, trial: int, *, experiment: str | None = None) -> Trial:
        """One trial with its curve. Raises NotFound."""
        return self._driver.run(self._experiments.get_trial(trial, experiment))

    @overload
    def best(self, *, by: str = "best", experiment: str | None = None) -> Trial | None: ...
    @overload
    def best(self, count: int, *, by: str = "best", experiment: str | None = None) -> list[Trial]: ...
    def best(
        self, count: int | None = None, *, by: str = "best", experiment: str | None = None
    ) -> Trial | list[Trial] | None:
        """The trial with the best metric, None when no trial has a real one. With `count`: a list of up to so many,
        best first.

        `by` (a BestBy) says which result of a trial counts: "best", its best at any length (`best_metric`, at
        `best_length`); "last", the one reported last (`metric`, at `length`); "final", the last one of completed trials
        alone, trained to the end or ended by themselves. For these two the service reads all trials. Of several
        objectives the first fronts ("last" is refused). Raises InvalidArgument, and Unimplemented if it is not known.
        """
        trials = self._driver.run(self._experiments.best(1 if count is None else count, by, experiment))
        if count is None:
            return trials[0] if trials else None
        return trials

    def enqueue_trial(
        self,
        hparams: Mapping[str, Any],
        *,
        metric: float | None = None,
        length: int | None = None,
        experiment: str | None = None,
        request_id: str | None = None,
    ) -> Enqueued:
        """Enqueue a configuration of your own: the next new trial takes it. Returns how many wait before it; the
        `hparams` of what is returned are the whole configuration.

        Its values must be those that the space allows; InvalidArgument names those that are wrong. Of parameters that
        it does not name constants are filled in, and the others are drawn by the seed and the number of that trial, so
        that the constraints are met. In a grid, and in any other space of at most 100,000 points, a point that has had
        a trial or is enqueued is refused (POINT_USED) until all points were used. Raises FailedPrecondition when no new
        trials are left (NO_TRIALS_LEFT) or the search is over.
        With `metric` and `length` (of a rung), a known result, it is a finished trial at once (see docs/sdk.md).
        """
        return self._driver.run(self._experiments.enqueue(hparams, request_id, experiment, metric, length))

    def explain_trial(self, trial: int, *, experiment: str | None = None) -> list[Event]:
        """The decisions about a trial with their numbers, oldest first. Raises NotFound.

        Of a long list only the first and the last few dozen are kept; an event of the kind "dropped" says how many came
        in between.
        """
        return self._driver.run(self._experiments.explain(trial, experiment))
