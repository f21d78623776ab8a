"""What a worker of an engine does in its process: the loop over the trials of a search."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from rungway._core.config import ClientConfig
from rungway._core.enums import AskStatus, Reason
from rungway._core.errors import Preempted, RungwayError
from rungway._core.run import Loop as InLoop
from rungway._core.waiting import Waiting, failing, pause_after
from rungway._sync.client import Client
from rungway._sync.run import TrialRun

_HOLD_SECONDS = 1.0
"""How long the service may hold an ask: as long as leaving may wait."""
_SLICE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Work:
    """What every worker of one call gets; it is pickled."""

    fn: Callable[[Any], object]
    """Trains the trial that it is given."""
    config: ClientConfig
    checkpoints: str | None
    """The root of checkpoints, where trials are those of `rungway.integrations`."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a loop has ended."""

    done: bool = False
    """The search is over."""
    error: RungwayError | None = None
    """The service refuses to go on with this worker; no other one would do better."""
    why: str = ""
    """Otherwise: why the worker has left, so that another one takes its place."""


class Loop:
    """One worker. Its trial is given back when it leaves, for whatever reason."""

    def __init__(self, work: Work, name: str) -> None:
        self._work = work
        self._client = Client(config=replace(work.config, worker=f"{name} {os.getpid()}@{socket.gethostname()}"))
        self._leaving: Any = None
        self._run: TrialRun | None = None
        self._asked = False

    def run(self) -> Ended:
        """Train trials until the search is over. An error of the function ends its trial, and not the loop."""
        try:
            with self._client:
                for trial in self._trials():
                    with trial:
                        self._work.fn(trial)
                    if self._asked:
                        break
        except Preempted as why:
            return Ended(why=f"Preempted: {why}")
        except RungwayError as error:
            return Ended(why=str(error)) if self._asked else Ended(error=error)
        return Ended(why="asked to leave") if self._asked else Ended(done=True)

    def leave(self) -> None:
        """Give the trial under way back now, at no cost, and end after its function; from any thread.

        Trials of `rungway.integrations` are saved and given back at their next report instead.
        """
        self._asked = True
        if self._leaving is not None:
            self._leaving.asked = True
            return
        if self._run is not None:
            self._give_back(self._run)
        # No ask is cancelled that the service may be answering, unless it does not answer at all.
        closing = threading.Timer(self._client.config.shutdown_timeout, self._client.close)
        closing.daemon = True
        closing.start()

    def on_signal(self, *_: object) -> None:
        """A handler of signals: the same, beside whatever the main thread is doing."""
        threading.Thread(target=self.leave, daemon=True, name="rungway-leave").start()

    def _trials(self) -> Iterator[Any]:
        if self._work.checkpoints is not None:
            from rungway.integrations._group import Alone
            from rungway.integrations._loop import managed_trials
            from rungway.integrations._signals import Leaving

            self._leaving = Leaving()
            yield from managed_trials(Alone(), self._client, self._work.checkpoints, self._leaving)
            return
        yield from self._plain()

    def _plain(self) -> Iterator[TrialRun]:
        """As `Client.trials`, but an ask is never interrupted: what it hands out would wait for its lease to expire."""
        experiment = self._client.config.experiment
        waiting = Waiting(experiment)
        while not self._asked:
            reply = self._client._ask_waiting(waiting, _HOLD_SECONDS)
            for assignment in reply.assignments:
                waiting = Waiting(experiment)
                self._run = self._client._hold(assignment, InLoop())
                if self._asked:
                    self._give_back(self._run)
                    return
                yield self._run
                self._run = None
            if reply.status is AskStatus.DONE:
                return
            if reply.reason is Reason.FAILING:
                raise failing(experiment, reply)
            if not reply.assignments:
                self._sleep(pause_after(reply))

    def _give_back(self, run: TrialRun) -> None:
        with suppress(RungwayError):  # it is over already
            run.release()

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._asked and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _SLICE_SECONDS))
