"""Finite spaces in the plainest form: how often each point was used is counted from scratch each time."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from rungway_server.domain.engine import TrialState
from rungway_server.domain.errors import InvalidInput
from tests.model.records import TrialRecord

Hparams = Mapping[str, object]


@dataclass(frozen=True)
class Finite:
    """A space of `size` points; a grid goes `samples` times through all of them, any other search without end (0).
    `uneven`: whether some are likelier than others."""

    size: int
    samples: int = 0
    uneven: bool = False


class Points:
    """The points of a search. `order` gives them by place: each stretch of `size` has every point once."""

    def __init__(self, space: Finite, order: Callable[[int], Hparams]) -> None:
        self.space = space
        self.order = order
        self.every = {_text(order(place)) for place in range(space.size)}

    def lost(self, trials: Sequence[TrialRecord]) -> int:
        """How many trials a grid will not have: those that its invalid points would have had."""
        if not self.space.samples:
            return 0
        invalid = self._invalid(trials)
        valid = Counter(_text(trial.hparams) for trial in trials if trial.state is not TrialState.INVALID)
        return sum(self.space.samples - valid[point] for point in invalid)

    def exhausted(self, trials: Sequence[TrialRecord]) -> bool:
        """Whether no point is left that a trial could have."""
        return self._invalid(trials) == self.every

    def following(self, trials: Sequence[TrialRecord]) -> Hparams:
        """The next point in the order of this pass that is free, when none is enqueued."""
        free, passes = self._free(trials, ())
        places = range(passes * self.space.size, (passes + 1) * self.space.size)
        return next(point for point in map(self.order, places) if _text(point) in free)

    def is_free(self, hparams: Hparams, trials: Sequence[TrialRecord], enqueued: Sequence[Hparams]) -> bool:
        """Whether a point is not used in this pass."""
        return _text(hparams) in self._free(trials, enqueued)[0]

    def check_free(self, hparams: Hparams, trials: Sequence[TrialRecord], enqueued: Sequence[Hparams]) -> None:
        """Raises InvalidInput for a point that was used, or is invalid."""
        if _text(hparams) not in self._free(trials, enqueued)[0]:
            raise InvalidInput.one("hparams", "was used", reason="POINT_USED")

    def without_invalid(self, trials: Sequence[TrialRecord], enqueued: Iterable[Hparams]) -> list[Hparams]:
        """The enqueued configurations that stay."""
        invalid = self._invalid(trials)
        return [hparams for hparams in enqueued if _text(hparams) not in invalid]

    def _free(self, trials: Sequence[TrialRecord], enqueued: Sequence[Hparams]) -> tuple[set[str], int]:
        """The points that were used least of those that are not invalid, and how often that is."""
        used = [trial.hparams for trial in trials if not trial.parent]
        uses, left = Counter(map(_text, [*used, *enqueued])), self.every - self._invalid(trials)
        passes = min((uses[point] for point in left), default=0)
        return {point for point in left if uses[point] == passes}, passes

    def _invalid(self, trials: Sequence[TrialRecord]) -> set[str]:
        return {_text(each.hparams) for each in trials if each.state is TrialState.INVALID and not each.parent}


def _text(hparams: Hparams) -> str:
    return json.dumps(hparams, sort_keys=True)
