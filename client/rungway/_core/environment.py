"""The variables RUNGWAY_…: a misspelt one is refused, because another service or store would be used without it."""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path

PREFIX = "RUNGWAY_"
CLIENT_VARIABLES = frozenset(
    PREFIX + name
    for name in (
        *("TARGET", "EXPERIMENT", "TOKEN", "NAMESPACE", "INSECURE"),
        *("TLS", "TLS_CA", "TLS_CLIENT_CERT", "TLS_CLIENT_KEY", "TLS_SERVER_NAME"),
    )
)
"""The variables that a client reads."""
SERVER_VARIABLES = frozenset(
    PREFIX + name
    for name in (
        *("LISTEN", "HTTP", "HTTP_HOSTS", "HTTP_PREFIX", "HEALTH_LISTEN", "METRICS_LISTEN", "METRICS_EXPERIMENTS"),
        "TRACING",
        *("TOKENS", "TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA", "INSECURE", "WORKERS", "REFLECTION"),
        *("QUOTA_EXPERIMENTS", "QUOTA_TRIALS", "QUOTA_LEASES", "QUOTA_CALLS_PER_SECOND"),
        *("REDIS_URL", "REDIS_CA_FILE", "REDIS_CERT_FILE", "REDIS_KEY_FILE", "REDIS_TIMEOUT_SECONDS"),
        *("DATA_DIR", "REDIS_SERVER", "FSYNC", "UNSAFE_EVICTION", "REQUEST_WINDOW_SECONDS", "MOST_EVENTS"),
        *("MAX_MESSAGE_BYTES", "MAX_CONCURRENT_RPCS", "DRAIN_NOTICE_SECONDS", "DRAIN_SECONDS"),
        *("WEBHOOKS", "WEBHOOK_SECRET", "WEBHOOK_SECRET_FILE"),
        *("LOG_LEVEL", "LOG_FORMAT"),
    )
)
"""The variables that `rungway serve` reads, in upper or lower case. One shell may set those of both sides, so each side
knows them all."""
TRIAL_VARIABLES = frozenset(
    PREFIX + name for name in ("TRIAL", "FROM_LENGTH", "TO_LENGTH", "CHECKPOINT", "PARAMS_FILE", "PLACE", "ASSIGNMENT")
)
"""The variables that `rungway run`, `rungway agent` and the sweeper for Hydra set for a training."""
INTEGRATION_VARIABLES = frozenset({PREFIX + "CHECKPOINTS"})
"""The variables that `rungway.integrations` reads."""
PARAMETER = PREFIX + "PARAM_"
"""What the variables begin with in which they give it its hyperparameters."""
_KNOWN = sorted(CLIENT_VARIABLES | SERVER_VARIABLES | TRIAL_VARIABLES | INTEGRATION_VARIABLES)
_OF_TESTS = ("RUNGWAY_MODEL_", "RUNGWAY_FUZZ_")
_OF_KUBERNETES = re.compile(
    r"RUNGWAY_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
"""What Kubernetes sets in every container of a namespace with a Service named "rungway" or "rungway-…"."""
_OF_KUBERNETES_URL = re.compile(r"(tcp|udp|sctp)://")


def default_data_dir() -> Path:
    """Folder of the embedded store: `$XDG_DATA_HOME/rungway`, or `~/.local/share/rungway`; relative values of the
    variable count as unset."""
    base = Path(os.environ.get("XDG_DATA_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".local" / "share") / "rungway"


def misspelt(environment: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """The variables RUNGWAY_… that nothing reads, as (name, advice); those of this process unless given."""
    found = os.environ if environment is None else environment
    return [(name, _advice(name)) for name in sorted(found) if not _is_known(name, found[name])]


def _is_known(name: str, value: str) -> bool:
    if not name.upper().startswith(PREFIX) or name.startswith(_OF_TESTS):
        return True
    if name in TRIAL_VARIABLES | INTEGRATION_VARIABLES or name.startswith(PARAMETER):
        return True
    if name in CLIENT_VARIABLES or name.upper() in SERVER_VARIABLES or _OF_KUBERNETES.fullmatch(name):
        return True
    return name.endswith("_PORT") and bool(_OF_KUBERNETES_URL.match(value))


def _advice(name: str) -> str:
    # Compared without the prefix: all names share it, so it would make them all similar.
    rest = name.upper().removeprefix(PREFIX)
    near = difflib.get_close_matches(rest, [known.removeprefix(PREFIX) for known in _KNOWN], n=1, cutoff=0.0)
    return f"there is no such variable, the nearest is {PREFIX}{near[0]}: correct or unset it"
