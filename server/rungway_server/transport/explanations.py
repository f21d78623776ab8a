"""Why something was decided as a message of the wire, and what is known of entries and sources."""

from collections.abc import Sequence
from functools import lru_cache

from rungway.v1 import trial_pb2
from rungway_server.domain.engine import Entry, Explanation, Progress, Proposal, Reason, SourceShare
from rungway_server.domain.explain import in_words
from rungway_server.domain.search.methods.auto import PARTS
from rungway_server.domain.search.plan import Plan

REASONS = {reason: trial_pb2.Reason.Value(f"REASON_{reason.name}") for reason in Reason}


def whole(length: int) -> int:
    """A sum of lengths, capped at the largest integer of the wire."""
    return min(length, 2**63 - 1)


@lru_cache(maxsize=4096)
def explanation_message(why: Explanation) -> trial_pb2.Explanation:
    """The explanation with its numbers and in words. It is cached: do not change it."""
    return trial_pb2.Explanation(
        reason=REASONS[why.reason],
        bracket=why.bracket,
        rung=why.rung,
        rank=why.rank,
        rung_size=why.rung_size,
        quota=why.quota,
        cutoff=why.cutoff,
        text=in_words(why),
        parent=why.parent,
        entries=map(entry_message, why.entries),
        proposal=proposal_message(why.proposal) if why.proposal else None,
        front=why.front,
    )


def entry_message(entry: Entry) -> trial_pb2.Entry:
    """An entry of a ladder."""
    return trial_pb2.Entry(share=entry.share, spent=whole(entry.spent), credit=entry.credit, used=entry.used)


def proposal_message(found: Proposal) -> trial_pb2.Proposal:
    """Where a configuration comes from."""
    return trial_pb2.Proposal(
        source=found.source, turn=found.turn, revision=found.revision, sources=map(source_message, found.sources)
    )


def source_message(found: SourceShare) -> trial_pb2.SourceShare:
    """A source of configurations."""
    return trial_pb2.SourceShare(
        source=found.source, share=found.share, spent=whole(found.spent), credit=found.credit, used=found.used
    )


def entries_of(plan: Plan, progress: Progress | None) -> Sequence[Entry]:
    """The entries of the ladder by rung, as they are now or, without a progress, as they are at first."""
    return progress.entries if progress else [Entry(parts / PARTS, 0) for parts in plan.entries]


def first_shares(plan: Plan) -> list[SourceShare]:
    """The sources as they are at first."""
    found = zip(plan.sources.names, plan.sources.shares, strict=True) if plan.sources else ()
    return [SourceShare(name, parts / PARTS, 0) for name, parts in found]
