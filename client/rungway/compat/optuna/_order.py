"""What create_study was given, and the configuration of the search that is made of it."""

import enum
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rungway._core.config import named_target
from rungway._core.errors import InvalidArgument
from rungway.compat.optuna.exceptions import NotOffered
from rungway.compat.optuna.pruners import NopPruner, Pruner
from rungway.compat.optuna.samplers import RandomSampler

if TYPE_CHECKING:
    from rungway.compat.optuna._running import Record

_NAMES = ("async_halving", "adaptive_asha", "random", "grid")
"""Searchers that need not pause a trial."""


class StudyDirection(enum.Enum):
    """Whether smaller or larger values are better."""

    NOT_SET = 0
    MINIMIZE = 1
    MAXIMIZE = 2


@dataclass(frozen=True, slots=True)
class Order:
    """A study as it was asked for."""

    direction: StudyDirection
    pruner: Pruner | None
    seed: int | None
    space: Mapping[str, Any] | None
    searcher: Mapping[str, Any]
    config: Mapping[str, Any]
    may_exist: bool

    def document(self, record: "Record | None", max_trials: int) -> dict[str, Any]:
        """The configuration of the search. Without a record the space was given."""
        kind = (self.pruner or Pruner()).searcher()
        if record is not None and not record.prunes:
            kind = NopPruner().searcher() if record.reports else {"name": "random", "max_length": 1}
        named = self.searcher.get("name")
        if named is not None and named != kind["name"]:
            stopping = {"stop_once": True} if named in _NAMES[:2] else {}
            kind = {"max_length": kind["max_length"], **stopping}
        seed = {} if self.seed is None else {"seed": self.seed}
        return {
            **seed,
            **self.config,
            "hyperparameters": dict(record.space if record else self.space or {}),
            "searcher": {
                "metric": "value",
                "smaller_is_better": self.direction is not StudyDirection.MAXIMIZE,
                "max_trials": max_trials,
                "max_concurrent_trials": 0,
                "unit": "steps",
                **kind,
                **self.searcher,
            },
        }

    def data(self, stack: ExitStack, name: str | None, target: str | None) -> Path | None:
        """The folder of a service that is started: a temporary one for a study without a name, else None, which is the
        usual one."""
        if name is not None or named_target(target):
            return None
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rungway-"))) / "data"


def ordered(
    storage: object,
    sampler: object,
    pruner: object,
    direction: str | StudyDirection | None,
    directions: Sequence[str | StudyDirection] | None,
    space: Mapping[str, Any] | None,
    searcher: Mapping[str, Any] | None,
    config: Mapping[str, Any] | None,
    may_exist: bool,
) -> Order:
    """The arguments of create_study, checked. Raises NotOffered and InvalidArgument."""
    if storage is not None:
        raise NotOffered(
            f"storage={storage!r:.100}",
            "the service keeps studies by their names: leave it out, and say where the service is (target, "
            "RUNGWAY_TARGET)",
        )
    if sampler is not None and not isinstance(sampler, RandomSampler):
        raise NotOffered(f"sampler={type(sampler).__name__}", "configurations are drawn at random: leave it out")
    if pruner is not None and not isinstance(pruner, Pruner):
        raise NotOffered(f"pruner={type(pruner).__name__}", "take one of rungway.compat.optuna.pruners, or none")
    if directions is not None:
        if direction is not None or len(directions) != 1:
            raise NotOffered(f"directions={list(directions)!r:.100}", "one objective can be searched for: direction")
        direction = directions[0]
    for field, more in (("space", space), ("searcher", searcher), ("config", config)):
        if more is not None and not isinstance(more, Mapping):
            raise InvalidArgument.one(field, f"got {more!r:.100}, wanted a mapping")
    _check_searcher(searcher or {})
    return Order(
        _direction(direction),
        pruner,
        sampler.seed if sampler is not None else None,
        space,
        searcher or {},
        config or {},
        may_exist,
    )


def _check_searcher(searcher: Mapping[str, Any]) -> None:
    if (name := searcher.get("name", _NAMES[0])) not in _NAMES:
        problem = f"got {name!r}, wanted one that need not pause trials, which an objective cannot resume"
        raise InvalidArgument.one("searcher.name", f"{problem}: {', '.join(_NAMES)}")
    if searcher.get("stop_once", True) is not True:
        raise InvalidArgument.one(
            "searcher.stop_once", "got False: an objective cannot be resumed, so no trial may pause"
        )


def _direction(given: str | StudyDirection | None) -> StudyDirection:
    if isinstance(given, StudyDirection):
        return given
    if given is None:
        return StudyDirection.NOT_SET
    if given not in ("minimize", "maximize"):
        raise InvalidArgument.one("direction", f"got {given!r:.100}, wanted 'minimize' or 'maximize'")
    return StudyDirection[given.upper()]
