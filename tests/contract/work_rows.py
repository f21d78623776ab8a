"""Requests of workers with one fault each, and the reason and fields that the refusal must name."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from rungway.v1 import search_service_pb2 as pb
from rungway.v1 import trial_pb2
from rungway.v1.trial_pb2 import Lease, Report, Result

LONG_ID = "r" * 65


@dataclass(frozen=True)
class Held:
    """An experiment and a lease in it: stopping form, rungs at 1, 3 and 9, length 2 told."""

    experiment: str
    lease: Lease
    request_id: str


Request = pb.AskRequest | pb.TellRequest | pb.HeartbeatRequest | pb.ReleaseRequest | pb.FailRequest
Row = tuple[str, Callable[[Held], Request], str, tuple[str, ...]]


def tell(held: Held, *results: Result, request_id: str = "") -> pb.TellRequest:
    return pb.TellRequest(experiment=held.experiment, request_id=request_id, results=results)


def reports(*pairs: tuple[int, float]) -> list[Report]:
    return [Report(length=length, metric=metric) for length, metric in pairs]


def further(held: Held, cost: float | None = None, **metrics: float) -> pb.TellRequest:
    """A report at length 3 with further metrics; `loss` is the searcher's metric."""
    return tell(held, Result(lease=held.lease, reports=[Report(length=3, metric=0.1, metrics=metrics, cost=cost)]))


def other(held: Held) -> Lease:
    return Lease(trial=held.lease.trial + 1, fence=held.lease.fence)


def ask(held: Held, **fields: object) -> pb.AskRequest:
    return pb.AskRequest(experiment=held.experiment, **fields)  # type: ignore[arg-type]  # the table's own


ASK: list[Row] = [
    ("count below 0", lambda h: ask(h, count=-1), "INVALID_FIELD", ("count",)),
    ("count above 64", lambda h: ask(h, count=65), "INVALID_FIELD", ("count",)),
    ("long worker", lambda h: ask(h, worker="w" * 257), "INVALID_FIELD", ("worker",)),
    ("long worker in bytes", lambda h: ask(h, worker="ä" * 129), "INVALID_FIELD", ("worker",)),
    ("long id", lambda h: ask(h, request_id=LONG_ID), "INVALID_FIELD", ("request_id",)),
    (
        "three at once",
        lambda h: ask(h, count=-1, worker="w" * 300, request_id=LONG_ID),
        "INVALID_FIELD",
        ("worker", "count", "request_id"),
    ),
]

TELL: list[Row] = [
    (
        "too many further metrics",
        lambda h: further(h, **{f"m{k}": 0.5 for k in range(33)}),
        "INVALID_FIELD",
        ("results[0].reports[0].metrics",),
    ),
    (
        "too many further metrics, of which each is wrong",  # and not named one by one
        lambda h: further(h, **{f"{k:0129}": 0.5 for k in range(33)}),
        "INVALID_FIELD",
        ("results[0].reports[0].metrics",),
    ),
    (
        "far too many further metrics",  # of which none is looked at
        lambda h: further(h, **{f"{k:0129}": 0.5 for k in range(4_097)}),
        "INVALID_FIELD",
        ("results",),
    ),
    (
        "a further metric without a name",
        lambda h: further(h, **{"": 0.5}),
        "INVALID_FIELD",
        ('results[0].reports[0].metrics[""]',),
    ),
    (
        "a long name of a further metric, in bytes",
        lambda h: further(h, **{"ä" * 65: 0.5}),
        "INVALID_FIELD",
        (f'results[0].reports[0].metrics["{"ä" * 65}"]',),
    ),
    (
        "the searcher's metric among the further ones",
        lambda h: further(h, loss=0.5, lr=0.1),
        "INVALID_FIELD",
        ('results[0].reports[0].metrics["loss"]',),
    ),
    ("a negative cost", lambda h: further(h, -0.5), "INVALID_FIELD", ("results[0].reports[0].cost",)),
    ("a cost that is no number", lambda h: further(h, math.nan), "INVALID_FIELD", ("results[0].reports[0].cost",)),
    ("an infinite cost", lambda h: further(h, math.inf), "INVALID_FIELD", ("results[0].reports[0].cost",)),
    (
        "too many further values",
        lambda h: tell(
            h,
            Result(
                lease=h.lease,
                reports=[Report(length=3 + n, metric=0.1, metrics={"a": 1.0, "b": 2.0}) for n in range(1_366)],
            ),
        ),
        "INVALID_FIELD",
        ("results",),
    ),
    ("no results", lambda h: tell(h), "INVALID_FIELD", ("results",)),
    (
        "too many results",
        lambda h: tell(h, *(Result(lease=Lease(trial=i, fence=1), reports=reports((1, 0))) for i in range(257))),
        "INVALID_FIELD",
        ("results",),
    ),
    ("no lease", lambda h: tell(h, Result(reports=reports((3, 0.1)))), "INVALID_FIELD", ("results[0].lease",)),
    ("no reports", lambda h: tell(h, Result(lease=h.lease)), "INVALID_FIELD", ("results[0].reports",)),
    (
        "no metric",
        lambda h: tell(h, Result(lease=h.lease, reports=[Report(length=3)])),
        "INVALID_FIELD",
        ("results[0].reports[0].metric",),
    ),
    (
        "no metric in a later report",
        lambda h: tell(h, Result(lease=h.lease, reports=[*reports((3, 0.1)), Report(length=4)])),
        "INVALID_FIELD",
        ("results[0].reports[1].metric",),
    ),
    (
        "no length",
        lambda h: tell(h, Result(lease=h.lease, reports=[Report(metric=1.0)])),
        "INVALID_FIELD",
        ("results[0].reports[0].length",),
    ),
    (
        "negative length",
        lambda h: tell(h, Result(lease=h.lease, reports=reports((-3, 0.1)))),
        "INVALID_FIELD",
        ("results[0].reports[0].length",),
    ),
    (
        "lengths going backwards within a result",
        lambda h: tell(h, Result(lease=h.lease, reports=reports((4, 0.1), (3, 0.1)))),
        "INVALID_FIELD",
        ("results[0].reports[1].length",),
    ),
    (
        "the same length twice within a result",
        lambda h: tell(h, Result(lease=h.lease, reports=reports((3, 0.1), (3, 0.1)))),
        "INVALID_FIELD",
        ("results[0].reports[1].length",),
    ),
    (
        "a length told before",
        lambda h: tell(h, Result(lease=h.lease, reports=reports((2, 0.1)))),
        "LENGTH_OUT_OF_ORDER",
        ("results[0].reports[0].length",),
    ),
    (
        "a length below the one told before",
        lambda h: tell(h, Result(lease=h.lease, reports=reports((1, 0.1)))),
        "LENGTH_OUT_OF_ORDER",
        ("results[0].reports[0].length",),
    ),
    (
        "a length beyond the assignment",
        lambda h: tell(h, Result(lease=h.lease, reports=reports((3, 0.1), (10, 0.1)))),
        "LENGTH_BEYOND_ASSIGNMENT",
        ("results[0].reports[1].length",),
    ),
    (
        "the largest length",
        lambda h: tell(h, Result(lease=h.lease, reports=reports((2**63 - 1, 0.1)))),
        "LENGTH_BEYOND_ASSIGNMENT",
        ("results[0].reports[0].length",),
    ),
    (
        "a good result before a bad one",
        lambda h: tell(
            h,
            Result(lease=h.lease, reports=reports((3, 0.1))),
            Result(lease=other(h), reports=reports((2, 0.1), (1, 0.1))),
        ),
        "INVALID_FIELD",
        ("results[1].reports[1].length",),
    ),
    (
        "the same trial twice",
        lambda h: tell(h, *(Result(lease=h.lease, reports=reports((n, 0.1))) for n in (3, 4))),
        "INVALID_FIELD",
        ("results",),
    ),
    (
        "a negative trial and a negative fence",
        lambda h: tell(
            h,
            Result(lease=Lease(trial=-1, fence=h.lease.fence), reports=reports((3, 0.1))),
            Result(lease=Lease(trial=0, fence=-1), reports=reports((3, 0.1))),
        ),
        "INVALID_FIELD",
        ("results[0].lease", "results[1].lease"),
    ),
    (
        "a long checkpoint",
        lambda h: tell(h, Result(lease=h.lease, reports=reports((3, 0.1)), checkpoint="c" * 4097)),
        "INVALID_FIELD",
        ("results[0].checkpoint",),
    ),
    (
        "too many reports",
        lambda h: tell(h, Result(lease=h.lease, reports=reports(*((n, 0.1) for n in range(1, 4098))))),
        "INVALID_FIELD",
        ("results[0].reports",),
    ),
    (
        "a long request id",
        lambda h: tell(h, Result(lease=h.lease, reports=reports((3, 0.1))), request_id=LONG_ID),
        "INVALID_FIELD",
        ("request_id",),
    ),
]

HEARTBEAT: list[Row] = [
    ("no leases", lambda h: pb.HeartbeatRequest(experiment=h.experiment), "INVALID_FIELD", ("leases",)),
    (
        "too many leases",
        lambda h: pb.HeartbeatRequest(experiment=h.experiment, leases=[Lease(trial=i, fence=1) for i in range(257)]),
        "INVALID_FIELD",
        ("leases",),
    ),
    (
        "the same trial twice",
        lambda h: pb.HeartbeatRequest(experiment=h.experiment, leases=[h.lease, h.lease]),
        "INVALID_FIELD",
        ("leases",),
    ),
    (
        "a negative trial",
        lambda h: pb.HeartbeatRequest(experiment=h.experiment, leases=[h.lease, Lease(trial=-1, fence=1)]),
        "INVALID_FIELD",
        ("leases[1]",),
    ),
    (
        "an empty lease",
        lambda h: pb.HeartbeatRequest(experiment=h.experiment, leases=[Lease()]),
        "INVALID_FIELD",
        ("leases[0]",),
    ),
]


def release(held: Held, *releases: pb.Release, request_id: str = "") -> pb.ReleaseRequest:
    return pb.ReleaseRequest(experiment=held.experiment, request_id=request_id, releases=releases)


RELEASE: list[Row] = [
    ("nothing", lambda h: release(h), "INVALID_FIELD", ("releases",)),
    (
        "too many",
        lambda h: release(h, *(pb.Release(lease=Lease(trial=i, fence=1)) for i in range(257))),
        "INVALID_FIELD",
        ("releases",),
    ),
    ("no lease", lambda h: release(h, pb.Release()), "INVALID_FIELD", ("releases[0].lease",)),
    (
        "the same trial twice",
        lambda h: release(h, pb.Release(lease=h.lease), pb.Release(lease=h.lease)),
        "INVALID_FIELD",
        ("releases",),
    ),
    (
        "a negative checkpoint length",
        lambda h: release(h, pb.Release(lease=h.lease, checkpoint="c", checkpoint_length=-1)),
        "INVALID_FIELD",
        ("releases[0].checkpoint_length",),
    ),
    (
        "a checkpoint length without a checkpoint",
        lambda h: release(h, pb.Release(lease=h.lease, checkpoint_length=1)),
        "INVALID_FIELD",
        ("releases[0].checkpoint_length",),
    ),
    (
        "a checkpoint further than what was told",
        lambda h: release(h, pb.Release(lease=h.lease, checkpoint="c", checkpoint_length=3)),
        "INVALID_FIELD",
        ("releases[0].checkpoint_length",),
    ),
    (
        "a long checkpoint",
        lambda h: release(h, pb.Release(lease=h.lease, checkpoint="ä" * 2049, checkpoint_length=1)),
        "INVALID_FIELD",
        ("releases[0].checkpoint",),
    ),
]


def fail(held: Held, lease: Lease | None = None, **fields: object) -> pb.FailRequest:
    values: dict[str, object] = {"outcome": trial_pb2.OUTCOME_ERROR, **fields}
    return pb.FailRequest(experiment=held.experiment, lease=lease or held.lease, **values)  # type: ignore[arg-type]  # the table's own


FAIL: list[Row] = [
    ("no outcome", lambda h: fail(h, outcome=0), "INVALID_FIELD", ("outcome",)),
    ("an unknown outcome", lambda h: fail(h, outcome=99), "INVALID_FIELD", ("outcome",)),
    ("a negative outcome", lambda h: fail(h, outcome=-1), "INVALID_FIELD", ("outcome",)),
    (
        "no lease",
        lambda h: pb.FailRequest(experiment=h.experiment, outcome=trial_pb2.OUTCOME_ERROR),
        "INVALID_FIELD",
        ("lease",),
    ),
    ("a negative trial", lambda h: fail(h, Lease(trial=-1, fence=1)), "INVALID_FIELD", ("lease",)),
    ("a long message", lambda h: fail(h, message="m" * 4097), "INVALID_FIELD", ("message",)),
    ("a long request id", lambda h: fail(h, request_id=LONG_ID), "INVALID_FIELD", ("request_id",)),
]

TABLES = {"Ask": ASK, "Tell": TELL, "Heartbeat": HEARTBEAT, "Release": RELEASE, "Fail": FAIL}
