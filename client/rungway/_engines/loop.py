"""What a worker of an engine does in its process: the loop over the trials of a search."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rungway._core.config import ClientConfig
from rungway._core.errors import Preempted, RungwayError
from rungway._sync.client import Client

if TYPE_CHECKING:
    from rungway._sync.run import TrialRun


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
        """Give the trial under way back now, at no cost, and end after it; from any thread.

        Trials of `rungway.integrations` are saved and given back at their next report instead.
        """
        self._asked = True
        if self._leaving is not None:
            self._leaving.asked = True
            return
        if self._run is not None:
            with suppress(RungwayError):  # it is over already
                self._run.release()
        self._client.close()  # it may be waiting for work

    def _trials(self) -> Iterator[Any]:
        if self._work.checkpoints is not None:
            from rungway.integrations._group import Alone
            from rungway.integrations._loop import managed_trials
            from rungway.integrations._signals import Leaving

            self._leaving = Leaving()
            yield from managed_trials(Alone(), self._client, self._work.checkpoints, self._leaving)
            return
        for run in self._client.trials():
            self._run = run
            yield run
