"""Reads what the scripts answer into the values of the domain. Texts in answers are bytes."""

import json
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import islice, repeat
from typing import Any

import msgpack

from rungway_server.domain.checkpoints import CheckpointStanding, Holding
from rungway_server.domain.engine import (
    AskAnswer,
    AskStatus,
    Assignment,
    Available,
    Decision,
    Entry,
    EventView,
    ExperimentState,
    ExpiredLease,
    Explanation,
    Lease,
    Outcome,
    Progress,
    Proposal,
    Reason,
    Report,
    SourceShare,
    Standing,
    TellReply,
    TrialState,
    TrialView,
)
from rungway_server.domain.errors import InvalidInput, NoTrialsLeft, RequestIdReused, WrongState
from rungway_server.domain.ranking import metric_of, ranked
from rungway_server.domain.search.config import SearcherConfig
from rungway_server.domain.search.methods.auto import PARTS
from rungway_server.domain.search.plan import Plan
from rungway_server.domain.search.sources import WORDS as WORDS_OF
from rungway_server.store.redis.layout.codes import WORDS
from rungway_server.store.redis.layout.costs import used_in, weighed_by_cost
from rungway_server.store.redis.layout.numbers import NEW, why_of
from rungway_server.store.redis.layout.records import (
    ATTRIBUTES,
    BEST_CHECKPOINT,
    SOURCES,
    TRIAL_FIELDS,
    derived_best_checkpoint,
    trained_of,
)
from rungway_server.store.redis.layout.superseded import remembered
from rungway_server.store.redis.layout.vectors import shown_objectives

_STATE, _METRIC, _TAIL = (TRIAL_FIELDS.index(name) for name in ("state", "metric", "tail"))
"""Places in a record, the same in every layout that is read."""
_STATES = {state[0].encode(): state for state in TrialState}
_DECISIONS = {decision.value.encode(): decision for decision in Decision}
_WHY = 7
"""Fields of an explanation before those that few have."""
Unpack = Callable[[bytes], dict[str, object]]
"""Reads a configuration (see configurations.py)."""


@lru_cache(maxsize=4096)  # most are those of reports between two rungs: few, and equal
def _explanation(
    smaller_is_better: bool,
    reason: Any,
    bracket: int,
    rung: int = -1,
    rank: int = 0,
    size: int = 0,
    quota: int = 0,
    cutoff: bytes = b"",
    *more: Any,
) -> Explanation:
    """The explanation of a decision. `reason`: the word, or the number that is stored for it. What follows the bracket
    is missing if no rung took part. `cutoff`: a sort key; `more`: the parent of a clone, the front of a result or, of a
    new trial, by entry shares, training, credits and, where its cost counts, what was used (`enter` in
    lua/include/entries.lua), and then where its configuration comes from (`new_from_source` in lua/include/stock.lua).
    """
    least = metric_of(cutoff, smaller_is_better) + 0.0 if cutoff else None  # a rank has no -0.0
    found = Explanation(Reason(_word(reason)), bracket, rung, rank, size, quota, least)
    if more and isinstance(more[-1], tuple):
        found, more = found._replace(proposal=_proposal(*more[-1])), more[:-1]
    if not more:
        return found
    if found.reason is Reason.CLONED:
        return found._replace(parent=int(more[0]))
    if found.reason not in (Reason.NEW_TRIAL, Reason.ENQUEUED):
        return found._replace(front=more[0])
    numbers, used = used_in(more)
    count = len(numbers) // 3
    shares, spent, credits = (numbers[at : at + count] for at in range(0, 3 * count, count))
    return found._replace(entries=_entries(shares, spent, credits, used))


def _entries(
    shares: Sequence[int], spent: Sequence[int], credits: Sequence[int], used: Sequence[float] | None
) -> tuple[Entry, ...]:
    of_each = zip(shares, spent, credits, used or repeat(None, len(shares)), strict=True)
    return tuple(Entry(share / PARTS, length, credit / PARTS, weighed) for share, length, credit, weighed in of_each)


def _proposal(source: int, turn: int, revision: int, count: int, *more: Any) -> Proposal:
    numbers, used = used_in(more)
    codes, shares, spent, credits = (numbers[at : at + count] for at in range(0, 4 * count, count))
    sources = _sources([WORDS_OF[code] for code in codes], shares, spent, credits, used)
    return Proposal(WORDS_OF[source], WORDS_OF[turn], revision, sources)


def _sources(
    names: Sequence[str],
    shares: Sequence[int],
    spent: Sequence[int],
    credits: Sequence[int],
    used: Sequence[float] | None,
) -> tuple[SourceShare, ...]:
    return tuple(
        SourceShare(name, *numbers) for name, numbers in zip(names, _entries(shares, spent, credits, used), strict=True)
    )


def _explained(smaller_is_better: bool, fields: Sequence[Any]) -> Explanation:
    """The explanation of stored fields, whose last one may be a list."""
    if len(fields) > _WHY and _word(fields[0]) in NEW:
        fields = [*fields[:_WHY], *why_of(fields[_WHY:])]
    *some, last = fields
    return _explanation(smaller_is_better, *some, tuple(last) if isinstance(last, list) else last)


def _word(stored: bytes | int) -> str:
    """A word that may be stored as its number."""
    return WORDS[stored] if isinstance(stored, int) else stored.decode()


def _text(stored: bytes) -> str:
    """A text of a user."""
    return stored.decode(errors="replace")


def _metric(key: bytes, smaller_is_better: bool) -> float | None:
    """The metric behind a sort key; None where there is none (b"")."""
    return metric_of(key, smaller_is_better) if key else None


def read_assignment(fields: list[Any], smaller_is_better: bool, unpack: Unpack) -> Assignment:
    """One assignment of ask.lua."""
    number, fencing_token, packed, start, end, decision, checkpoint, bracket, rung, restarts, deadline = fields[:11]
    return Assignment(
        lease=Lease(int(number), fencing_token),
        hparams=unpack(packed),
        from_length=start,
        to_length=end,
        next_decision_length=decision,
        checkpoint=_text(checkpoint),
        bracket=bracket,
        rung=rung,
        restarts=restarts,
        deadline_ms=deadline,
        explanation=_explained(smaller_is_better, fields[11:]),
    )


def read_ask(answer: list[Any], smaller_is_better: bool, unpack: Unpack) -> AskAnswer:
    """An answer of ask.lua other than 'suggest' and 'clone'."""
    word, revision = answer[0], answer[1]
    if word == b"assigned":
        assignments = [read_assignment(fields, smaller_is_better, unpack) for fields in answer[4:]]
        return AskAnswer(AskStatus.ASSIGNED, assignments, None, 0, revision)
    if word == b"wait":
        return AskAnswer(AskStatus.WAIT, (), Reason(_word(answer[2])), int(answer[3]), revision, _text(answer[4]))
    return AskAnswer(AskStatus.DONE, (), Reason(_word(answer[2])), 0, revision)


def read_available(answer: list[Any], request_ids: Sequence[str]) -> Available:
    """An answer of available.lua for these request ids."""
    if answer[0] == b"over":
        return Available(AskAnswer(AskStatus.WAIT, (), None, 0, answer[1]), over=True)
    assert answer[0] == b"work"
    _, revision, reason, work, expired, message, known = answer
    retry_ms = 5_000 if message or _word(reason) == Reason.EXPERIMENT_PAUSED else 1_000
    waiting = AskAnswer(AskStatus.WAIT, (), Reason(_word(reason)), retry_ms, revision, _text(message))
    return Available(waiting, work, expired, known=[request_ids[place] for place in known])


def read_expired(notes: list[list[Any]]) -> tuple[ExpiredLease, ...]:
    """The leases that ask.lua took back, from its notes (lua/include/notes.lua)."""
    found = [note[1:] for note in notes if note[0] == b"lapsed"]
    return tuple(ExpiredLease(int(trial), _text(worker), bool(lives), count) for trial, worker, lives, count in found)


def read_reply(lease: Lease, fields: list[Any], smaller_is_better: bool) -> TellReply:
    """The reply on a lease: decision, to, next decision, deadline, explanation."""
    decision, end, following, deadline, *why = fields
    return TellReply(lease, _DECISIONS[decision], _explanation(smaller_is_better, *why), end, following, deadline)


def read_event(fields: list[Any], smaller_is_better: bool) -> EventView:
    """One entry of the event log: its id, and what lua/include/events.lua packed."""
    event_id, kind = fields[0].decode(), _word(fields[1])
    time_ms = int(event_id.partition("-")[0])
    if len(fields) < 4:  # not about a trial
        return EventView(event_id, time_ms, kind, message=_text(b"".join(fields[2:])))
    trial, length, metric, worker = fields[2:6]
    explanation = _explained(smaller_is_better, fields[6:])
    return EventView(
        event_id, time_ms, kind, trial, explanation, length, _metric(metric, smaller_is_better), _text(worker)
    )


def read_life(fields: list[Any], trial: int, smaller_is_better: bool) -> EventView:
    """One item of explain.lua: a line of the log, or the number of lines that were dropped."""
    if fields[1] == b"dropped":
        time_ms = int(fields[0].partition(b"-")[0])
        return EventView("", time_ms, "dropped", trial, dropped=fields[2])
    return read_event(fields, smaller_is_better)


def read_trial(
    fields: list[Any], searcher: SearcherConfig, unpack: Unpack, curve: Sequence[Report] = (), *, sources: bool = False
) -> TrialView:
    """One trial view (see lua/commands/trials.lua), with the points of its curve. `sources`: whether the search has
    several sources of configurations."""
    smaller_is_better = searcher.smaller_is_better
    number, state, packed, bracket, rung, length, metric, best, best_length = fields[:9]
    restarts, checkpoint, checkpoint_length, worker, outcome, message, created = fields[9:16]
    parent, best_checkpoint, origin, *vectors = fields[18:]
    return TrialView(
        trial=int(number),
        state=TrialState(state.decode()),
        hparams=unpack(packed),
        bracket=bracket,
        rung=rung,
        length=length,
        metric=_metric(metric, smaller_is_better),
        best_metric=_metric(best, smaller_is_better),
        best_length=best_length,
        restarts=restarts,
        checkpoint=_text(checkpoint),
        checkpoint_length=checkpoint_length,
        worker=_text(worker),
        outcome=Outcome(outcome.decode()) if outcome else None,
        message=_text(message),
        created_ms=created,
        curve=curve,
        parent=int(parent) if parent else None,
        best_checkpoint=_text(best_checkpoint),
        source=WORDS_OF[int(origin) // SOURCES] if origin != b"" and sources else "",
        objectives=shown_objectives(vectors[0], searcher) if vectors else None,
    )


def read_standing(number: int, packed: bytes) -> Standing:
    """The last result of a trial, of its record as it is stored."""
    fields = msgpack.unpackb(packed, raw=True, strict_map_key=False)
    key = fields[_METRIC] or fields[_TAIL][-8:]
    return Standing(number, _STATES[fields[_STATE]], ranked(key))


def read_holding(number: int, packed: bytes) -> Holding:
    """What a trial has, of its record as it is stored."""
    values = msgpack.unpackb(packed, raw=True, strict_map_key=False)
    fields = dict(zip(ATTRIBUTES.values(), values, strict=False))
    last = fields["metric"] or fields["tail"][-8:]
    best = last if fields["best_key"] is False else fields["best_key"]
    at = fields["length"] if fields["best_length"] is False else fields["best_length"]
    checkpoint, length = fields["checkpoint"], fields["checkpoint_length"]
    kept = fields.get(BEST_CHECKPOINT, False)  # False in a record that has more
    return Holding(
        number,
        _STATES[fields["state"]],
        _text(checkpoint),
        _text(derived_best_checkpoint(best, at, checkpoint, length) if kept is False else kept),
        _text(fields["parent"][3]) if fields["parent"] else "",
        any(fields["entries"]),
        ranked(best),
        ranked(last),
        fields["created"] + (fields["log"][-2] if fields["log"] else 0),
    )


def read_checkpoint_standing(uid: str, answer: list[Any]) -> CheckpointStanding:
    """The answer of changes.lua with the last event alone."""
    _, stated, _, _, _, now_ms, _, events, *_ = answer
    progress = json.loads(stated)
    decided_ms = int(events[-1][0].partition(b"-")[0]) if events else 0
    state, target_reached = ExperimentState(progress["state"]), bool(progress.get("target_reached"))
    return CheckpointStanding(
        uid, state, target_reached, progress["next_trial"], remembered(progress), now_ms, decided_ms
    )


def read_progress(answer: list[Any], plan: Plan) -> Progress:
    """The answer of progress.lua after its first word."""
    progress, counts, promotable, error = answer
    fields: dict[str, Any] = json.loads(progress) | json.loads(counts)
    return Progress(
        state=ExperimentState(fields["state"]),
        revision=fields["revision"],
        trials_created=fields["next_trial"],
        trained_length=trained_of(fields),
        started=tuple(fields["started"]),
        running=tuple(fields["live"]),
        rung_results=_by_bracket(fields["sizes"], plan),
        rung_promoted=_by_bracket(fields["passed"], plan),
        rung_promotable=_by_bracket(promotable, plan),
        trial_states={TrialState(state): count for state, count in dict(fields["states"] or {}).items()},
        failing=_text(error) if fields.get("failing") else None,
        lost=fields.get("points", {}).get("lost", 0),
        entries=_entries(*_counted(fields)) if plan.entries else (),
        budget_spent=fields.get("budget_spent", False),
        sources=_sources(plan.sources.names, *_counted(fields["sources"])) if plan.sources else (),
    )


def _counted(found: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    """Of entries or sources: shares, what was spent, credits, and where its cost counts what was used."""
    used = weighed_by_cost(found["spent"], found["costs"]) if "costs" in found else None
    return found["share"], found["spent"], found["credit"], used


def _by_bracket(values: Iterable[int], plan: Plan) -> tuple[tuple[int, ...], ...]:
    left = iter(values)
    return tuple(tuple(islice(left, len(bracket.rungs))) for bracket in plan.brackets)


def read_enqueued(answer: list[Any], experiment: str, request_id: str) -> tuple[int, bytes]:
    """How many configurations wait before an enqueued one, and the one that was drawn (b"" = none), from the answer of
    enqueue.lua; of enqueue_known.lua the number of the trial. Raises their refusals."""
    match answer:
        case [b"reused"]:
            raise RequestIdReused(request_id)
        case [b"refused", state]:
            raise WrongState(experiment, state.decode(), "an ended experiment starts no more trials")
        case [b"full"]:
            raise NoTrialsLeft(experiment)
        case [b"used", uses, left]:
            raise _used(uses, left)
    return int(answer[1]), answer[2] if len(answer) > 2 else b""


def _used(uses: bytes, left: int) -> InvalidInput:
    found = "was found invalid" if uses == b"invalid" else "has a trial, or is enqueued, already"
    wanted = f"one of the {left} that are left: each is run once before any is repeated"
    return InvalidInput.one("hparams", f"got a point that {found}, wanted {wanted}", reason="POINT_USED")
