"""The rows of the comparison, and the bars for Rungway."""

from dataclasses import dataclass, replace

from loadtests.judging import Bar, By, at_least, no_bar
from loadtests.peers import entrants
from loadtests.peers.entrants import Entrant


@dataclass(frozen=True, slots=True)
class Measured:
    """One peer in one measurement, or the median of several. If figures are None, `note` says why.

    `clients`: number of client processes; 0 = in process, without a network. `service_us`: CPU time of service and
    store per pair (µs); of a peer in process, that of the process. `rungway_times`: pairs per second of Rungway (one
    by one, over gRPC, with 8 client processes and as many trials stored) divided by these; `to_rungway`: CPU time
    divided by that of Rungway. If `other_cores` is far from 0, other load ran on the machine.
    """

    peer: str
    over: str
    pruner: str
    clients: int
    trials: int
    pairs_per_second: float | None = None
    service_us: float | None = None
    rungway_times: float | None = None
    to_rungway: float | None = None
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


@dataclass(frozen=True, slots=True)
class Required:
    """How many times the CPU time of ours a pair of theirs has to take, with so many trials stored."""

    theirs: Entrant
    trials: int
    factor: float
    ours: Entrant = entrants.RUNGWAY
    short: bool = True
    """Whether `peers --bars` measures it; `make load` only those with the fewest trials."""


_CLIENTS = 8
_OURS = (entrants.RUNGWAY, entrants.RUNGWAY_HTTP)
_SERVICES = (entrants.OPTUNA_JOURNAL_SHA, entrants.OPTUNA_MEMORY_SHA, entrants.VIZIER)
_REQUIRED = [
    *(Required(service, 1_000, 10) for service in _SERVICES),
    *(Required(service, 10_000, 50) for service in _SERVICES),
    Required(entrants.OPTUNA_SHA, 10_000, 5, entrants.RUNGWAY_HTTP),
    Required(entrants.OPTUNA_HYPERBAND, 10_000, 5, entrants.RUNGWAY_HTTP, short=False),
    Required(entrants.SYNE_TUNE, 10_000, 5, entrants.RUNGWAY_HTTP, short=False),
]
_FASTER, _FASTER_AT = 5.0, 10_000
"""Times the pairs per second of Optuna in process, with its pruner and so many trials stored."""


def contenders() -> list[tuple[list[Entrant], list[int]]]:
    """The entrants that the bars need, in groups that take turns, and their numbers of stored trials, fewest first."""
    groups: dict[int, list[Entrant]] = {}
    for one in _REQUIRED:
        if one.short:
            groups.setdefault(one.trials, [replace(ours, clients=(_CLIENTS,)) for ours in _OURS]).append(one.theirs)
    return [(group, [trials]) for trials, group in groups.items()]


def bars(rows: list[Measured]) -> list[Bar]:
    """Each bar of a number of trials that was measured, by CPU time; then pairs per second."""
    found, measured = list[Bar](), {one.trials for one in rows}
    for one in _REQUIRED:
        ours, theirs, note = _compared(rows, one.ours, one.theirs, one.trials)
        if not (theirs or (one.short and one.trials in measured)):
            continue
        port = "HTTP" if one.ours.http else "gRPC"
        name = f"service and store, a pair of {_name(one.theirs)} to one of ours over {port}, {one.trials:,} stored"
        costs = (ours and ours.service_us, theirs and theirs.service_us)
        note = f"{costs[1]:,.0f} to {costs[0]:,.0f} µs{note}" if costs[0] and costs[1] else note
        times = costs[1] / costs[0] if costs[0] and costs[1] else None
        found.append(at_least("peers", name, By.CPU, one.factor, times, note))
    if _FASTER_AT in measured:
        found.append(_faster(rows))
    return found + [_rate(rows, entrant) for entrant in (*_OURS, *_SERVICES)]


def _faster(rows: list[Measured]) -> Bar:
    ours, theirs, note = _compared(rows, entrants.RUNGWAY_HTTP, entrants.OPTUNA_SHA, _FASTER_AT)
    rates = (ours and ours.pairs_per_second, theirs and theirs.pairs_per_second)
    times = rates[0] / rates[1] if rates[0] and rates[1] else None
    note = f"{rates[0]:,.0f} to {rates[1]:,.0f} per second{note}" if rates[0] and rates[1] else note
    name = f"pairs per second over HTTP to those of {_name(entrants.OPTUNA_SHA)}, {_FASTER_AT:,} stored"
    return at_least("peers", name, By.CLOCK, _FASTER, times, note)


def _rate(rows: list[Measured], entrant: Entrant) -> Bar:
    name = f"{entrant.peer} over {'HTTP' if entrant.http else 'gRPC'}" if entrant.ours else _name(entrant)
    of = _row(rows, entrant, 1_000)
    return no_bar("peers", f"pairs per second, {name}, 1,000 stored", By.CLOCK, of.pairs_per_second, of.note)


def _name(entrant: Entrant) -> str:
    where = "in process" if 0 in entrant.clients else f"over {entrant.over}"
    return f"{entrant.peer} {where}" + (f", {entrant.pruner}" if entrant.pruner != "none" else "")


def _compared(
    rows: list[Measured], ours: Entrant, theirs: Entrant, trials: int
) -> tuple[Measured | None, Measured | None, str]:
    """Our row and theirs, each None if there is none; and what their notes say."""
    both = [_row(rows, entrant, trials) for entrant in (ours, theirs)]
    notes = [f"{one.peer} {one.note}" for one in both if one.note]
    measured = [one if one.pairs_per_second else None for one in both]
    joined = "; ".join(notes)
    return measured[0], measured[1], f"; {joined}" if all(measured) and notes else joined


def _row(rows: list[Measured], entrant: Entrant, trials: int) -> Measured:
    """The row of an entrant; without figures, one that says why, perhaps of fewer trials."""
    clients = _CLIENTS if entrant.ours else entrant.clients[0]
    of = [one for one in rows if one.is_of(entrant, clients)]
    measured = [one for one in of if one.trials == trials and one.pairs_per_second]
    without = [one for one in of if not one.pairs_per_second]
    return (measured or without or [Measured(entrant.peer, entrant.over, entrant.pruner, clients, trials)])[0]
