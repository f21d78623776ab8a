"""A sweep: a search, whose trials go to the launcher one by one, as many at once as there are slots."""

import logging
import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from hydra_plugins.rungway_sweeper._space import Searched, searched
from hydra_plugins.rungway_sweeper._task import VARIABLE, packed
from rungway import Client, DeadlineExceeded, InvalidArgument, Outcome
from rungway._core import requests
from rungway._core.threads import run_in_threads
from rungway._local.place import Place, open_search, place
from rungway.models.work import Assignment

if TYPE_CHECKING:
    from hydra_plugins.rungway_sweeper.rungway_sweeper import RungwaySweeper

RESULTS = "optimization_results.yaml"
"""The file in the folder of the sweep that has the best, as that of other sweepers."""
_LOOK_SECONDS = 1.0
"""How long a slot waits for work until it looks whether the sweep is to end."""
_log = logging.getLogger(__name__)


def sweep(sweeper: "RungwaySweeper", arguments: list[str]) -> dict[str, Any]:
    """See RungwaySweeper.sweep. Raises InvalidArgument, ConfigDiffers when there is another search with this id,
    FailedPrecondition (FAILING) when the first trials all failed, and errors of the connection."""
    assert sweeper.config is not None
    assert sweeper.hydra_context is not None
    settings = _settings(sweeper)
    fixed, space = _read(sweeper, arguments, settings["params"])
    jobs = requests.whole("hydra.sweeper.n_jobs", settings["n_jobs"], least=1)
    if jobs > 1 and str(sweeper.config.hydra.launcher["_target_"]).endswith(".BasicLauncher"):
        problem = f"got {jobs}, and the basic launcher runs one job at a time: take hydra/launcher=joblib or another"
        raise InvalidArgument.one("hydra.sweeper.n_jobs", problem)
    sweeper.validate_batch_is_legal([fixed + [f"{key}={each.written(each.example())}" for key, each in space.items()]])
    name = settings["experiment"] or f"sweep-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    folder = Path(sweeper.config.hydra.sweep.dir)
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(sweeper.config, folder / "multirun.yaml")
    with ExitStack() as stack:
        there = stack.enter_context(place(name, settings["target"], None))
        client = stack.enter_context(Client(config=there.config))
        open_search(client, name, _document(settings, space))
        _log.info("Sweep %s at %s %s", name, there.config.target, there.page)
        _Slots(sweeper, client, there, fixed, space).run(jobs)
        found = _found(client, name)
    OmegaConf.save(OmegaConf.create(found), folder / RESULTS)
    if found["best_params"] is None:
        _log.warning("No trial of %s has a result: `rungway explain %s` says why", name, name)
    else:
        _log.info("Best: %s with %s", found["best_value"], found["best_params"])
    return found


def _settings(sweeper: "RungwaySweeper") -> dict[str, Any]:
    """The settings as plain values; what was left out of the last three is empty. Raises InvalidArgument for one of
    these that is no mapping."""
    plain = {
        key: OmegaConf.to_container(each) if OmegaConf.is_config(each) else each
        for key, each in sweeper.settings.items()
    }
    for key in ("params", "searcher", "config"):
        plain[key] = {} if plain[key] is None else plain[key]
        if not isinstance(plain[key], Mapping):
            raise InvalidArgument.one(f"hydra.sweeper.{key}", f"got {plain[key]!r:.100}, wanted a mapping")
    return plain


def _read(
    sweeper: "RungwaySweeper", arguments: list[str], params: Mapping[str, Any]
) -> tuple[list[str], dict[str, Searched]]:
    """The overrides that all trials share, and the space; arguments of the command line win."""
    assert sweeper.hydra_context is not None
    space = {key: Searched(node) for key, node in params.items() if isinstance(node, Mapping)}
    lines = [f"{key}={node}" for key, node in params.items() if not isinstance(node, Mapping)]
    fixed: dict[str, str] = {}
    parser = OverridesParser.create(config_loader=sweeper.hydra_context.config_loader)
    for override in parser.parse_overrides([*lines, *arguments]):
        key = override.get_key_element()
        space.pop(key, None)
        fixed.pop(key, None)
        if override.is_sweep_override():
            space[key] = searched(override)
        else:
            fixed[key] = key if override.is_delete() else f"{key}={override.get_value_element_as_str()}"
    if not space:
        raise InvalidArgument.one(
            "hydra.sweeper.params", "no override sweeps: write lr=interval(0.001,0.1) or the like"
        )
    return list(fixed.values()), space


def _document(settings: Mapping[str, Any], space: Mapping[str, Searched]) -> dict[str, Any]:
    """The configuration of the search."""
    if settings["direction"] not in ("minimize", "maximize"):
        problem = f"got {settings['direction']!r}, wanted minimize or maximize"
        raise InvalidArgument.one("hydra.sweeper.direction", problem)
    searcher = {
        "name": "adaptive_asha" if "max_length" in settings["searcher"] else "random",
        "metric": settings["metric"],
        "smaller_is_better": settings["direction"] == "minimize",
        "max_trials": settings["n_trials"],
        "max_concurrent_trials": 0,
        "max_length": 1,
        **settings["searcher"],
    }
    return {
        **settings["config"],
        "hyperparameters": {_name(key): each.node for key, each in space.items()},
        "searcher": searcher,
    }


def _name(key: str) -> str:
    """The name of the hyperparameter of an override: without "+"."""
    return key.lstrip("+")


def _found(client: Client, name: str) -> dict[str, Any]:
    best = client.best()
    return {
        "name": "rungway",
        "experiment": name,
        "best_params": best.hparams if best else None,
        "best_value": best.best_metric if best else None,
    }


class _Slots:
    """The slots of a launcher, each with one trial at a time."""

    def __init__(
        self, sweeper: "RungwaySweeper", client: Client, there: Place, fixed: list[str], space: Mapping[str, Searched]
    ) -> None:
        self._launcher, self._client, self._place = sweeper.launcher, client, there
        self._fixed, self._space = fixed, space
        self._stopped = False

    def run(self, jobs: int) -> None:
        """Until the search is over. Raises the first error of a slot, once all are through."""
        run_in_threads(self._work, jobs, "slot", self._stop)

    def _stop(self) -> None:
        self._stopped = True

    def _work(self) -> None:
        try:
            while (assignment := self._next()) is not None:
                self._launch(assignment)
        finally:
            self._stopped = True

    def _next(self) -> Assignment | None:
        while not self._stopped:
            self._place.check()
            try:
                return self._client.ask(timeout=_LOOK_SECONDS)
            except DeadlineExceeded:
                continue
        return None

    def _launch(self, assignment: Assignment) -> None:
        """One job. The lease is renewed here as well: a job may wait long until it begins."""
        values = ((key, self._space[key], assignment.hparams.get(_name(key), _ABSENT)) for key in self._space)
        mine = [f"{key}={each.written(value)}" for key, each, value in values if value is not _ABSENT]
        text = packed(self._place.config.target, self._client.config.experiment, assignment)
        hidden = f"hydra.job.env_set.{VARIABLE}='{text}'"
        assert self._launcher is not None
        try:
            # The number of the trial: a trial that goes on does so in its own folder.
            (job,) = self._launcher.launch([[*self._fixed, *mine, hidden]], initial_job_idx=assignment.trial)
        except Exception as error:  # the launcher itself, or the process of the job
            _log.warning("The job of trial %d is lost: %s: %s", assignment.trial, type(error).__name__, error)
            self._client.fail(assignment, Outcome.TRANSIENT, f"{type(error).__name__}: {error}")
            return
        try:
            _ = job.return_value
        except Exception as error:
            _log.warning("Trial %d failed: %s: %s", assignment.trial, type(error).__name__, error)
            # The job has said so, unless it failed before its task began.
            self._client.fail(assignment, Outcome.ERROR, f"{type(error).__name__}: {error}")


_ABSENT = object()
"""The value of a hyperparameter whose condition is not met."""
