"""The errors that callers see, one class each. The transport maps a class to a gRPC status and a reason.

RungwayError
├── InvalidInput            one or more fields of a request are wrong
├── UnknownExperiment       no such experiment
├── UnknownTrial            no such trial in the experiment
├── ExperimentExists        the id is taken
├── ConfigDiffers           the experiment that is there has another configuration
├── RequestIdReused         the same request_id came with another request
├── WrongState              the experiment's state does not allow the call
├── NoTrialsLeft            no new trial is left for an enqueued configuration
├── NewerSchema             the experiment was written by a newer version
├── OlderSchema             the experiment was written by a version too old for this one
├── Unauthenticated         no token, or none that is valid
├── PermissionDenied        the token does not allow the call
├── CrossSite               a browser sent it for another site
├── UnknownHost             it names this service by an unexpected name
├── QuotaExceeded           a quota of the namespace is used up
├── Overloaded              this server runs as many calls as it can
├── StoreUnavailable        the store does not answer, or refuses writes
└── ServiceStopping         this server is shutting down
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One wrong field: its path, and what was found and wanted."""

    field: str
    description: str


class RungwayError(Exception):
    """Base of all errors that a caller may see. `reason` is UPPER_SNAKE_CASE; `details` are the values in the
    message."""

    reason = "INTERNAL"

    def __init__(self, message: str, **details: str) -> None:
        super().__init__(message)
        self.details = details


class InvalidInput(RungwayError):
    """One or more fields of a request are wrong; `violations` lists every one that was found."""

    reason = "INVALID_FIELD"

    def __init__(self, violations: list[Violation], *, reason: str = "INVALID_FIELD") -> None:
        super().__init__("; ".join(f"{v.field}: {v.description}" for v in violations))
        self.violations = tuple(violations)
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        """Pickled with all its fields: it may come from a worker process."""
        return type(self), (list(self.violations),), {"reason": self.reason}

    @classmethod
    def one(cls, field: str, description: str, *, reason: str = "INVALID_FIELD") -> "InvalidInput":
        """An error with a single wrong field."""
        return cls([Violation(field, description)], reason=reason)


class UnknownExperiment(RungwayError):
    """No such experiment in the caller's namespace."""

    reason = "EXPERIMENT_NOT_FOUND"

    def __init__(self, experiment: str) -> None:
        super().__init__(f"there is no experiment {experiment!r}", experiment=experiment)


class UnknownTrial(RungwayError):
    """No such trial in the experiment."""

    reason = "TRIAL_NOT_FOUND"

    def __init__(self, experiment: str, trial: int) -> None:
        super().__init__(f"experiment {experiment!r} has no trial {trial}", experiment=experiment, trial=str(trial))


class ExperimentExists(RungwayError):
    """The id is taken by another experiment."""

    reason = "EXPERIMENT_EXISTS"

    def __init__(self, experiment: str) -> None:
        super().__init__(f"there is already an experiment {experiment!r}", experiment=experiment)


class ConfigDiffers(RungwayError):
    """The experiment that is there has another configuration than the one given; `differences` lists each field."""

    reason = "CONFIG_DIFFERS"

    def __init__(self, experiment: str, differences: list[Violation]) -> None:
        listed = "; ".join(f"{each.field}: {each.description}" for each in differences)
        super().__init__(
            f"there is already an experiment {experiment!r}, with another configuration: {listed}",
            experiment=experiment,
        )
        self.differences = tuple(differences)


class RequestIdReused(RungwayError):
    """The same request_id came with another request."""

    reason = "REQUEST_ID_REUSED"

    def __init__(self, request_id: str) -> None:
        super().__init__(
            f"request_id {request_id!r} was used for another request: take a new one for each logical call",
            request_id=request_id,
        )


class WrongState(RungwayError):
    """The experiment's state does not allow the call."""

    reason = "WRONG_STATE"

    def __init__(self, experiment: str, state: str, wanted: str) -> None:
        super().__init__(f"experiment {experiment!r} is {state}: {wanted}", experiment=experiment, state=state)


class NoTrialsLeft(RungwayError):
    """Every new trial of the experiment is started or reserved for an enqueued configuration."""

    reason = "NO_TRIALS_LEFT"

    def __init__(self, experiment: str) -> None:
        super().__init__(
            f"experiment {experiment!r} has no new trials left: raise max_trials first", experiment=experiment
        )


class NewerSchema(RungwayError):
    """The experiment was written by a newer version of the service."""

    reason = "NEWER_SCHEMA"

    def __init__(self, experiment: str, found: int, known: int) -> None:
        super().__init__(
            f"experiment {experiment!r} has schema {found}, this server knows up to {known}: upgrade the server",
            experiment=experiment,
            schema=str(found),
        )


class OlderSchema(RungwayError):
    """The experiment was written by an older version of the service, whose layout this one no longer reads."""

    reason = "OLDER_SCHEMA"

    def __init__(self, experiment: str, found: int, oldest: int) -> None:
        super().__init__(
            f"experiment {experiment!r} has schema {found}, this server reads {oldest} and newer: "
            "`rungway migrate` brings up those of 5 and newer; export an older one with its own version",
            experiment=experiment,
            schema=str(found),
        )


class Unauthenticated(RungwayError):
    """No valid token. The message does not tell unknown, wrong, revoked and expired ones apart."""

    reason = "UNAUTHENTICATED"

    def __init__(self, *, given: bool) -> None:
        super().__init__(
            "the token is not valid: it is unknown, revoked or expired"
            if given
            else "this service wants a token: metadata 'authorization: Bearer rwy_…'"
        )


class PermissionDenied(RungwayError):
    """The token is valid and does not allow the call."""

    reason = "PERMISSION_DENIED"


class CrossSite(RungwayError):
    """A browser sent the request for a page of another site."""

    reason = "CROSS_SITE"

    def __init__(self, found: str) -> None:
        super().__init__(f"the request comes from a page of another site: {found}")


class UnknownHost(RungwayError):
    """The request names this service by a name that anybody may have pointed at it."""

    reason = "UNKNOWN_HOST"

    def __init__(self, host: str) -> None:
        super().__init__(
            f"tokens are off, and Host is {host}: use localhost or an IP address, or set --http-hosts "
            "(RUNGWAY_HTTP_HOSTS) to the names of this service"
        )


_ROOM = {
    "experiments": "delete one",
    "trials": "lower max_trials, or stop or delete one of the others that is not over",
    "leases": "lower max_concurrent_trials (0 counts as max_trials), or stop or delete one of the others that "
    "is not over",
    "streams": "end one",
}
"""What frees room below each limit that waiting does not."""


class QuotaExceeded(RungwayError):
    """A quota of the namespace is used up; `retry_seconds` is set where waiting helps."""

    reason = "QUOTA_EXCEEDED"

    def __init__(self, quota: str, *, most: int, used: int | None = None, retry_seconds: float | None = None) -> None:
        what = quota.replace("_", " ")
        taken = "" if used is None else f", of which the others take {used}"
        advice = "repeat the call later" if retry_seconds else f"{_ROOM[quota]}, or ask who runs the service for more"
        super().__init__(f"the quota of the namespace is {most} {what}{taken}: {advice}", quota=quota, limit=str(most))
        self.retry_seconds = retry_seconds


class Overloaded(RungwayError):
    """This server runs as many calls as it accepts, in all or from one experiment; the call was not executed."""

    reason = "OVERLOADED"

    def __init__(self) -> None:
        super().__init__("this server is busy: repeat the call a little later")


class StoreUnavailable(RungwayError):
    """The store does not answer, or refuses writes. The call may be repeated with the same request_id."""

    reason = "STORE_UNAVAILABLE"


class StoreFull(StoreUnavailable):
    """The store has no memory left and refuses writes; the call changed nothing."""

    reason = "STORE_FULL"


class ServiceStopping(RungwayError):
    """This server is shutting down. Another one, or this one after its restart, answers the repeated call."""

    reason = "SERVICE_STOPPING"

    def __init__(self) -> None:
        super().__init__("this server is stopping; call again")
