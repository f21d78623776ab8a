"""Rungway's client: ask for a configuration and a length, train, tell the result.

from rungway import Client

client = Client("localhost:7077", experiment="digits")
for trial in client.trials():
    with trial:
        model = build(trial.hparams, trial.checkpoint)
        for epoch in trial.lengths():
            loss = train_one(model)
            if not trial.report(epoch, loss, checkpoint=lambda: save(model)):
                break
"""

from rungway.__about__ import __version__
from rungway._agent.current import CurrentTrial, current_trial
from rungway._async.client import AsyncClient
from rungway._async.run import AsyncTrialRun
from rungway._core.config import ClientConfig
from rungway._core.enums import (
    AskStatus,
    BestBy,
    Decision,
    DecisionForm,
    ExperimentState,
    Outcome,
    PromotionRule,
    Reason,
    TrialState,
)
from rungway._core.errors import (
    AlreadyExists,
    ConfigDiffers,
    DeadlineExceeded,
    Diverged,
    FailedPrecondition,
    InternalError,
    InvalidArgument,
    InvalidConfiguration,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    Preempted,
    ResourceExhausted,
    RungwayError,
    Unauthenticated,
    Unavailable,
    Unimplemented,
)
from rungway._data.picture import Picture
from rungway._local.optimize import maximize, minimize
from rungway._sync.client import Client
from rungway._sync.run import TrialRun
from rungway.models import (
    AskReply,
    Assignment,
    Bracket,
    BracketPreview,
    Caller,
    Enqueued,
    Entry,
    Event,
    Experiment,
    Explanation,
    Lease,
    LeaseStatus,
    Plan,
    Preview,
    PreviewRow,
    Proposal,
    Report,
    Result,
    Results,
    Rung,
    RungResult,
    SourceShare,
    StaleCheckpoint,
    Stock,
    TellReply,
    Trial,
    TrialCounts,
    Worker,
)
from rungway.models.search_result import SearchResult
from rungway.space import (
    choice,
    const,
    log_randint,
    log_uniform,
    lognormal,
    normal,
    ordinal,
    quantized_randint,
    quantized_uniform,
    randint,
    reverse_log_uniform,
    uniform,
)

__all__ = [
    "AlreadyExists",
    "AskReply",
    "AskStatus",
    "Assignment",
    "AsyncClient",
    "AsyncTrialRun",
    "BestBy",
    "Bracket",
    "BracketPreview",
    "Caller",
    "Client",
    "ClientConfig",
    "ConfigDiffers",
    "CurrentTrial",
    "DeadlineExceeded",
    "Decision",
    "DecisionForm",
    "Diverged",
    "Enqueued",
    "Entry",
    "Event",
    "Experiment",
    "ExperimentState",
    "Explanation",
    "FailedPrecondition",
    "InternalError",
    "InvalidArgument",
    "InvalidConfiguration",
    "Lease",
    "LeaseStatus",
    "NotFound",
    "Outcome",
    "OutcomeUnknown",
    "PermissionDenied",
    "Picture",
    "Plan",
    "Preempted",
    "Preview",
    "PreviewRow",
    "PromotionRule",
    "Proposal",
    "Reason",
    "Report",
    "ResourceExhausted",
    "Result",
    "Results",
    "Rung",
    "RungResult",
    "RungwayError",
    "SearchResult",
    "SourceShare",
    "StaleCheckpoint",
    "Stock",
    "TellReply",
    "Trial",
    "TrialCounts",
    "TrialRun",
    "TrialState",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "Worker",
    "__version__",
    "choice",
    "const",
    "current_trial",
    "log_randint",
    "log_uniform",
    "lognormal",
    "maximize",
    "minimize",
    "normal",
    "ordinal",
    "quantized_randint",
    "quantized_uniform",
    "randint",
    "reverse_log_uniform",
    "uniform",
]
