"""Synthetic learning curves from a seed: for plans without a table, and for studies of time only."""

import math
from collections.abc import Callable, Mapping, Sequence

from rungway_server.domain.sampling.philox import philox, round_keys
from rungway_server.simulation.curves import SECONDS_PER_UNIT, Checkpoint

Shape = Callable[[tuple[float, float, float], float], float]


def _power(drawn: tuple[float, float, float], part: float) -> float:
    """Error falls as a power of the length: trials that are better early are mostly better at the end."""
    end, speed, _ = drawn
    return 0.02 + 0.6 * end * end + (0.38 - 0.3 * end) * math.pow(1 + 200 * part, -0.4 - 0.8 * speed)


def _crossing(drawn: tuple[float, float, float], part: float) -> float:
    """Curves cross: trials that start slowly end best, so stopping early is a mistake."""
    end, _, _ = drawn
    return 0.02 + 0.4 * end + (0.9 - 0.85 * end) * math.pow(1 - part, 1 + 2 * end)


def _random(drawn: tuple[float, float, float], part: float) -> float:
    """Noise only: results are independent."""
    return drawn[2]


SHAPES: dict[str, Shape] = {"power": _power, "crossing": _crossing, "random": _random}


class SyntheticCurves:
    """Made-up curves of any length: between 0 and 1, smaller is better."""

    smaller_is_better = True

    def __init__(
        self, shape: str, seed: int, max_length: int, trials: int, *, seconds_per_unit: float | None = None
    ) -> None:
        """Curves of a shape of SHAPES for a search of so many trials; a unit of length takes `seconds_per_unit`."""
        self.name, self.max_length, self.unit_seconds = shape, max_length, seconds_per_unit or SECONDS_PER_UNIT
        self._shape, self._trials = SHAPES[shape], trials
        self._keys = round_keys(seed, 0x53796E74)

    def metric(self, trial: int, length: int) -> float:
        """See `Curves`."""
        end, speed, _, _ = philox((trial, 0, 0, 0), self._keys)
        noise = philox((trial, length, 0, 0), self._keys)[0]
        return self._shape((end / 2**64, speed / 2**64, noise / 2**64), length / self.max_length)

    def seconds(self, trial: int, start: int, end: int) -> float:
        """See `Curves`."""
        return (end - start) * self.unit_seconds

    def ends(self, trial: int) -> int:
        """See `Curves`: made-up trainings never end by themselves."""
        return self.max_length

    def configured(self, trial: int, hparams: Mapping[str, object], checkpoint: Checkpoint | None = None) -> None:
        """See `Curves`; made-up curves have no hyperparameters, so `make_order` refuses such searches."""

    def finals(self) -> Sequence[float]:
        """See `Curves`."""
        return [self.metric(trial, self.max_length) for trial in range(self._trials)]
