"""Who plays a search by a seed: the same seed and the same replies make the same calls."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from rungway_server.domain.engine import AskStatus, Assignment, Lease, Release, Report, Result, TellReply
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore


@dataclass
class Player:
    """Asks, and answers what it was given. `said`: what it heard, each line with the revision at its end."""

    store: RedisStore
    ref: ExperimentRef
    rng: random.Random
    held: dict[int, Assignment] = field(default_factory=dict)
    said: list[tuple[Any, ...]] = field(default_factory=list)
    asks: ClassVar[float] = 0.5
    """The share of its calls that ask."""

    async def play(self, steps: int) -> None:
        """So many calls."""
        for _ in range(steps):
            if self.rng.random() < self.asks or not self.held:
                await self.ask()
            else:
                await self.answer(self.held.pop(self.rng.choice(sorted(self.held))))

    async def ask(self) -> None:
        """For two trials."""
        answer = await self.store.ask(self.ref, "", 2, "a worker")
        for given in answer.assignments:
            self.held[given.lease.trial] = given
        given_out = [plain(given) for given in answer.assignments]
        self.said.append((answer.status, answer.reason, given_out, answer.revision))

    async def answer(self, given: Assignment) -> None:
        """Tell something of a trial, or give it back."""
        raise NotImplementedError

    async def give_all_back(self) -> int:
        """Release what it holds, in the order of the leases, as an import does. Returns how many there were."""
        leases = sorted((given.lease for given in self.held.values()), key=lambda lease: lease.fencing_token)
        for lease in leases:
            await self.store.release(self.ref, "", [Release(lease)])
        return len(leases)

    def heard(self, given: Assignment, length: int, reply: TellReply, revision: int) -> None:
        """The answer to a result of this length, or to its end: perhaps the trial goes on."""
        if reply.next_decision_length:
            after = given._replace(from_length=length, next_decision_length=reply.next_decision_length)
            self.held[given.lease.trial] = after
        self.said.append((given.lease.trial, plain(reply), revision))


async def trained_alone(
    store: RedisStore,
    ref: ExperimentRef,
    most: int,
    now: int,
    reports: Callable[[int, int, int], Iterable[Report]],
) -> list[Any]:
    """What was decided when one worker trains up to so many assignments, at `now` (ms). `reports`: what it reports of a
    trial from a length on up to the next decision, each in a call of its own."""
    said: list[Any] = []
    for _ in range(most):
        answer = await store.ask(ref, "", 1, "w", now_ms=now)
        if answer.status is not AskStatus.ASSIGNED:
            return [*said, answer.reason]
        [given] = answer.assignments
        said.append((given.lease.trial, given.from_length, given.to_length, given.explanation))
        begin, end = given.from_length, given.next_decision_length
        while end:
            for report in reports(given.lease.trial, begin, end):
                [reply] = (await store.tell(ref, "", [Result(given.lease, [report], "c")], now_ms=now)).replies
            said.append((reply.decision, reply.explanation))
            begin, end = end, reply.next_decision_length
    return said


def plain(value: Any) -> str:
    """A decision without its time and fencing token; NaN equals NaN."""
    return repr(value._replace(lease=Lease(value.lease.trial, 0), deadline_ms=0))


def counted_from(said: list[tuple[Any, ...]], ahead: int) -> list[tuple[Any, ...]]:
    """What was said, with revisions counted as if so many changes had not been made before."""
    return [(*line[:-1], line[-1] - ahead) for line in said]
