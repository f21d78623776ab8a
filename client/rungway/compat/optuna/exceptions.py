"""What the calls and the objective may raise. All but TrialPruned are errors of Rungway (rungway.RungwayError)."""

from typing import Any

from rungway._core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, Unimplemented


class TrialPruned(Exception):
    """Raise it in an objective to end its trial: it is PRUNED, and its value does not count."""


class DuplicatedStudyError(AlreadyExists):
    """There is a study of this name: give load_if_exists=True to go on with it."""


class NotOffered(Unimplemented):
    """Something of Optuna that is not there with Rungway."""

    def __init__(self, what: str, instead: str) -> None:
        super().__init__(f"{what} is not offered: {instead}", reason="NOT_OFFERED", details={"name": what})


class SpaceDiffers(InvalidArgument):
    """The objective asks for other hyperparameters than the study has: a study has one space, which is recorded from
    the first call of the objective, or given to create_study."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(problem, reason="SPACE_DIFFERS", details={"name": name})
        self.violations = [(name, problem)]


class NoCompletedTrial(FailedPrecondition, ValueError):
    """The study has no trial yet that has returned a value."""

    def __init__(self) -> None:
        super().__init__("no trial has returned a value yet", reason="NO_RESULT")


_INSTEAD = {
    "CLIUsageError": "rungway.RungwayError",
    "ExperimentalWarning": "nothing warns of that here: leave it out",
    "OptunaError": "rungway.RungwayError",
    "StorageInternalError": "rungway.Unavailable",
    "UpdateFinishedTrialError": "rungway.FailedPrecondition",
}


def __getattr__(name: str) -> Any:  # as in _refused.py, which imports this module
    if name in _INSTEAD:
        raise NotOffered(f"optuna.exceptions.{name}", _INSTEAD[name])
    raise AttributeError(f"rungway.compat.optuna has no 'optuna.exceptions.{name}'")
