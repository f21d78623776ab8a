"""Answers Katib's calls: the log of the request, what has ended since, then as many runs as Katib asks for.

The state of the last call is kept as long as the next one goes on from it, to save the replay; nothing depends on it.
"""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import structlog

from rungway_server.katib.checkpoints import NoTrialDirs, TrialDirs
from rungway_server.katib.experiment import KatibSearch, read_experiment, size_ladder
from rungway_server.katib.log import SETTING, BadLog, Event, Fate, Log, Outcome, read_log
from rungway_server.katib.outcomes import LogLost, Run, outcomes_of
from rungway_server.katib.replay import Replay, Waiting
from rungway_server.katib.wire import api_pb2 as pb
from rungway_server.service.port import Store
from rungway_server.simulation.stage import stage

_log = structlog.get_logger()


class TooManyRuns(Exception):
    """Katib asks for more runs than its experiment may have."""


class _Live(NamedTuple):
    """The state of the last call, and whose it is."""

    key: tuple[str, str, int]
    replay: Replay

    def leads_to(self, key: tuple[str, str, int], events: Sequence[Event], *, ahead: bool = False) -> bool:
        """Whether these events of the same search go on from it; or, `ahead`, whether it is these events and then
        outcomes."""
        if key != self.key or not self.replay.whole:
            return False
        reached, common = self.replay.events, min(len(self.replay.events), len(events))
        further = reached[common:]
        same = tuple(reached[:common]) == tuple(events[:common])
        if ahead:
            return same and common == len(events) and all(isinstance(event, Outcome) for event in further)
        return same and not further


@dataclass(slots=True)
class _Patience:
    """Since when the same runs, which are not listed, are waited for."""

    missing_after: float
    runs: tuple[str, ...] = ()
    since: float = 0.0

    def is_over(self, runs: tuple[str, ...]) -> bool:
        """Whether these runs have been waited for long enough."""
        now = time.monotonic()
        if runs != self.runs:
            self.runs, self.since = runs, now
        return bool(runs) and now - self.since >= self.missing_after


def check(experiment: pb.Experiment) -> None:
    """Raises InvalidInput when the experiment cannot be searched. It reads the message, and nothing else."""
    search = read_experiment(experiment)
    size_ladder(search, search.runs)


class Suggesting:
    """Hands out runs. `namespace` tells experiments of one name apart; a run that Katib does not list counts as failed
    once a rung has waited for it for `missing_after` seconds. The store is
    `binary` (None = the first that is found).

    `suggest` raises InvalidInput, BadLog, LogLost, TooManyRuns, NoTrialDirs, Waiting, StoreUnavailable,
    RedisStartError.
    """

    def __init__(self, namespace: str, dirs: TrialDirs, missing_after: float, binary: Path | None = None) -> None:
        self._namespace, self._dirs, self._binary = namespace, dirs, binary
        self._patience = _Patience(missing_after)
        self._stack = AsyncExitStack()
        self._store: Store | None = None
        self._live: _Live | None = None
        self._turn = asyncio.Lock()

    async def suggest(self, request: pb.GetSuggestionsRequest) -> pb.GetSuggestionsReply:
        """As many runs as the request asks for, with the log that says so."""
        search = read_experiment(request.experiment)
        if search.runs and request.total_request_number > search.runs:
            raise TooManyRuns(f"{request.total_request_number} runs are asked for, maxTrialCount is {search.runs}")
        if request.current_request_number < 1:
            return pb.GetSuggestionsReply()
        async with self._turn:
            try:
                return await self._suggest(search, request)
            except (Waiting, BadLog, LogLost, NoTrialDirs):
                raise
            except BaseException:  # the store is not there any more, or what it has is not known
                await self.aclose()
                raise

    async def open(self) -> None:
        """Start the store; `suggest` does that too. Raises RedisStartError and OSError."""
        async with self._turn:
            await self._open()

    async def aclose(self) -> None:
        """End the store; the next call begins with another."""
        self._live = self._store = None
        stack, self._stack = self._stack, AsyncExitStack()
        await stack.aclose()

    async def _suggest(self, search: KatibSearch, request: pb.GetSuggestionsRequest) -> pb.GetSuggestionsReply:
        wanted, total = request.current_request_number, request.total_request_number
        begun = read_log(search.log) if search.log else self._first_log(search)
        known = await self._replayed(search, begun, begun.events, may_be_ahead=True)
        ended, unmade = outcomes_of(known.runs, begun.events, request.trials, search.metric, total - wanted)
        now = await self._replayed(search, begun, (*begun.events, *ended))
        try:
            runs = await now.decide(wanted, search)
        except Waiting:
            if not self._patience.is_over(tuple(known.runs[i].name for i in unmade)):
                raise
            _log.warning("runs_missing", runs=self._patience.runs)
            given_up = [Outcome(i, Fate.MISSING) for i in unmade]
            now = await self._replayed(search, begun, (*begun.events, *ended, *given_up))
            runs = await now.decide(wanted, search)
        if search.trial_dir:
            await asyncio.to_thread(self._dirs.prepare, search.name, runs)
        self._report(search, begun, ended, runs)
        return _reply(search, now, Log(begun.search_id, begun.seed, tuple(now.events)), runs)

    def _first_log(self, search: KatibSearch) -> Log:
        """The log of a search that begins: another namespace, name or definition gives other names and values."""
        identity = hashlib.sha256(f"{self._namespace}/{search.digest}".encode()).hexdigest()
        return Log(identity[:6], int(identity[6:13], 16) if search.seed is None else search.seed)

    async def _replayed(
        self, search: KatibSearch, begun: Log, events: Sequence[Event], *, may_be_ahead: bool = False
    ) -> Replay:
        """The state after these events: that of the call before, if it leads there, or is ahead by outcomes alone."""
        key = search.digest, begun.search_id, begun.seed
        live = self._live
        if live and may_be_ahead and live.leads_to(key, events, ahead=True):
            return live.replay
        if live is None or not live.leads_to(key, events):
            self._live = None
            if live:
                await live.replay.close()
            live = _Live(key, Replay(await self._open(), search, begun.search_id, begun.seed))
        self._live = None  # until it is whole again
        try:
            for event in events[len(live.replay.events) :]:
                await live.replay.apply(event)
        except (BadLog, Waiting):  # after any other error the store ends
            await live.replay.close()
            raise
        self._live = live
        return live.replay

    async def _open(self) -> Store:
        if self._store is None:
            self._store = await self._stack.enter_async_context(stage(self._binary))
        return self._store

    def _report(self, search: KatibSearch, begun: Log, ended: Sequence[Outcome], runs: Sequence[Run]) -> None:
        if not begun.events and not search.trial_dir:
            _log.info("from_scratch", hint="each run trains from length 0: suggestion_trial_dir lets runs go on")
        named = {run.name: run.length for run in runs}
        _log.info("suggested", experiment=search.name, ended=[str(each) for each in ended], runs=named)


def _reply(search: KatibSearch, replay: Replay, log: Log, runs: Sequence[Run]) -> pb.GetSuggestionsReply:
    reply = pb.GetSuggestionsReply(
        algorithm=pb.AlgorithmSpec(
            algorithm_name=search.algorithm,
            algorithm_settings=[pb.AlgorithmSetting(name=SETTING, value=str(log))],
        )
    )
    for run in runs:
        assigned = reply.parameter_assignments.add(trial_name=run.name)
        for name, value in replay.assignments(run):
            assigned.assignments.add(name=name, value=value)
        configuration = f"{run.ladder}-{run.trial}" if run.ladder else str(run.trial)
        assigned.labels.update({"rungway/configuration": configuration, "rungway/rung": str(run.rung)})
    return reply
