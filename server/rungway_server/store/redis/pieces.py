"""Calls for many trials: done in pieces, so that others get their turn in between, and their answers as values."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from rungway_server.domain.engine import Lease, Result, TellAnswer, TellReply
from rungway_server.domain.errors import InvalidInput, RequestIdReused, UnknownTrial
from rungway_server.domain.search.config import SearcherConfig
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis.answers import read_reply
from rungway_server.store.redis.connection.router import Argument
from rungway_server.store.redis.experiment_cache import CachedExperiment
from rungway_server.store.redis.layout.vectors import lacks_objective

_Run = Callable[[slice, Argument], Awaitable[tuple[CachedExperiment, list[Any]]]]
"""Runs the script of a call for some of its items; with "1" it only checks them."""


def pieces(count: int, size: int) -> list[slice]:
    """The pieces of so many items, `size` in each but the last."""
    return [slice(at, min(at + size, count)) for at in range(0, count, size)]


async def in_pieces(ref: ExperimentRef, request_id: str, leases: list[Lease], size: int, run: _Run) -> TellAnswer:
    """Tell or release under one request id, in scripts of at most `size` items.

    `run` runs the script for a piece, or only checks it. Several pieces are all checked before the first is done. Each
    item's reply is remembered under the request id, so a repeat after a crash finishes what was left.
    """
    parts, replies, revision = pieces(len(leases), size), list[TellReply](), 0
    for part in parts if len(parts) > 1 else []:
        _refuse(ref, request_id, (await run(part, "1"))[1])
    for part in parts:
        known, answer = await run(part, "")
        told = read_told(ref, request_id, leases[part], answer, known)
        replies += told.replies
        revision = told.revision
    return TellAnswer(replies, revision)


def refuse_tell(answer: list[Any], results: Sequence[Result], first: int, searcher: SearcherConfig) -> None:
    """Raise what the script says is wrong with a result; `first` is the index of the first that it was given."""
    if answer[0] == b"untold":
        wanted = "a report, for this trial has never told a result"
        raise InvalidInput.one(f"results[{first + answer[1]}].finished", f"got true without reports, wanted {wanted}")
    if answer[0] == b"objective":
        _, item, *more = answer
        report, final = more or (-1, b"")
        raise lacks_objective(searcher, results[first + item], first + item, report, final == b"1")
    if answer[0] == b"length":
        _, item, report_index, before, most = answer
        found = results[first + item].reports[report_index].length
        raise InvalidInput.one(
            f"results[{first + item}].reports[{report_index}].length",
            f"got {found}, wanted more than {before} (told before) and at most {most} (the assignment's end)",
            reason="LENGTH_OUT_OF_ORDER" if found <= before else "LENGTH_BEYOND_ASSIGNMENT",
        )


def _refuse(ref: ExperimentRef, request_id: str, answer: list[Any]) -> None:
    if answer[0] == b"unknown_trial":
        raise UnknownTrial(ref.experiment, int(answer[1]))
    if answer[0] == b"reused":
        raise RequestIdReused(request_id)


def read_told(
    ref: ExperimentRef, request_id: str, leases: list[Lease], answer: list[Any], known: CachedExperiment
) -> TellAnswer:
    """The answer of a script to a tell, a release or a fail, read."""
    _refuse(ref, request_id, answer)
    smaller = known.smaller_is_better
    replies = [read_reply(lease, fields, smaller) for lease, fields in zip(leases, answer[2:], strict=True)]
    return TellAnswer(replies, answer[1])
