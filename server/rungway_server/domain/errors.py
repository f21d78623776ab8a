"""Everything a caller can do wrong, typed. The transport maps each class to one status and reason.

RungwayError
├── InvalidInput            one or more fields of a request are wrong
├── UnknownExperiment       no such experiment
├── UnknownTrial            no such trial in the experiment
├── ExperimentExists        the id is taken
├── RequestIdReused         the same request_id came with another request
├── WrongState              the experiment's state does not allow the call
├── NoTrialsLeft            no new trial is left for a queued configuration
├── NewerSchema             the experiment was written by a newer version
├── OlderSchema             the experiment was written by a version too old for this one
├── Unauthenticated         no token, or none that is valid
├── PermissionDenied        the token does not allow the call
├── QuotaExceeded           the namespace has, or does, as much as it may
├── Overloaded              this server has enough to do
├── StoreUnavailable        the store does not answer, or refuses writes
└── ServiceStopping         this server is going away
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One wrong field: its path, and what was found and wanted."""

    field: str
    description: str


class RungwayError(Exception):
    """Base of all errors that a caller may see; `reason` is UPPER_SNAKE_CASE, `details` are the values it mentions."""

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
        """Pickled whole: it may come from another process."""
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
    """Every new trial of the experiment is started or has a queued configuration."""

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
    """No token, or none that is valid: one text for unknown, wrong, revoked and expired ones."""

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


_ROOM = {
    "experiments": "delete one",
    "trials": "lower max_trials, or stop or delete one of the others that is not over",
    "leases": "lower max_concurrent_trials (0 counts as max_trials), or stop or delete one of the others that "
    "is not over",
    "streams": "end one",
}
"""What gives room below each limit that waiting does not lift."""


class QuotaExceeded(RungwayError):
    """The namespace has, or does, as much as it may; `retry_seconds` where waiting alone helps."""

    reason = "QUOTA_EXCEEDED"

    def __init__(self, quota: str, *, most: int, used: int | None = None, retry_seconds: float | None = None) -> None:
        what = quota.replace("_", " ")
        taken = "" if used is None else f", of which the others take {used}"
        advice = "repeat the call later" if retry_seconds else f"{_ROOM[quota]}, or ask who runs the service for more"
        super().__init__(f"the quota of the namespace is {most} {what}{taken}: {advice}", quota=quota, limit=str(most))
        self.retry_seconds = retry_seconds


class Overloaded(RungwayError):
    """This server has as many calls in work as it takes, or as it takes from one experiment; nothing was executed."""

    reason = "OVERLOADED"

    def __init__(self) -> None:
        super().__init__("this server is busy: repeat the call a little later")


class StoreUnavailable(RungwayError):
    """The store does not answer, or refuses writes; the call may be repeated with the same request_id."""

    reason = "STORE_UNAVAILABLE"


class StoreFull(StoreUnavailable):
    """The store has no memory left: it takes no changes, and this one was not begun."""

    reason = "STORE_FULL"


class ServiceStopping(RungwayError):
    """This server is going away; another one, or the next start of this one, goes on."""

    reason = "SERVICE_STOPPING"

    def __init__(self) -> None:
        super().__init__("this server is stopping; call again")
