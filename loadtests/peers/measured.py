"""The rows of the comparison, and the bars for Rungway."""

from dataclasses import dataclass, replace

from loadtests.judging import Bar, at_least, no_bar
from loadtests.peers import entrants
from loadtests.peers.entrants import Entrant


@dataclass(frozen=True, slots=True)
class Measured:
    """One peer in one measurement, or the median of several. If figures are None, `note` says why.

    `clients`: number of client processes; 0 = in process, without a network. `rungway_times`: pairs per second of
    Rungway (one by one, over the network, with 8 client processes and as many trials stored) divided by these. If
    `other_cores` is far from 0, other load ran on the machine.
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
        """Whether it measures this entrant with `clients` client processes."""
        return (self.peer, self.over, self.pruner, self.clients) == (
            entrant.peer,
            entrant.over,
            entrant.pruner,
            clients,
        )


_CLIENTS = 8
_OURS = (entrants.RUNGWAY, entrants.RUNGWAY_BATCHES)
"""Bars are judged by the first, which does pairs one by one, as the peers do."""
_REQUIRED: list[tuple[Entrant, int, float]] = [
    (entrants.OPTUNA_JOURNAL_SHA, 1_000, 25),
    (entrants.OPTUNA_MEMORY, 1_000, 10),
    (entrants.VIZIER, 1_000, 10),
    (entrants.OPTUNA_SHA, 10_000, 5),
    (entrants.OPTUNA_HYPERBAND, 10_000, 5),
    (entrants.SYNE_TUNE, 10_000, 5),
]


def contenders() -> list[tuple[list[Entrant], list[int]]]:
    """The entrants that the bars need, in groups that are measured together, and their numbers of stored trials."""
    groups: dict[int, list[Entrant]] = {}
    for entrant, trials, _ in _REQUIRED:
        groups.setdefault(trials, [replace(one, clients=(_CLIENTS,)) for one in _OURS]).append(entrant)
    return [(group, [trials]) for trials, group in groups.items()]


def bars(rows: list[Measured]) -> list[Bar]:
    """Each bar, measured with pairs one by one; then the same figures for pairs in batches, without a bar."""
    found = []
    for ours in _OURS:
        for theirs, trials, factor in _REQUIRED:
            where = "in process" if 0 in theirs.clients else f"over {theirs.over}"
            of = f"to {theirs.peer} {where}, {theirs.pruner}, {trials:,} stored"
            times, note = _compared(rows, ours, theirs, trials)
            if ours is entrants.RUNGWAY:
                found.append(at_least("peers", f"pairs/s one by one {of}", factor, times, note))
            else:
                found.append(no_bar("peers", f"(beside it: in batches of 16 {of})", times, note))
    return found


def _compared(rows: list[Measured], ours: Entrant, theirs: Entrant, trials: int) -> tuple[float | None, str]:
    """Our pairs per second divided by theirs, and a note; or None, and the reason."""
    pairs, notes = [], []
    for entrant, clients in ((ours, _CLIENTS), (theirs, theirs.clients[0])):
        of = [one for one in rows if one.is_of(entrant, clients)]
        measured = next((one for one in of if one.trials == trials and one.pairs_per_second), None)
        if not (measured and measured.pairs_per_second):
            return None, next((f"{entrant.peer} {one.note}" for one in of if not one.pairs_per_second), "")
        pairs.append(measured.pairs_per_second)
        notes += [f"{entrant.peer} {measured.note}"] if measured.note else []
    return pairs[0] / pairs[1], "; ".join([f"{pairs[0]:,.0f} to {pairs[1]:,.0f} per second", *notes])
