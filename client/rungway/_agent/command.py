"""A training command with placeholders, and the variables it is given: what is wrong is found before anything runs."""

import difflib
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rungway._agent.space import Parameter, flat, parameters
from rungway._core.environment import PARAMETER
from rungway._core.errors import InvalidArgument
from rungway.models.experiments import Experiment
from rungway.values import text_of

_PLACEHOLDER = re.compile(r"\{\{([A-Za-z_][\w.-]*)\}\}|\{([A-Za-z_][\w.-]*)\}")
"""{{name}} stands for the text {name}; any other braces stand for themselves."""
_NOT_IN_VARIABLES = re.compile(r"[^A-Za-z0-9_]")


@dataclass(frozen=True, slots=True)
class Start:
    """One start of the command for a trial; lengths are in the experiment's unit."""

    trial: int
    hparams: dict[str, Any]
    from_length: int
    to_length: int
    checkpoint: str
    place: int
    """Which of the agent's places it takes, counted from 0: one of several devices, for example."""


class Command:
    """The training command of a search."""

    def __init__(self, arguments: Sequence[str], experiment: Experiment, *, partial: bool = False) -> None:
        """Raises InvalidArgument for a command that cannot be run, for unknown placeholders and, unless `partial`, for
        hyperparameters without a placeholder while others have one."""
        self._arguments = list(arguments)
        self._parameters = tuple(parameters(experiment.config["hyperparameters"]))
        unit = experiment.plan.unit if experiment.plan else ""
        self.extras = {"trial", "from_length", "length", "checkpoint", "place", *([unit] if unit else [])}
        """Placeholders that are no hyperparameters: `length` and the unit are where to train to."""
        self._unit = unit
        self._check_program()
        self._check_placeholders(partial)
        self._check_variables()

    def arguments(self, start: Start) -> list[str]:
        """The arguments of one start. One with the placeholder of a parameter that the configuration leaves out is left
        out, too."""
        values = self._extra_values(start) | {
            name: text_of(value) for name, value in flat(start.hparams, self._parameters).items()
        }
        return [
            _PLACEHOLDER.sub(lambda found: f"{{{found[1]}}}" if found[1] else values[found[2]], argument)
            for argument in self._arguments
            if _names(argument) <= values.keys()
        ]

    def environment(self, start: Start, params_file: str) -> dict[str, str]:
        """The variables of one start. The file has the configuration as JSON."""
        values = flat(start.hparams, self._parameters)
        return {
            "RUNGWAY_TRIAL": str(start.trial),
            "RUNGWAY_FROM_LENGTH": str(start.from_length),
            "RUNGWAY_TO_LENGTH": str(start.to_length),
            "RUNGWAY_CHECKPOINT": start.checkpoint,
            "RUNGWAY_PARAMS_FILE": params_file,
            "RUNGWAY_PLACE": str(start.place),
            **{_variable(name): text_of(value) for name, value in values.items()},
        }

    def _extra_values(self, start: Start) -> dict[str, str]:
        values = {
            "trial": str(start.trial),
            "from_length": str(start.from_length),
            "length": str(start.to_length),
            "checkpoint": start.checkpoint,
            "place": str(start.place),
        }
        return values | ({self._unit: str(start.to_length)} if self._unit else {})

    def _check_program(self) -> None:
        if not self._arguments:
            raise InvalidArgument.one("command", "got none, wanted the training command after --")
        program = self._arguments[0]
        if not _names(program) and shutil.which(program) is None:
            raise InvalidArgument.one("command", f"got {program!r}, wanted a program that can be run here")

    def _check_placeholders(self, partial: bool) -> None:
        known = {parameter.name: parameter for parameter in self._parameters}
        used = {name for argument in self._arguments for name in _names(argument)}
        for name in sorted(used - known.keys() - self.extras):
            near = difflib.get_close_matches(name, [*known, *self.extras], n=1, cutoff=0.0)
            advice = f"the nearest is {{{near[0]}}}; for the text itself write {{{{{name}}}}}"
            raise InvalidArgument.one("command", f"got {{{name}}}, which is no hyperparameter of the search: {advice}")
        wanted = [name for name, each in known.items() if not each.is_constant and name not in used]
        if used & known.keys() and wanted and not partial:
            raise InvalidArgument.one(
                "command",
                f"no placeholder for {', '.join(f'{{{name}}}' for name in wanted)}: add them or, "
                "if the script reads them from its environment, say --partial",
            )
        for argument in self._arguments:
            self._check_conditional(argument, known)

    def _check_conditional(self, argument: str, known: Mapping[str, Parameter]) -> None:
        """A placeholder alone would leave the name of its option behind when its parameter is left out."""
        name = argument[1:-1]
        if _names(argument) == {name} and name in known and known[name].is_conditional:
            raise InvalidArgument.one(
                "command",
                f"got {argument} alone, of a parameter that some configurations leave out: "
                f"write --{name}={argument}, which is then left out as a whole",
            )

    def _check_variables(self) -> None:
        seen: dict[str, str] = {}
        for parameter in self._parameters:
            variable = _variable(parameter.name)
            if other := seen.get(variable):
                raise InvalidArgument.one(
                    "hyperparameters",
                    f"{other!r} and {parameter.name!r} would share the variable {variable}: rename one",
                )
            seen[variable] = parameter.name


def _names(argument: str) -> set[str]:
    return {found[2] for found in _PLACEHOLDER.finditer(argument) if found[2]}


def _variable(name: str) -> str:
    return PARAMETER + _NOT_IN_VARIABLES.sub("_", name)
