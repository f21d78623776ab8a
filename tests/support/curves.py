"""Learning curves of tests, for simulations."""

from collections.abc import Mapping

from rungway_server.simulation.curves import Checkpoint


class SteadyCurves:
    """Every training reaches the maximum length, and a unit of length takes a second. Subclasses have the metrics."""

    name, max_length, smaller_is_better, unit_seconds = "", 1, True, 1.0

    def seconds(self, trial: int, start: int, end: int) -> float:
        return float(end - start)

    def ends(self, trial: int) -> int:
        return self.max_length

    def configured(self, trial: int, hparams: Mapping[str, object], checkpoint: Checkpoint | None = None) -> None:
        raise AssertionError("no population here")
