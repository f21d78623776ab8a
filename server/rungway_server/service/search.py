"""Use cases of workers: ask, tell, heartbeat, release, fail."""

import asyncio
from collections.abc import Sequence
from functools import partial
from itertools import pairwise

from rungway_server.domain.engine import (
    AskAnswer,
    AskStatus,
    Lease,
    LeaseStatus,
    Outcome,
    Release,
    Report,
    Result,
    TellAnswer,
    TellReply,
    TrialView,
)
from rungway_server.domain.errors import InvalidInput, Violation
from rungway_server.service.admission import Admission
from rungway_server.service.checks import (
    MOST_FURTHER,
    check_count,
    check_further,
    check_lease,
    check_leases,
    check_text,
)
from rungway_server.service.held_asks import NOT_HELD, HeldAsks, Hold, Wanted
from rungway_server.service.port import ExperimentRef, Store
from rungway_server.service.warnings import is_fruitless, warnings

MOST_PER_ASK = 64
MOST_PER_CALL = 256
MOST_REPORTS = 4_096
"""Most reports of all results of a call together."""
LONGEST_CHECKPOINT = 4_096
LONGEST_MESSAGE = 4_096
LONGEST_WORKER = 256


class SearchUseCases:
    """The hot path. Errors are those of the store, InvalidInput for what is wrong in a request, and Overloaded."""

    def __init__(self, store: Store, admission: Admission, stopping: asyncio.Event | None = None) -> None:
        """Once `stopping` is set, no ask is held any more."""
        self._store = store
        self._admission = admission
        self._held = HeldAsks(store, admission, stopping or asyncio.Event())

    def asks_held(self) -> int:
        """How many asks are held now."""
        return self._held.count

    async def ask(
        self, ref: ExperimentRef, request_id: str, count: int, worker: str, hold: Hold = NOT_HELD
    ) -> tuple[AskAnswer, TrialView | None]:
        """Up to `count` (0 = 1) assignments; with DONE also the best trial, and a message where nothing came of it.
        Where there is nothing, it waits for work as long as `hold` says."""
        wrong = check_text("worker", worker, LONGEST_WORKER)
        if not 0 <= count <= MOST_PER_ASK:
            wrong.append(Violation("count", f"got {count}, wanted 0 (= 1) to {MOST_PER_ASK}"))
        _refuse(wrong + check_text("request_id", request_id, 64))
        wanted = Wanted(request_id, count or 1, worker)
        return await self._held.ask(ref, wanted, hold, partial(self._ask, ref, wanted))

    async def _ask(self, ref: ExperimentRef, wanted: Wanted) -> tuple[AskAnswer, TrialView | None]:
        with self._admission.admit(ref):
            answer = await self._store.ask(ref, *wanted)
        if answer.status is not AskStatus.DONE:
            return answer, None
        best, progress = next(iter(await self._store.best(ref, 1)), None), await self._store.progress(ref)
        if is_fruitless(progress, best):
            answer = answer._replace(message="; ".join(await warnings(self._store, ref, progress)))
        return answer, best

    async def tell(self, ref: ExperimentRef, request_id: str, results: Sequence[Result]) -> TellAnswer:
        """Record results and return a decision on each."""
        wrong = check_leases("results", [result.lease for result in results], MOST_PER_CALL)
        if len(results) > 1 and (reports := sum(len(result.reports) for result in results)) > MOST_REPORTS:
            wrong.append(Violation("results", f"got {reports} reports together, wanted 1 to {MOST_REPORTS}"))
        further = 0
        for i, result in enumerate(results):
            if result.reports or not result.finished:
                wrong += _check_reports(i, result.reports)
                further += sum(len(each.further.metrics) + 1 for each in result.reports if each.further)
            if result.checkpoint:
                wrong += check_text(f"results[{i}].checkpoint", result.checkpoint, LONGEST_CHECKPOINT)
        if further > MOST_FURTHER:
            wrong.append(Violation("results", f"got {further} further values together, wanted at most {MOST_FURTHER}"))
        elif further:
            wrong += await self._check_further(ref, results)
        _refuse(wrong + check_text("request_id", request_id, 64))
        with self._admission.admit(ref):
            return await self._store.tell(ref, request_id, list(results))

    async def _check_further(self, ref: ExperimentRef, results: Sequence[Result]) -> list[Violation]:
        """What is wrong with the further metrics of these results."""
        metric = (await self._store.definition(ref)).config.searcher.metric
        wrong: list[Violation] = []
        for i, result in enumerate(results):
            for j, report in enumerate(result.reports):
                if report.further:
                    wrong += check_further(f"results[{i}].reports[{j}]", report.further, metric)
        return wrong

    async def heartbeat(self, ref: ExperimentRef, leases: Sequence[Lease]) -> list[LeaseStatus]:
        """Renew leases."""
        _refuse(check_leases("leases", leases, MOST_PER_CALL, inside=""))
        with self._admission.admit(ref):
            return await self._store.heartbeat(ref, list(leases))

    async def release(self, ref: ExperimentRef, request_id: str, releases: Sequence[Release]) -> TellAnswer:
        """Release leases before their assignments are complete: the trials are requeued."""
        wrong = check_leases("releases", [item.lease for item in releases], MOST_PER_CALL)
        for i, item in enumerate(releases):
            wrong += check_text(f"releases[{i}].checkpoint", item.checkpoint, LONGEST_CHECKPOINT)
            if item.checkpoint_length < 0 or (item.checkpoint_length and not item.checkpoint):
                wanted = "0 without a checkpoint, the checkpoint's length with one"
                wrong.append(
                    Violation(f"releases[{i}].checkpoint_length", f"got {item.checkpoint_length}, wanted {wanted}")
                )
        _refuse(wrong + check_text("request_id", request_id, 64))
        with self._admission.admit(ref):
            return await self._store.release(ref, request_id, list(releases))

    async def fail(
        self, ref: ExperimentRef, request_id: str, lease: Lease, outcome: Outcome, message: str
    ) -> tuple[TellReply, int]:
        """End a trial, or requeue it, as the outcome says."""
        wrong = check_text("message", message, LONGEST_MESSAGE) + check_text("request_id", request_id, 64)
        _refuse(wrong + check_lease("lease", lease))
        with self._admission.admit(ref):
            return await self._store.fail(ref, request_id, lease, outcome, message)


def _refuse(wrong: list[Violation]) -> None:
    if wrong:
        raise InvalidInput(wrong)


def _check_reports(i: int, reports: Sequence[Report]) -> list[Violation]:
    """What is wrong with the reports of result `i`."""
    if len(reports) == 1 and reports[0].length >= 1:
        return []
    field = f"results[{i}].reports"
    if wrong := check_count(field, len(reports), MOST_REPORTS, "reports"):
        return wrong
    if reports[0].length < 1:
        return [Violation(f"{field}[0].length", f"got {reports[0].length}, wanted at least 1")]
    return [
        Violation(f"{field}[{j}].length", f"got {after.length}, wanted more than {before.length} (the report before)")
        for j, (before, after) in enumerate(pairwise(reports), start=1)
        if after.length <= before.length
    ]
