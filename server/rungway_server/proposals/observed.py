"""What models see of a search: the results of each rung, best first, and the configurations of some of its trials."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Source(StrEnum):
    """Which model proposes a configuration. The first two need no results."""

    RANDOM = "random"
    """Independent draws."""
    SOBOL = "sobol"
    """The points of a scrambled Sobol sequence."""
    KDE = "kde"
    """Two densities, of good and of other configurations (BOHB)."""
    FOREST = "forest"
    """A chain of random forests, one for each rung."""
    LOCAL = "local"
    """One of the best configurations with some of its values moved."""


@dataclass(frozen=True, slots=True)
class Rung:
    """All results of a rung, best first, as columns of one length: the trials' numbers, and for each result its rank
    class, a number that rises and is equal for equal results. The last `dead` of them are NaN or failed."""

    trials: tuple[int, ...] = ()
    classes: tuple[int, ...] = ()
    dead: int = 0


@dataclass(frozen=True, eq=False)
class Observed:
    """A search as it was at a revision; two of these are never equal, so a model is fitted once for each.

    `rungs` are the ladder's, lowest first. `configs` are the nested configurations by trial number of at least the
    trials that `wanted` names; results of other trials count in ranks and teach nothing else.
    """

    revision: int
    rungs: tuple[Rung, ...]
    configs: Mapping[int, Mapping[str, object]]
