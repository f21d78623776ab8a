"""What the client sends and what the service replies, as plain values. `rungway` offers the same names."""

from rungway.models.checkpoints import StaleCheckpoint
from rungway.models.experiments import (
    Bracket,
    BracketPreview,
    Caller,
    Event,
    Experiment,
    Plan,
    Preview,
    PreviewRow,
    Rung,
    TrialCounts,
)
from rungway.models.explanation import Entry, Explanation, Proposal, SourceShare
from rungway.models.people import Enqueued, Worker
from rungway.models.proposals import Results, RungResult, Stock
from rungway.models.work import (
    AskReply,
    Assignment,
    Lease,
    LeaseStatus,
    Objectives,
    Report,
    Result,
    TellReply,
    Trial,
)

__all__ = [
    "AskReply",
    "Assignment",
    "Bracket",
    "BracketPreview",
    "Caller",
    "Enqueued",
    "Entry",
    "Event",
    "Experiment",
    "Explanation",
    "Lease",
    "LeaseStatus",
    "Objectives",
    "Plan",
    "Preview",
    "PreviewRow",
    "Proposal",
    "Report",
    "Result",
    "Results",
    "Rung",
    "RungResult",
    "SourceShare",
    "StaleCheckpoint",
    "Stock",
    "TellReply",
    "Trial",
    "TrialCounts",
    "Worker",
]
