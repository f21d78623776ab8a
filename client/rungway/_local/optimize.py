"""`rungway.minimize` and `rungway.maximize`: a whole search of a Python function in one call."""

import inspect
import os
import pickle
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rungway._core import requests
from rungway._core.config import named_target
from rungway._core.enums import OVER, Reason
from rungway._core.errors import ConfigDiffers, FailedPrecondition, InvalidArgument
from rungway._sync.client import Client
from rungway.models.experiments import Experiment
from rungway.models.search_result import SearchResult

if TYPE_CHECKING:
    from rungway._local.place import Place
    from rungway._local.view import View

_LOOK_SECONDS = 0.1
"""How long to wait between two looks at the search."""


def minimize(
    fn: Callable[[Any], Any],
    space: Mapping[str, object],
    *,
    max_trials: int = 100,
    max_length: int | Mapping[str, int] = 1,
    n_workers: int = 4,
    name: str | None = None,
    metric: str = "value",
    searcher: Mapping[str, object] | None = None,
    config: Mapping[str, object] | None = None,
    target: str | None = None,
    data: str | os.PathLike[str] | None = None,
    live: bool | None = None,
) -> SearchResult:
    """Search for the hyperparameters with the smallest result of a function; returns the best, with all trials.

    `space` maps names to parameters (`rungway.uniform` and others). With `max_length` 1, `fn(hparams)` gets a
    dictionary and returns a real number. With a longer one (27, or {"epochs": 27}), `fn(trial)` gets a `TrialRun`,
    trains along `trial.lengths()`, reports with `trial.report`, stops when that returns false, and returns nothing.

    `n_workers` processes run the function, which is sent to them by value: it may be a lambda or in a notebook. An
    exception fails its trial, not the search. A worker that dies is replaced, and its trial is handed out again when
    its lease has expired (60 seconds; `config={"lease_seconds": …}`).

    Without a `target` (or RUNGWAY_TARGET) a service of this machine is started, and stopped at the end; this needs
    the extra `local`. With a `name` the search is kept, in the folder `data` (by default that of `rungway serve`): the
    same call goes on with it, also after Ctrl-C. Without a name nothing is kept.

    `searcher` has further keys of the searcher, by default "random" for a length of 1 and otherwise "auto";
    `config` has further keys of the configuration ("seed", "constraints", …). `metric` is the name of the result.
    `live` shows the search as it goes on; by default on a terminal.

    Raises InvalidArgument for wrong arguments; ConfigDiffers when there is another search of this
    name; FailedPrecondition when no service can be started (NO_LOCAL_SERVICE), the first trials
    all failed (FAILING), no trial has a result (NO_RESULT), or the workers die (WORKERS_DIED); Unavailable when the
    service does not answer.
    """
    order = _Order(fn, space, max_trials, max_length, n_workers, name, metric, True, searcher, config)
    return _optimize(order, target, data, live)


def maximize(
    fn: Callable[[Any], Any],
    space: Mapping[str, object],
    *,
    max_trials: int = 100,
    max_length: int | Mapping[str, int] = 1,
    n_workers: int = 4,
    name: str | None = None,
    metric: str = "value",
    searcher: Mapping[str, object] | None = None,
    config: Mapping[str, object] | None = None,
    target: str | None = None,
    data: str | os.PathLike[str] | None = None,
    live: bool | None = None,
) -> SearchResult:
    """Search for the hyperparameters with the largest result of a function; the rest is as in `minimize`."""
    order = _Order(fn, space, max_trials, max_length, n_workers, name, metric, False, searcher, config)
    return _optimize(order, target, data, live)


@dataclass(frozen=True, slots=True)
class _Order:
    """What to search."""

    fn: Callable[[Any], Any]
    space: Mapping[str, object]
    max_trials: int
    max_length: int | Mapping[str, int]
    n_workers: int
    name: str | None
    metric: str
    smaller_is_better: bool
    searcher: Mapping[str, object] | None
    config: Mapping[str, object] | None

    def check(self) -> None:
        """Raises InvalidArgument for what the service cannot see."""
        if not callable(self.fn):
            raise InvalidArgument.one("fn", f"got {self.fn!r:.100}, wanted a function")
        if inspect.iscoroutinefunction(self.fn):
            raise InvalidArgument.one("fn", "got a coroutine function, wanted a plain one; it may call asyncio.run")
        if not isinstance(self.space, Mapping):
            raise InvalidArgument.one("space", f"got {self.space!r:.100}, wanted a mapping from names to parameters")
        requests.whole("n_workers", self.n_workers, least=1)
        if self.name is not None and not (isinstance(self.name, str) and self.name):
            raise InvalidArgument.one("name", f"got {self.name!r:.100}, wanted the id of an experiment")
        for field, more in (("searcher", self.searcher), ("config", self.config)):
            if more is not None and not isinstance(more, Mapping):
                raise InvalidArgument.one(field, f"got {more!r:.100}, wanted a mapping")
        for field in ("hyperparameters", "searcher"):
            if field in (self.config or {}):
                wanted = "space" if field == "hyperparameters" else field
                raise InvalidArgument.one(f"config.{field}", f"give it as the argument `{wanted}`")

    @property
    def by_trial(self) -> bool:
        """Whether the function gets a trial and reports, rather than return one number."""
        length = self.max_length
        return isinstance(length, Mapping) or requests.whole("max_length", length, least=1) > 1

    @property
    def may_be_older(self) -> bool:
        """Whether the search may be one of an earlier call, when the default was another."""
        return self.name is not None and self.by_trial and "name" not in (self.searcher or {})

    def document(self, by_default: str = "auto") -> dict[str, object]:
        """The configuration of the search. `by_default`: the searcher where trials report."""
        searcher = {
            "name": by_default if self.by_trial else "random",
            "metric": self.metric,
            "smaller_is_better": self.smaller_is_better,
            "max_trials": self.max_trials,
            "max_length": dict(self.max_length) if isinstance(self.max_length, Mapping) else self.max_length,
            **(self.searcher or {}),
        }
        return {**(self.config or {}), "hyperparameters": dict(self.space), "searcher": searcher}


def _optimize(
    order: _Order, target: str | None, data: str | os.PathLike[str] | None, live: bool | None
) -> SearchResult:
    # Imported here: `import rungway` stays light, and works where these modules do not (fcntl).
    from rungway._local.place import place
    from rungway._local.view import view

    order.check()
    name = order.name or f"search-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rungway-")))
        function = _write(order.fn, folder)
        kept = Path(data) if data is not None else None
        if order.name is None and kept is None and not named_target(target):
            kept = folder / "data"
        there = stack.enter_context(place(name, target, kept))
        client = stack.enter_context(Client(config=there.config))
        _open(client, name, order)
        window = stack.enter_context(view(live))
        return _Search(order, there, client, window, folder).run(function)


def _open(client: Client, name: str, order: _Order) -> None:
    """Create the search, or go on with that of an earlier call, also where the default searcher was another then."""
    from rungway._local.place import open_search

    try:
        open_search(client, name, order.document())
    except ConfigDiffers:
        if order.may_be_older:
            with suppress(ConfigDiffers):
                open_search(client, name, order.document("adaptive_asha"))
                return
        raise


def _write(fn: Callable[[Any], Any], folder: Path) -> Path:
    """The function as a file for the workers, behind the folders from which they import. Raises InvalidArgument when it
    cannot be sent to another process, FailedPrecondition (NO_LOCAL_SERVICE) without the package cloudpickle."""
    try:
        import cloudpickle
    except ModuleNotFoundError:
        raise FailedPrecondition(
            "functions are sent to workers with cloudpickle, which is not installed: pip install 'rungway[local]'",
            reason="NO_LOCAL_SERVICE",
        ) from None
    path = folder / "function"
    try:
        sent = cloudpickle.dumps(fn)
    except Exception as error:
        raise InvalidArgument.one(
            "fn", f"cannot be sent to a worker process: {type(error).__name__}: {error}"
        ) from None
    path.write_bytes(pickle.dumps(list(sys.path)) + sent)
    return path


class _Search:
    """One search under way."""

    def __init__(self, order: _Order, there: "Place", client: Client, window: "View", folder: Path) -> None:
        self._order, self._place, self._client, self._view, self._folder = order, there, client, window, folder

    def run(self, function: Path) -> SearchResult:
        """Start the workers, wait for the end of the search, and read what was found."""
        from rungway._local.crew import Crew
        from rungway._local.worker import BY_CONFIGURATION, BY_TRIAL

        experiment = self._look()
        if experiment.state not in OVER:
            crew = Crew(
                function,
                BY_TRIAL if self._order.by_trial else BY_CONFIGURATION,
                requests.whole("n_workers", self._order.n_workers, least=1),
                folder=self._folder,
                environment=self._place.environment,
                say=self._view.say,
            )
            try:
                while (experiment := self._look()).state not in OVER:
                    trials = experiment.trials
                    crew.tend((experiment.trained_length, trials.completed, trials.failed, trials.invalid))
                    time.sleep(_LOOK_SECONDS)
            finally:
                crew.stop()
        return self._result(experiment)

    def _look(self) -> Experiment:
        self._place.check()
        experiment = self._client.get_experiment()
        self._view.show(experiment, self._client.best)
        if experiment.reason is Reason.FAILING:
            raise FailedPrecondition(
                f"the first trials all failed, the last one with: {experiment.message}", reason="FAILING"
            )
        return experiment

    def _result(self, experiment: Experiment) -> SearchResult:
        best = self._client.best()
        if best is None:
            failed = "; ".join(experiment.warnings) or "no trial has a real result"
            raise FailedPrecondition(f"the search is {experiment.state}: {failed}", reason="NO_RESULT")
        return SearchResult(experiment, self._client.get_trial(best.trial), tuple(self._client.list_trials()))
