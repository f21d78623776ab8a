"""The rows of the comparison, and the bars that Rungway is held to."""

from dataclasses import dataclass

from loadtests.peers import entrants
from loadtests.peers.entrants import Entrant


@dataclass(frozen=True, slots=True)
class Measured:
    """One peer in one measurement, or the median of several; where figures are None, `note` says why.

    `clients`: processes, 0 for one that works in process. `rungway_times`: Rungway's pairs per second over the network
    with 8 client processes and as many trials stored, by these. With `other_cores` far from 0 the machine was not ours.
    """

    peer: str
    over: str
    pruner: str
    clients: int
    trials: int
    pairs_per_second: float | None = None
    rungway_times: float | None = None
    other_cores: float | None = None
    note: str = ""

    def is_of(self, entrant: Entrant, clients: int) -> bool:
        """Whether it measures this entrant with so many client processes."""
        return (self.peer, self.over, self.pruner, self.clients) == (
            entrant.peer,
            entrant.over,
            entrant.pruner,
            clients,
        )


@dataclass(frozen=True, slots=True)
class Bar:
    """What is wanted of Rungway: so many times the pairs per second of a peer."""

    than: str
    trials: int
    rungway: float | None
    peer: float | None
    wanted: str
    measured: float | None
    met: str


_WANTED: list[tuple[Entrant, int, float]] = [
    (entrants.OPTUNA_JOURNAL_SHA, 1_000, 25),
    (entrants.OPTUNA_MEMORY, 1_000, 10),
    (entrants.VIZIER, 1_000, 10),
    (entrants.OPTUNA_SHA, 10_000, 5),
    (entrants.OPTUNA_HYPERBAND, 10_000, 5),
    (entrants.SYNE_TUNE, 10_000, 5),
]


def bars(rows: list[Measured]) -> list[Bar]:
    """Each bar with what was measured: 8 client processes over the network on Rungway's side."""
    found = []
    for entrant, trials, factor in _WANTED:
        of = [one for one in rows if one.trials == trials and one.pairs_per_second]
        ours = next((one.pairs_per_second for one in of if one.is_of(entrants.RUNGWAY, 8)), None)
        theirs = next((one.pairs_per_second for one in of if one.is_of(entrant, entrant.clients[0])), None)
        times = ours / theirs if ours and theirs else None
        met = "not measured" if times is None else "yes" if times >= factor else "NO"
        name = f"{entrant.peer} over {entrant.over}, {entrant.pruner}"
        found.append(Bar(name, trials, ours, theirs, f"{factor:g} times", times, met))
    return found
