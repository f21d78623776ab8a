"""The agent: asks for trials and runs the training command for each, several at once."""

import json
import logging
import shlex
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from rungway._agent.command import Command, Start
from rungway._agent.devices import variables
from rungway._agent.guard import Guard
from rungway._agent.lines import Reader
from rungway._agent.options import Options
from rungway._agent.reports import Complaints, Reports, TooFar
from rungway._agent.training import Training
from rungway._core.enums import AskStatus, Outcome, Reason
from rungway._core.errors import InvalidArgument, Preempted, RungwayError
from rungway._core.exit import Exit
from rungway._core.waiting import Waiting, failing, pause_after
from rungway._sync.client import Client
from rungway._sync.run import TrialRun
from rungway.models.experiments import Experiment

_log = logging.getLogger("rungway")
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""What lets an agent leave. The last two are what Slurm and submitit send before the time of a job is over."""
_ENDED_BY_SIGNALS = {code for number in SIGNALS for code in (-number, 128 + number)}
"""Exit codes of commands that such a signal has ended; the second form is that of shells."""
_SIGNAL_SECONDS = 1.0
"""How much later than its command the agent may get a signal that was sent to both."""
_LEAVE_SECONDS = 10.0
"""How long a place may take to give its trial back, after its command has ended."""


class Agent:
    """Runs a training command for trials of one search until the search is over, or until it has to leave."""

    def __init__(
        self, client: Client, experiment: Experiment, command: Command, options: Options, logs: Path, scratch: Path
    ) -> None:
        """`logs` is the folder for the output of the trials, `scratch` one for files that nobody needs afterwards; both
        must exist."""
        self._client, self._command, self._options = client, command, options
        self._experiment, self._logs, self._scratch = experiment.experiment, logs, scratch
        self._waiting = Waiting(self._experiment)  # one for all places: one line says why they wait
        unit = experiment.plan.unit if experiment.plan else ""
        self._reader = Reader(unit, experiment.config["searcher"]["metric"], options.metric_regex)
        self._complaints = Complaints()
        self._leaving = threading.Event()
        self._runs_left = options.max_runs
        self._counting = threading.Lock()
        self.is_late = False
        """Whether it has left because its time was over."""
        self._failure: BaseException | None = None
        self._asking = Client(config=client.config)  # it is closed to end the asks of places that wait
        self._guard = Guard(options.grace)

    @property
    def is_leaving(self) -> bool:
        """Whether it was told to leave before the end of the search."""
        return self._leaving.is_set()

    @property
    def has_spent_its_runs(self) -> bool:
        """Whether it has taken as many trials as it may."""
        return self._runs_left == 0

    def leave(self) -> None:
        """End the commands and give the trials back at no cost; `run` then returns. A signal handler may call it."""
        self._leaving.set()

    def run(self, meanwhile: Callable[[], None]) -> None:
        """Run until the search is over; `meanwhile` is called several times a second and may raise.

        Raises what ended a place: FailedPrecondition (FAILING) when the search has paused itself, and errors of
        connection, token or namespace.
        """
        threads = [
            threading.Thread(target=self._place, args=(n,), name=f"place-{n}") for n in range(self._options.places)
        ]
        for thread in threads:
            thread.daemon = True  # one that waits for a service that is away must not keep the process
            thread.start()
        try:
            while any(thread.is_alive() for thread in threads) and not self.is_leaving:
                for thread in threads:
                    thread.join(0.2 / len(threads))
                self._look_at_the_time()
                meanwhile()
        except BaseException:
            self.leave()
            raise
        finally:
            self._asking.close()
            for thread in threads:
                thread.join(self._options.grace + _LEAVE_SECONDS)
            self._guard.close()
        if self._failure is not None:
            raise self._failure

    def _look_at_the_time(self) -> None:
        """Leave in time for the commands to end before the agent has to be gone."""
        if self._options.until is not None and time.time() >= self._options.until - self._options.grace:
            _log.info("the time of --until comes near: all trials are given back")
            self.is_late = True
            self.leave()

    def _may_run(self) -> bool:
        """Take one of the runs that are left."""
        with self._counting:
            if self._runs_left:
                self._runs_left -= 1
                return True
            return self._runs_left is None

    def _run_not_used(self) -> None:
        with self._counting:
            if self._runs_left is not None:
                self._runs_left += 1

    def _place(self, place: int) -> None:
        """One place: a trial after the other."""
        try:
            while self._may_run():
                if not self._next(place):
                    self._run_not_used()
                    return
        except Preempted:
            pass
        except Exception as error:
            if not self._client_closed(error):
                self._fail(error)

    def _next(self, place: int) -> bool:
        """Run the next trial; False when there is none any more, or the agent leaves. Raises Preempted."""
        while not self.is_leaving:
            # Asked step by step: a place that sleeps between two asks can be told to leave.
            reply = self._asking._ask_waiting(self._waiting)
            for assignment in reply.assignments:
                with self._client._hold(assignment) as trial:
                    self._train(trial, place)
                self._waiting = Waiting(self._experiment)
            if reply.status is AskStatus.DONE:
                return False
            if reply.reason is Reason.FAILING:
                raise failing(None, reply)
            if reply.assignments:
                return True
            self._leaving.wait(pause_after(reply))
        return False

    @staticmethod
    def _client_closed(error: Exception) -> bool:
        """Whether the call of a place was cancelled because the agent has left."""
        return isinstance(error, RungwayError) and error.reason == "CLIENT_CLOSED"

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        self.leave()

    def _train(self, trial: TrialRun, place: int) -> None:
        """Run the command until the trial is paused, stopped, finished or failed. Raises Preempted."""
        reports = Reports(trial, self._reader, self._complaints)
        while not trial.should_stop:
            if self.is_leaving:
                raise Preempted("the agent leaves")
            until = trial.to_length
            ended = self._run_once(trial, reports, until, place)
            if ended or not (reports.furthest >= until and trial.to_length > until):
                return
            _log.info("trial %d may go on to %d: the command is run again", trial.number, trial.to_length)

    def _run_once(self, trial: TrialRun, reports: Reports, until: int, place: int) -> bool:
        """Run the command to its end; whether the trial has ended by that. Raises Preempted."""
        start = Start(trial.number, trial.hparams, reports.checkpoint_length, until, reports.checkpoint, place)
        before = reports.count
        try:
            training = self._start(start)
        except (OSError, ValueError) as error:  # ValueError: a null character in an argument
            self._end(trial, Outcome.TRANSIENT, f"the command cannot be started: {error}")
            return True
        reports.start(until)
        try:
            self._follow(training, trial, reports)
        except (TooFar, InvalidArgument) as error:
            self._end(trial, Outcome.ERROR, str(error))
            return True
        finally:
            training.end(self._options.grace)
        if trial.should_stop:
            return True
        if self._shared_a_signal(training):
            raise Preempted("the agent leaves")
        if training.exit_code != 0:
            self._end(trial, Outcome.TRANSIENT, training.how_it_ended())
        elif reports.count == before:
            self._end(trial, Outcome.ERROR, f"exit code 0, but no result: wanted a line `{self._reader.wanted}`")
        elif reports.furthest < until:
            _log.info("trial %d has finished by itself at %d of %d", trial.number, reports.furthest, until)
            trial.finish()
        return trial.should_stop

    def _shared_a_signal(self, training: Training) -> bool:
        """Whether the command was ended by the signal that lets the agent leave: batch systems may send it to every
        process of a job, and to the command first."""
        if training.exit_code not in _ENDED_BY_SIGNALS:
            return False
        return self._leaving.wait(_SIGNAL_SECONDS)

    def _start(self, start: Start) -> Training:
        arguments = self._command.arguments(start)
        params = self._scratch / f"params-{start.trial}.json"
        params.write_text(json.dumps(start.hparams, ensure_ascii=False), encoding="utf-8")
        log = self._logs / f"trial-{start.trial:05}.log"
        _log.info("trial %d, %d to %d: %s", start.trial, start.from_length, start.to_length, shlex.join(arguments))
        environment = self._command.environment(start, str(params))
        if self._options.devices:
            environment |= variables(self._options.devices[start.place])
        return Training(arguments, environment, log, self._guard, self._reader.wants)

    def _follow(self, training: Training, trial: TrialRun, reports: Reports) -> None:
        """Take what it prints until it ends, or has to end. Raises Preempted when the agent leaves."""
        for line in training.lines():
            if line is not None:
                reports.take(line)
            if trial.should_stop:
                return
            if self.is_leaving:
                training.end(self._options.grace)
                for last in training.rest():
                    reports.take(last)
                raise Preempted("the agent leaves")

    def _end(self, trial: TrialRun, outcome: Outcome, message: str) -> None:
        _log.warning("trial %d failed: %s", trial.number, message)
        trial.leave(Exit(outcome, message, worker_goes_on=True))
