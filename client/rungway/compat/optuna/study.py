"""Studies: a search of the service, and the calls of an objective for its trials."""

import os
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from itertools import count
from typing import Any

from rungway._core.enums import DecisionForm, Reason
from rungway._core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from rungway._sync.client import Client
from rungway.compat.optuna._order import Order, StudyDirection, ordered
from rungway.compat.optuna._refused import refused
from rungway.compat.optuna._running import Running, recorded
from rungway.compat.optuna._space import Space
from rungway.compat.optuna.exceptions import DuplicatedStudyError, NoCompletedTrial, NotOffered
from rungway.compat.optuna.pruners import Pruner
from rungway.compat.optuna.samplers import RandomSampler
from rungway.compat.optuna.trial import FrozenTrial, Trial, TrialState
from rungway.models.experiments import Experiment

__all__ = ["MaxTrialsCallback", "Study", "StudyDirection", "create_study", "delete_study", "load_study"]
_numbers = count(1)


class Study:
    """A search of the service. `create_study` and `load_study` make one; it may be used by several threads."""

    def __init__(
        self, name: str, order: Order, stack: ExitStack, client: Client, experiment: Experiment | None
    ) -> None:
        self.study_name = name
        """Its name, which is the id of the search."""
        self.client = client
        """The client of the search, for all that Rungway has and Optuna has not."""
        self._order = order
        self._enqueued: list[tuple[dict[str, Any], bool]] = []
        self._running: Running | None = None
        self._experiment: Experiment | None = None
        self._finalizer = weakref.finalize(self, stack.close)
        if experiment is not None:
            self._open(experiment)

    # Optimising.

    def optimize(
        self,
        func: Callable[[Trial], float],
        n_trials: int | None = None,
        timeout: float | None = None,
        n_jobs: int = 1,
        catch: Iterable[type[Exception]] | type[Exception] = (),
        callbacks: Iterable[Callable[["Study", FrozenTrial], None]] | None = None,
        gc_after_trial: bool = False,
        show_progress_bar: bool = False,
    ) -> None:
        """Call the objective for `n_trials` further trials of the study (None = until `timeout` seconds are over, or
        for ever), in `n_jobs` threads (-1 = one for each core). Any number of processes may do so at once.

        The first call for a new study without a `space` records it: see docs/integrations.md. A trial whose objective
        raises has failed; the error is raised, unless it is one of `catch`. KeyboardInterrupt and rungway.Preempted
        give the trial back at no cost. Raises SpaceDiffers, and FailedPrecondition (FAILING) when the first trials all
        failed.
        """
        if show_progress_bar:
            raise NotOffered("optimize(show_progress_bar=True)", "`rungway watch STUDY`, or the page, shows progress")
        if self._running is not None:
            raise FailedPrecondition("this study is optimizing already", reason="OPTIMIZE_STATE")
        running = Running(self, func, n_trials, timeout, catch, callbacks, gc_after_trial)
        if running.is_over:  # n_trials or timeout is 0: the objective is not called to record the space, either
            return
        self._running = running
        try:
            if self._experiment is None:
                self._create(func, running)
            self._enqueue(running)
            running.run(n_jobs)
        finally:
            self._running = None

    def stop(self) -> None:
        """Start no more trials in the `optimize` under way. Raises FailedPrecondition when there is none."""
        if self._running is None:
            raise FailedPrecondition(
                "stop is for callbacks and objectives: nothing is optimizing", reason="OPTIMIZE_STATE"
            )
        self._running.stop()

    def enqueue_trial(
        self, params: Mapping[str, Any], user_attrs: Mapping[str, Any] | None = None, skip_if_exists: bool = False
    ) -> None:
        """Let the next new trial of `optimize` have these hyperparameters; those that are missing are drawn. Outside of
        `optimize` they are kept by this object until then, which raises InvalidArgument for values that the space does
        not have."""
        if user_attrs:
            raise NotOffered("enqueue_trial with user_attrs", "set them in the objective")
        self._enqueued.append((dict(params), skip_if_exists))
        if self._running is not None and self._experiment is not None:
            self._enqueue(self._running)

    # Results.

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials by number."""
        return self.get_trials()

    def get_trials(self, deepcopy: bool = True, states: Sequence[TrialState] | None = None) -> list[FrozenTrial]:
        """All trials by number, or those in one of the states. They are read anew each time."""
        if self._experiment is None:
            return []
        found = [FrozenTrial(self, each) for each in self.client.list_trials()]
        return [each for each in found if states is None or each.state in states]

    @property
    def best_trial(self) -> FrozenTrial:
        """The trial that returned the best value. Raises NoCompletedTrial."""
        best = self.client.best(by="final") if self._experiment is not None else None
        if best is None:
            raise NoCompletedTrial
        return FrozenTrial(self, best)

    @property
    def best_params(self) -> dict[str, Any]:
        """The hyperparameters of the best trial. Raises NoCompletedTrial."""
        return self.best_trial.params

    @property
    def best_value(self) -> float:
        """The value that the best trial returned. Raises NoCompletedTrial."""
        value = self.best_trial.value
        assert value is not None
        return value

    @property
    def direction(self) -> StudyDirection:
        """Whether smaller or larger values are better."""
        if self._experiment is None:
            return self._order.direction
        smaller = self._experiment.config["searcher"]["smaller_is_better"]
        return StudyDirection.MINIMIZE if smaller else StudyDirection.MAXIMIZE

    @property
    def directions(self) -> list[StudyDirection]:
        """The direction as a list."""
        return [self.direction]

    # For the other modules.

    @property
    def space(self) -> Space:
        """What the objective may ask for, once the search is there."""
        assert self._experiment is not None
        return Space(self._experiment.config["hyperparameters"])

    @property
    def has_no_steps(self) -> bool:
        """Whether trials have a value and nothing before it."""
        plan = self._experiment.plan if self._experiment else None
        return plan is None or plan.max_length == 1

    def _create(self, func: Callable[[Trial], float], running: Running) -> None:
        first = self._enqueued[0][0] if self._enqueued else {}
        record = recorded(self, func, running.catch, first) if self._order.space is None else None
        document = self._order.document(record, running.missing)
        try:
            experiment = self.client.create_experiment(self.study_name, document)
        except AlreadyExists:  # by another process, meanwhile
            if not self._order.may_exist:
                raise DuplicatedStudyError(f"there is a study {self.study_name!r} already") from None
            experiment = self.client.get_experiment()
        self._open(experiment)
        if experiment.trials.started == 0 and record is not None and record.value is not None and self.has_no_steps:
            if first.items() <= record.params.items():
                self._enqueued = self._enqueued[1:]  # its value is there
            running.settle(record)

    def _enqueue(self, running: Running) -> None:
        """Hand what was enqueued to the service."""
        waiting, self._enqueued = self._enqueued, []
        there = [each.params for each in self.trials] if any(skip for _, skip in waiting) else []
        for params, skip in waiting:
            if skip and any(each.items() >= params.items() for each in there):
                continue
            running.make_room(max(running.missing, len(waiting)))
            self.client.enqueue_trial(self.space.nested(params))

    def _open(self, experiment: Experiment) -> None:
        """Raises FailedPrecondition when the trials of the search may be paused, or its direction is another one."""
        plan = experiment.plan
        assert plan is not None  # of lists only
        if plan.form is not DecisionForm.STOP and any(len(bracket.rungs) > 1 for bracket in plan.brackets):
            raise FailedPrecondition(
                f"the search {experiment.experiment!r} pauses trials, and an objective cannot be resumed: it needs "
                "stop_once, or one length",
                reason="NOT_RESUMABLE",
            )
        self._experiment = experiment
        if experiment.reason is Reason.FAILING:
            self._experiment = self.client.resume_experiment()
        if self._order.direction not in (StudyDirection.NOT_SET, self.direction):
            raise InvalidArgument.one(
                "direction",
                f"got {self._order.direction.name.lower()}, and the study is to {self.direction.name.lower()}",
            )

    def __getattr__(self, name: str) -> Any:
        raise refused(
            f"study.{name}",
            name,
            {
                "ask": "client.ask is the loop without an objective (docs/sdk.md)",
                "tell": "client.tell is the loop without an objective (docs/sdk.md)",
                "best_trials": "one objective can be searched for: best_trial",
                "trials_dataframe": "study.client.to_dataframe() has all trials, with columns of its own",
                "set_user_attr": "labels are for people: study.client.update_experiment(labels=…)",
                "user_attrs": "labels are for people: study.client.get_experiment().labels",
                "set_metric_names": "give create_study searcher={'metric': …}",
                "metric_names": "study.client.get_experiment().config has the metric",
                "add_trial": "study.client.enqueue_trial takes known results",
                "add_trials": "study.client.enqueue_trial takes known results",
                "sampler": "configurations are drawn at random",
                "pruner": "study.client.get_experiment().plan has the rungs",
            },
        )


class MaxTrialsCallback:
    """Stops `optimize` when the study has so many trials in one of the states, by all its processes."""

    def __init__(self, n_trials: int, states: Sequence[TrialState] | None = (TrialState.COMPLETE,)) -> None:
        self._most, self._states = n_trials, states

    def __call__(self, study: Study, trial: FrozenTrial) -> None:
        """Called after each trial."""
        if len(study.get_trials(states=self._states)) >= self._most:
            study.stop()


def create_study(
    *,
    storage: None = None,
    sampler: RandomSampler | None = None,
    pruner: Pruner | None = None,
    study_name: str | None = None,
    direction: str | StudyDirection | None = None,
    load_if_exists: bool = False,
    directions: Sequence[str | StudyDirection] | None = None,
    space: Mapping[str, Any] | None = None,
    searcher: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    target: str | None = None,
) -> Study:
    """A study, whose search is created by its first `optimize`.

    `space`, `searcher`, `config` and `target` are Rungway's: the hyperparameters (`rungway.uniform` and others),
    further keys of the searcher and of the configuration ({"seed": 1}), and where the service is. Without a target and
    without RUNGWAY_TARGET one of this machine is started (the extra `local`), which keeps studies that have a name.

    Raises DuplicatedStudyError when there is a study of this name, unless `load_if_exists`; NotOffered for storages,
    samplers, pruners and several objectives that are not there; InvalidArgument; and errors of the connection.
    """
    order = ordered(storage, sampler, pruner, direction, directions, space, searcher, config, load_if_exists)
    return _study(study_name, order, target)


def load_study(
    *, study_name: str, storage: None = None, sampler: RandomSampler | None = None, pruner: Pruner | None = None
) -> Study:
    """A study that is there: any search that pauses no trials. Raises NotFound, and what `create_study` raises."""
    order = ordered(storage, sampler, pruner, None, None, None, None, None, True)
    study = _study(study_name, order, None)
    if study._experiment is None:
        study._open(study.client.get_experiment())
    return study


def delete_study(*, study_name: str, storage: None = None) -> None:
    """Remove a study and all its trials. Raises NotFound."""
    study = load_study(study_name=study_name, storage=storage)
    study.client.delete_experiment()


def _study(name: str | None, order: Order, target: str | None) -> Study:
    from rungway._local.place import place  # fcntl: not everywhere

    chosen = name or f"study-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{next(_numbers)}"
    with ExitStack() as stack:
        there = stack.enter_context(place(chosen, target, order.data(stack, name, target)))
        client = stack.enter_context(Client(config=there.config))
        try:
            experiment: Experiment | None = client.get_experiment()
        except NotFound:
            experiment = None
        if experiment is not None and not order.may_exist:
            raise DuplicatedStudyError(f"there is a study {chosen!r} already: load_if_exists=True goes on with it")
        return Study(chosen, order, stack.pop_all(), client, experiment)
