"""Sources of the configurations of new trials: which a search has, and how much of the search each gets at first.

The pure source draws by seed and number alone (`sampler`). The others are models, which learn from results, or another
program. A configuration that a user enqueued has the source USER, one that came with its result ELSEWHERE.
"""

from dataclasses import dataclass
from enum import StrEnum

from rungway_server.domain.engine import ELSEWHERE, USER
from rungway_server.domain.engine import SAMPLER as PURE

FOREST, LOCAL, KDE, EXTERNAL = "forest", "local", "kde", "external"
CODES = {PURE: 0, FOREST: 1, LOCAL: 2, KDE: 3, EXTERNAL: 4, ELSEWHERE: 6, USER: 7}
"""The number that is stored for each source: it never changes, and stays below 8."""
WORDS = {code: word for word, code in CODES.items()}
PARTS = 4096
"""Shares are whole numbers of so many parts, as those of entries are."""
LEAST_RESULTS = 8
"""Fewest results from which a model learns, whatever the number of hyperparameters."""


class Proposals(StrEnum):
    """Where the configurations of new trials come from, beside users."""

    RANDOM = "random"
    SOBOL = "sobol"
    KDE = "kde"
    """Two kernel densities, of good and of other configurations; a third of what they propose are draws (BOHB: Falkner
    et al. 2018, "BOHB: Robust and Efficient Hyperparameter Optimization at Scale")."""
    FOREST = "forest"
    """A chain of random forests, one for each rung; a fifth of the trials by the sampler."""
    MIXTURE = "mixture"
    """The sampler, the forest and local moves, each with a share of the training; the shares are learned."""
    EXTERNAL = "external"
    """Another program; the sampler where it has proposed nothing yet."""


PURE_PROPOSALS = (Proposals.RANDOM, Proposals.SOBOL)
_SHARES: dict[Proposals, dict[str, float]] = {
    Proposals.KDE: {PURE: 0.0, KDE: 1.0},
    Proposals.FOREST: {PURE: 1 / 5, FOREST: 4 / 5},
    Proposals.MIXTURE: {PURE: 1 / 2, FOREST: 1 / 3, LOCAL: 1 / 6},
    Proposals.EXTERNAL: {PURE: 0.0, EXTERNAL: 1.0},
}


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources of a search: the pure one first, and their first shares in 1/PARTS.

    They get them from the moment on at which a rung has `least` results; before it, all trials are those of the pure
    source. `learns`: the shares are those of the training, and follow the best results of the top rung; otherwise they
    are those of the new trials, and stay. `protects`: a trial of the pure source is also promoted by its rank among
    those of the pure source. `bounded`: while there are new trials, a rung promotes no more than may be promoted from
    it at one time; only some stored searches are, since it was measured that others are sooner.
    """

    names: tuple[str, ...]
    shares: tuple[int, ...]
    least: int
    learns: bool = False
    protects: bool = False
    bounded: bool = False


def sources_of(proposals: Proposals, searched: int, *, may_protect: bool) -> Sources:
    """The sources of a search with so many searched hyperparameters. `may_protect`: its rungs promote at any time."""
    shares = _SHARES[proposals]
    others = [round(PARTS * share) for share in [*shares.values()][1:]]
    least = {Proposals.KDE: searched + 1, Proposals.EXTERNAL: 0}.get(proposals, max(LEAST_RESULTS, searched + 2))
    mixes = proposals is Proposals.MIXTURE
    protects = mixes and may_protect
    return Sources(tuple(shares), (PARTS - sum(others), *others), least, mixes, protects)
