"""What training would have given: learning curves by trial and length, and the seconds they take."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

SECONDS_PER_UNIT = 1.0
"""What a unit of length takes where nothing else is known."""


class BadCurves(Exception):
    """The curves cannot be used for this search; the text says why."""


class Checkpoint(NamedTuple):
    """What a clone begins with: another trial as it was at a length."""

    trial: int
    length: int


class Curves(Protocol):
    """Learning curves of the trials of one search. Lengths are absolute; all values are finite."""

    name: str
    """For titles."""
    max_length: int
    """The longest training that the curves know."""
    smaller_is_better: bool
    """Direction of the metric."""
    unit_seconds: float
    """What a unit of length takes on average (seconds): the unit of time of `Fleet.drop_probability`."""

    def metric(self, trial: int, length: int) -> float:
        """The validation result of a trial at a length from 1 to `max_length`."""
        ...

    def seconds(self, trial: int, start: int, end: int) -> float:
        """The seconds that training a trial from one length to another takes on a machine without trouble."""
        ...

    def ends(self, trial: int) -> int:
        """The length at which the training of a trial is over by itself; `max_length` when it never is before."""
        ...

    def configured(self, trial: int, hparams: Mapping[str, object], checkpoint: Checkpoint | None = None) -> None:
        """A trial has come up whose hyperparameters do not follow from its number: a clone (population based training),
        which begins with this checkpoint, or one of a search with several sources of configurations."""
        ...

    def finals(self) -> Sequence[float]:
        """The results at `max_length` of everything that a search could have drawn."""
        ...


@runtime_checkable
class Several(Curves, Protocol):
    """Curves of several metrics: of the first, and of those that a search ranks by beside it."""

    def further(self, trial: int, length: int) -> Mapping[str, float]:
        """The further metrics of a trial at a length, by name. They may be NaN."""
        ...

    def final_further(self) -> Sequence[Mapping[str, float]]:
        """Those at `max_length` of everything that a search could have drawn, in the order of `finals`."""
        ...


def check_fit(curves: Curves, max_length: int, smaller_is_better: bool) -> None:
    """Raise BadCurves unless a search of this length and direction can be run with these curves."""
    if max_length > curves.max_length:
        raise BadCurves(
            f"{curves.name} ends at length {curves.max_length:,}, but the search trains to {max_length:,}:"
            f" set searcher.max_length to at most {curves.max_length:,}"
        )
    if smaller_is_better != curves.smaller_is_better:
        better = "smaller" if curves.smaller_is_better else "larger"
        wanted = str(curves.smaller_is_better).lower()
        raise BadCurves(f"the metric of {curves.name} is better when {better}: set smaller_is_better: {wanted}")
