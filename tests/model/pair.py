"""Plays every call on the store and on the reference model, and holds each answer and all they show side by side."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Protocol, TypeVar, cast

from rungway_server.domain.engine import (
    AskAnswer,
    ExperimentState,
    Lease,
    LeaseStatus,
    Outcome,
    Progress,
    Release,
    Report,
    Result,
    Stock,
    TellAnswer,
    TellReply,
    TrialView,
)
from rungway_server.domain.errors import InvalidInput, RungwayError
from tests.model.reference import ReferenceModel

BEST_SHOWN = 5

Answer = TypeVar("Answer")


class Engine(Protocol):
    """What the model and the store (through `tests.model.driver`) have in common: the port, for one experiment."""

    def ask(self, request_id: str, count: int, worker: str, now_ms: int) -> AskAnswer: ...
    def tell(self, request_id: str, results: list[Result], now_ms: int) -> TellAnswer: ...
    def heartbeat(self, leases: list[Lease], now_ms: int) -> list[LeaseStatus]: ...
    def release(self, request_id: str, releases: list[Release], now_ms: int) -> TellAnswer: ...
    def fail(
        self, request_id: str, lease: Lease, outcome: Outcome, message: str, now_ms: int
    ) -> tuple[TellReply, int]: ...
    def enqueue(self, request_id: str, hparams: Mapping[str, object], now_ms: int) -> int: ...
    def enqueue_known(self, request_id: str, hparams: Mapping[str, object], result: Report, now_ms: int) -> int: ...
    def fill_stock(self, first: int, count: int) -> Stock: ...
    def set_state(self, state: ExperimentState) -> None: ...
    def progress(self) -> Progress: ...
    def trials(self, numbers: list[int], *, curve: bool = False) -> list[TrialView]: ...
    def best(self, count: int) -> list[TrialView]: ...


def tell(engine: Engine, lease: Lease, length: int, metric: float) -> TellReply:
    """Tell one result, at the beginning of time."""
    [reply] = engine.tell("", [Result(lease, [Report(length, metric)])], now_ms=0).replies
    return reply


class Differs(AssertionError):
    """The store and the model do not say the same."""


def plain(value: object) -> object:
    """A value in a form that compares by content: NaN equals NaN, -0.0 equals 0.0, a tuple its list, no count is 0."""
    if value is None or isinstance(value, (str, int)):  # most are
        return value
    if isinstance(value, float):
        return "nan" if math.isnan(value) else value + 0.0
    kind: Any = type(value)
    if (names := _names(kind)) is not None:
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if item != 0}
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    return value


@cache
def _names(kind: Any) -> tuple[str, ...] | None:
    """The fields of a dataclass; None for any other type."""
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else None


def _outcome_of(call: Callable[[], Answer]) -> tuple[object, Answer | None, RungwayError | None]:
    """What a call came to in plain form, the answer, and the typed error it raised instead."""
    try:
        answer = call()
        return plain(answer), answer, None
    except InvalidInput as error:
        return ["InvalidInput", *(violation.field for violation in error.violations)], None, error
    except RungwayError as error:
        return [type(error).__name__, dict(error.details)], None, error


class Pair:
    """Store and model of one experiment, as one engine: it answers, or raises, what both do, or raises Differs."""

    def __init__(self, store: Engine, model: ReferenceModel) -> None:
        self.store = store
        self.model = model

    def ask(self, request_id: str, count: int, worker: str, now_ms: int) -> AskAnswer:
        return self._both(lambda engine: engine.ask(request_id, count, worker, now_ms))

    def tell(self, request_id: str, results: list[Result], now_ms: int) -> TellAnswer:
        return self._both(lambda engine: engine.tell(request_id, results, now_ms))

    def heartbeat(self, leases: list[Lease], now_ms: int) -> list[LeaseStatus]:
        return self._both(lambda engine: engine.heartbeat(leases, now_ms))

    def release(self, request_id: str, releases: list[Release], now_ms: int) -> TellAnswer:
        return self._both(lambda engine: engine.release(request_id, releases, now_ms))

    def fail(self, request_id: str, lease: Lease, outcome: Outcome, message: str, now_ms: int) -> tuple[TellReply, int]:
        return self._both(lambda engine: engine.fail(request_id, lease, outcome, message, now_ms))

    def enqueue(self, request_id: str, hparams: Mapping[str, object], now_ms: int) -> int:
        return self._both(lambda engine: engine.enqueue(request_id, hparams, now_ms))

    def enqueue_known(self, request_id: str, hparams: Mapping[str, object], result: Report, now_ms: int) -> int:
        return self._both(lambda engine: engine.enqueue_known(request_id, hparams, result, now_ms))

    def fill_stock(self, first: int, count: int) -> Stock:
        return self._both(lambda engine: engine.fill_stock(first, count))

    def set_state(self, state: ExperimentState) -> None:
        self._both(lambda engine: engine.set_state(state))

    def progress(self) -> Progress:
        return self._same(lambda engine: engine.progress())

    def trials(self, numbers: list[int], *, curve: bool = False) -> list[TrialView]:
        return self._same(lambda engine: engine.trials(numbers, curve=curve))

    def best(self, count: int) -> list[TrialView]:
        return self._same(lambda engine: engine.best(count))

    def _both(self, call: Callable[[Engine], Answer]) -> Answer:
        try:
            answer = self._same(call)
        except RungwayError:
            self._compare_views()
            raise
        self._compare_views()
        return answer

    def _compare_views(self) -> None:
        """All there is to see: the progress, every trial with its curve, the best."""
        created = self.progress().trials_created
        self.trials(list(range(created + 1)), curve=True)
        self.best(BEST_SHOWN)

    def _same(self, call: Callable[[Engine], Answer]) -> Answer:
        of_model, answer, error = _outcome_of(lambda: call(self.model))
        of_store, _, _ = _outcome_of(lambda: call(self.store))
        if of_store != of_model:
            raise Differs(f"\n  store: {of_store}\n  model: {of_model}")
        if error is not None:
            raise error
        return cast("Answer", answer)
