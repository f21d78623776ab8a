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
from rungway._async_client import AsyncClient
from rungway._async_worker import AsyncTrialRun
from rungway._client import Client
from rungway._config import ClientConfig
from rungway._errors import (
    AlreadyExists,
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
from rungway._experiment_models import (
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
from rungway._models import (
    AskReply,
    Assignment,
    Explanation,
    Lease,
    LeaseStatus,
    Report,
    Trial,
    Verdict,
)
from rungway._requests import Result
from rungway._words import (
    AskStatus,
    Decision,
    DecisionForm,
    ExperimentState,
    Outcome,
    PromotionRule,
    Reason,
    TrialState,
)
from rungway._worker import TrialRun
from rungway.space import (
    choice,
    const,
    log_uniform,
    quantized_randint,
    quantized_uniform,
    randint,
    uniform,
)

__all__ = [
    "AlreadyExists",
    "AskReply",
    "AskStatus",
    "Assignment",
    "AsyncClient",
    "AsyncTrialRun",
    "Bracket",
    "BracketPreview",
    "Client",
    "ClientConfig",
    "DeadlineExceeded",
    "Decision",
    "DecisionForm",
    "Diverged",
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
    "Plan",
    "Preempted",
    "Preview",
    "PreviewRow",
    "PromotionRule",
    "Reason",
    "Report",
    "ResourceExhausted",
    "Result",
    "Rung",
    "RungwayError",
    "Trial",
    "TrialCounts",
    "TrialRun",
    "TrialState",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "Verdict",
    "__version__",
    "choice",
    "const",
    "log_uniform",
    "quantized_randint",
    "quantized_uniform",
    "randint",
    "uniform",
]
