"""What the client sends and what the service replies, as plain values. `rungway` offers the same names."""

from rungway.models.experiments import (
    Bracket,
    BracketPreview,
    Event,
    Experiment,
    Plan,
    Preview,
    PreviewRow,
    Rung,
    TrialCounts,
)
from rungway.models.work import (
    AskReply,
    Assignment,
    Enqueued,
    Explanation,
    Lease,
    LeaseStatus,
    Report,
    Result,
    TellReply,
    Trial,
    Worker,
)

__all__ = [
    "AskReply",
    "Assignment",
    "Bracket",
    "BracketPreview",
    "Enqueued",
    "Event",
    "Experiment",
    "Explanation",
    "Lease",
    "LeaseStatus",
    "Plan",
    "Preview",
    "PreviewRow",
    "Report",
    "Result",
    "Rung",
    "TellReply",
    "Trial",
    "TrialCounts",
    "Worker",
]
