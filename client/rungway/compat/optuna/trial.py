"""Trials: the one that an objective trains, and those that a study has."""

import enum
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rungway._core import requests
from rungway._core.enums import Reason
from rungway._core.enums import TrialState as Stored
from rungway._core.errors import FailedPrecondition, InvalidArgument
from rungway.compat.optuna._refused import refused
from rungway.compat.optuna._space import Node, Space, choice_node, choice_of, float_node, int_node, value_to_try
from rungway.compat.optuna.exceptions import NotOffered, SpaceDiffers
from rungway.models.work import Trial as StoredTrial
from rungway.values import plain

if TYPE_CHECKING:
    from datetime import datetime

    from rungway._sync.run import TrialRun
    from rungway.compat.optuna.study import Study

RETURNED = "returned"
"""Name of the further metric that marks the report of a returned value."""
_log = logging.getLogger("rungway.optuna")


class TrialState(enum.Enum):
    """The state of a trial."""

    RUNNING = 0
    COMPLETE = 1
    PRUNED = 2
    FAIL = 3
    WAITING = 4

    def is_finished(self) -> bool:
        """Whether it is over."""
        return self not in (TrialState.RUNNING, TrialState.WAITING)


_STATES = {
    Stored.RUNNING: TrialState.RUNNING,
    Stored.COMPLETED: TrialState.COMPLETE,
    Stored.STOPPED: TrialState.PRUNED,
    Stored.FAILED: TrialState.FAIL,
    Stored.INVALID: TrialState.FAIL,
}


class Trial:
    """The trial that an objective trains. One thread uses it."""

    def __init__(self, study: "Study", number: int) -> None:
        self.study = study
        """The study that it belongs to."""
        self.number = number
        """Its number, counted from 0; -1 in the call that records the space."""
        self.params: dict[str, Any] = {}
        """What was suggested so far, by name."""
        self.user_attrs: dict[str, float] = {}
        """What `set_user_attr` was given, by name."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A number from `low` to `high`. Raises SpaceDiffers when the study has another space, InvalidArgument for
        what is no range."""
        return float(self._suggest(name, float_node(name, low, high, step, log)))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """An integer from `low` to `high`, both included. Raises SpaceDiffers when the study has another space,
        InvalidArgument for what is no range of integers."""
        return int(self._suggest(name, int_node(name, low, high, step, log)))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices: texts, numbers, booleans, None. Raises SpaceDiffers when the study has another space."""
        return choice_of(choices, self._suggest(name, choice_node(name, choices)))

    def report(self, value: float, step: int) -> None:
        """Report the intermediate value after a step, counted from 0; steps grow. Raises InvalidArgument."""
        raise NotImplementedError

    def should_prune(self) -> bool:
        """Whether the service has stopped the trial at the value last reported: raise TrialPruned then."""
        raise NotImplementedError

    def set_user_attr(self, key: str, value: Any) -> None:
        """Keep a number with the trial; it is a further metric of its next report or of its value. Raises NotOffered
        for anything but a number."""
        number = plain(value)
        if not isinstance(number, bool | int | float) or key == RETURNED:
            raise NotOffered(
                f"set_user_attr({key!r}, {value!r:.60})",
                f"a trial keeps numbers, by any name but {RETURNED!r}; print or save what else there is",
            )
        self.user_attrs[key] = requests.further_metrics({key: float(number)})[key]

    def _suggest(self, name: str, node: Node) -> Any:
        if not isinstance(name, str):
            raise InvalidArgument.one("name", f"got {name!r:.100}, wanted a text")
        value = self._value(name, node)
        self.params[name] = value
        return value

    def _value(self, name: str, node: Node) -> Any:
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        raise refused(
            f"trial.{name}",
            name,
            {
                "suggest_uniform": "suggest_float",
                "suggest_loguniform": "suggest_float with log=True",
                "suggest_discrete_uniform": "suggest_float with a step",
                "set_constraint": "create_study(…, config={'constraints': …}) has those between hyperparameters",
                "set_system_attr": "set_user_attr keeps numbers",
                "system_attrs": "a trial keeps numbers, in user_attrs",
                "distributions": "study.client.get_experiment().config has the space",
                "relative_params": "params has all of them",
                "datetime_start": "study.trials has it",
            },
        )


class _Recorded(BaseException):
    """Ends the call that records the space."""


class RecordingTrial(Trial):
    """Notes what an objective asks for, until its pruning is asked for or it reports a second time. It has the values
    of `params`, and of each other range one that was not tried in the `turn` calls before."""

    def __init__(self, study: "Study", params: Mapping[str, Any], turn: int = 0) -> None:
        super().__init__(study, -1)
        self._given, self._turn = params, turn
        self.space: dict[str, Node] = {}
        self.reports = 0
        self.prunes = False

    def report(self, value: float, step: int) -> None:
        """The second one ends the call: an objective that has not asked by then is not pruned."""
        requests.metric_value(value, "value")
        requests.whole("step", step)
        self.reports += 1
        if self.reports > 1:
            raise _Recorded

    def should_prune(self) -> bool:
        """Ends the call: by now an objective has asked for all its hyperparameters."""
        self.prunes = True
        raise _Recorded

    def _value(self, name: str, node: Node) -> Any:
        if self.space.setdefault(name, node) != node:
            raise SpaceDiffers(name, f"one call of the objective asks for {name!r} twice, in two ranges")
        return self._given.get(name, value_to_try(node, self._turn))


class LiveTrial(Trial):
    """A trial under a lease."""

    def __init__(self, study: "Study", space: Space, run: "TrialRun") -> None:
        super().__init__(study, run.number)
        self._space, self._run = space, run
        self._told: dict[str, float] = {}
        self._asked = False
        self.last: float | None = None
        """The intermediate value last reported."""
        self.length = 0
        """Length of the last report: its step and one more."""

    def report(self, value: float, step: int) -> None:
        """Tell the value, at the length step + 1."""
        metric, length = requests.metric_value(value, "value"), requests.whole("step", step) + 1
        if length == self.length:
            _log.warning("trial %d has reported step %d twice: the second value is ignored", self.number, step)
            return
        if length < self.length:
            raise InvalidArgument.one("step", f"got {step} after {self.length - 1}, wanted a larger one")
        self.length, self.last = length, metric
        if self._run.should_stop:
            return
        if length > self._run.to_length:
            problem = f"got {step}, and the study goes up to {self._run.to_length - 1}"
            raise InvalidArgument.one("step", f"{problem}: say how many steps there are (pruner, searcher)")
        self._run.report(length, metric, metrics=self._new_attrs())

    def should_prune(self) -> bool:
        """What the service has said to the last report."""
        self._asked = True
        return self.is_pruned

    def end(self, value: float) -> None:
        """The objective has returned this value. Raises FailedPrecondition (NEVER_ASKED) when a rung has stopped the
        trial and the objective did not ask."""
        attrs = self._new_attrs()
        if not self._run.should_stop and (value != self.last or attrs):
            marked = {RETURNED: value} if self.length else {}
            self._run.report(self.length + 1, value, metrics=attrs | marked)
        elif self._run.should_stop and value != self.last:
            _log.warning("trial %d was over before: the value that it returned does not count", self.number)
        if not self._run.should_stop:
            self._run.finish()
        if self._reason is Reason.STOPPED_AT_RUNG and self.length and not self._asked:
            raise FailedPrecondition(
                f"trial {self.number} was stopped after step {self.length - 1}, and the objective never asked: call "
                "trial.should_prune() after each report, or give create_study pruner=optuna.pruners.NopPruner()",
                reason="NEVER_ASKED",
            )

    @property
    def is_pruned(self) -> bool:
        """Whether it was ended from outside: by a rung, with its search, or because its lease is lost."""
        return self._run.should_stop and self._reason is not Reason.COMPLETED

    def check_space(self) -> None:
        """Raises SpaceDiffers when it has parameters that the objective did not ask for."""
        if error := self._space.missing(self.params, self._run.hparams):
            raise error

    @property
    def _reason(self) -> Reason | None:
        reply = self._run.last_reply
        return None if reply is None else reply.reason

    def _new_attrs(self) -> dict[str, float]:
        new = {name: value for name, value in self.user_attrs.items() if self._told.get(name) != value}
        self._told |= new
        return new

    def _value(self, name: str, node: Node) -> Any:
        return self._space.value(name, node, self._run.hparams)


class FrozenTrial:
    """A trial as the service knows it when it is read."""

    def __init__(self, study: "Study", stored: StoredTrial) -> None:
        self._study, self._stored = study, stored
        self._curve = stored.curve
        self.number = stored.trial
        """Its number, counted from 0."""
        self.state = _STATES.get(stored.state, TrialState.WAITING)
        """WAITING: it was given back or its worker was lost, and it will be trained again."""
        self.datetime_start: datetime = stored.create_time
        """When it was first handed out (UTC, the clock of the service)."""

    @property
    def params(self) -> dict[str, Any]:
        """Its configuration by name, constants included, groups with dots between the names."""
        return dict(_flat(self._stored.hparams))

    @property
    def value(self) -> float | None:
        """What it returned; of a pruned trial the last intermediate value, None for one that has neither."""
        return self._stored.metric if self.state in (TrialState.COMPLETE, TrialState.PRUNED) else None

    @property
    def values(self) -> list[float] | None:
        """The value as a list."""
        return None if self.value is None else [self.value]

    @property
    def intermediate_values(self) -> dict[int, float]:
        """By step; read from the service when it is asked for first."""
        if self._study.has_no_steps:
            return {}
        return {each.length - 1: each.metric for each in self._read() if RETURNED not in each.metrics}

    @property
    def last_step(self) -> int | None:
        """The step last reported."""
        return max(self.intermediate_values, default=None)

    @property
    def user_attrs(self) -> dict[str, float]:
        """By name; read from the service when they are asked for first."""
        found = {name: value for each in self._read() for name, value in each.metrics.items()}
        return {name: value for name, value in found.items() if name != RETURNED}

    def _read(self) -> Sequence[Any]:
        if self._curve is None:
            self._curve = self._study.client.get_trial(self.number).curve or ()
        return self._curve

    def __repr__(self) -> str:
        return f"FrozenTrial(number={self.number}, state={self.state.name}, value={self.value}, params={self.params})"

    def __getattr__(self, name: str) -> Any:
        raise refused(
            f"FrozenTrial.{name}",
            name,
            {
                "datetime_complete": "study.client.explain_trial says when it ended",
                "duration": "study.client.to_dataframe() has durations",
                "distributions": "study.client.get_experiment().config has the space",
                "system_attrs": "a trial keeps numbers, in user_attrs",
            },
        )


def _flat(hparams: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for name, value in hparams.items():
        pairs += _flat(value, f"{before}{name}.") if isinstance(value, Mapping) else [(before + name, value)]
    return pairs
