"""Arguments that commands share, and exit codes."""

from contextvars import ContextVar
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Exit(IntEnum):
    """Exit codes: 0 done; 1 refused by the service or by the rules of the search, or no best trial in a search without
    a result; 2 wrong usage or a bad file; 3 the service cannot be reached."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3


class Output(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"


class TableOutput(StrEnum):
    """How a command prints what is also a table of a spreadsheet."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class Plot(StrEnum):
    """What a picture of a search shows."""

    BEST = "best"
    CURVES = "curves"
    IMPORTANCE = "importance"
    PARALLEL = "parallel"
    LADDER = "ladder"
    WORKERS = "workers"
    FRONT = "front"


class MirrorTarget(StrEnum):
    """Where `rungway mirror` writes to: the name of the package, and of the extra."""

    WANDB = "wandb"
    MLFLOW = "mlflow"
    TENSORBOARD = "tensorboard"


class Rank(StrEnum):
    """Which result of a trial counts for `rungway best`."""

    BEST = "best"
    LAST = "last"
    FINAL = "final"


class TrialOrder(StrEnum):
    """How trials are sorted."""

    NUMBER = "number"
    METRIC = "metric"


class ExportFormat(StrEnum):
    """How an experiment is exported."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


OUTPUT: ContextVar[Output | None] = ContextVar("output", default=None)
"""How the command that runs prints, for its errors."""
NAMESPACE: ContextVar[str] = ContextVar("namespace", default="")
"""The namespace that the command names; "" = that of RUNGWAY_NAMESPACE or of the token."""
DEFAULT_TARGET = "localhost:7077"

OutputOption = Annotated[Output, typer.Option("--output", "-o", help="Tables for people, or JSON for programs.")]
TableOutputOption = Annotated[
    TableOutput,
    typer.Option("--output", "-o", help="Tables for people, JSON for programs, or CSV with the columns of an export."),
]
TargetOption = Annotated[
    str, typer.Option(envvar="RUNGWAY_TARGET", help="Where the service is: HOST:PORT, or https://HOST for HTTP.")
]
FileArgument = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="YAML or JSON, '-' = standard input. Determined's form is accepted, too."),
]
NamedExperimentArgument = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="The experiment's id.")]
"""Not read from the environment: for commands with a further argument, and for dangerous ones."""
ExperimentArgument = Annotated[
    str, typer.Argument(metavar="EXPERIMENT", envvar="RUNGWAY_EXPERIMENT", help="The experiment's id.")
]
OptionalExperimentArgument = Annotated[
    str | None, typer.Argument(metavar="EXPERIMENT", envvar="RUNGWAY_EXPERIMENT", help="The experiment's id.")
]
OneNamespaceOption = Annotated[str | None, typer.Option(help="Only this namespace.")]
NamespaceOption = Annotated[str, typer.Option(help="The namespace the experiment is in.")]
RedisOption = Annotated[
    str | None, typer.Option(metavar="URL", help="The Redis or Valkey; with a password, set RUNGWAY_REDIS_URL instead.")
]
DataOption = Annotated[Path | None, typer.Option(help="Folder of the embedded store, used without --redis.")]
