"""Plays every call on the store and on the reference model, and holds each answer and all they show side by side."""

import math
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from typing import Protocol, TypeVar

from rungway_server.domain.decisions import (
    AskAnswer,
    ExperimentState,
    Lease,
    LeaseStatus,
    Outcome,
    Release,
    Result,
    Tally,
    TellAnswer,
    TrialView,
    Verdict,
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
    ) -> tuple[Verdict, int]: ...
    def set_state(self, state: ExperimentState) -> None: ...
    def tally(self) -> Tally: ...
    def trials(self, numbers: list[int], *, curve: bool = False) -> list[TrialView]: ...
    def best(self, count: int) -> list[TrialView]: ...


class Differs(AssertionError):
    """The store and the model do not say the same."""


def plain(value: object) -> object:
    """A value in a form that compares by content: NaN equals NaN, -0.0 equals 0.0, a tuple its list, no count is 0."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else value + 0.0
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if item != 0}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value


def _outcome_of(call: Callable[[], object]) -> object:
    """What a call answered, or which typed error it raised with which fields."""
    try:
        return plain(call())
    except InvalidInput as error:
        return "InvalidInput", [violation.field for violation in error.violations]
    except RungwayError as error:
        return type(error).__name__, dict(error.details)


class Pair:
    """Store and model of one experiment. Every method raises Differs as soon as they do."""

    def __init__(self, store: Engine, model: ReferenceModel) -> None:
        self.store = store
        self.model = model

    def ask(self, request_id: str, count: int, worker: str, now_ms: int) -> AskAnswer | None:
        """The model's answer, None when the call was refused."""
        return self._both(lambda engine: engine.ask(request_id, count, worker, now_ms))

    def tell(self, request_id: str, results: list[Result], now_ms: int) -> TellAnswer | None:
        """The model's answer, None when the call was refused."""
        return self._both(lambda engine: engine.tell(request_id, results, now_ms))

    def heartbeat(self, leases: list[Lease], now_ms: int) -> list[LeaseStatus] | None:
        """The model's answer, None when the call was refused."""
        return self._both(lambda engine: engine.heartbeat(leases, now_ms))

    def release(self, request_id: str, releases: list[Release], now_ms: int) -> TellAnswer | None:
        """The model's answer, None when the call was refused."""
        return self._both(lambda engine: engine.release(request_id, releases, now_ms))

    def fail(
        self, request_id: str, lease: Lease, outcome: Outcome, message: str, now_ms: int
    ) -> tuple[Verdict, int] | None:
        """The model's answer, None when the call was refused."""
        return self._both(lambda engine: engine.fail(request_id, lease, outcome, message, now_ms))

    def set_state(self, state: ExperimentState) -> None:
        """Pause, resume or stop."""
        self._both(lambda engine: engine.set_state(state))

    def compare(self) -> None:
        """All that can be seen: the tally, every trial with its curve, the best."""
        _same("tally", plain(self.store.tally()), plain(self.model.tally()))
        numbers = list(range(self.model.tally().trials_created + 1))
        views = [plain(engine.trials(numbers, curve=True)) for engine in (self.store, self.model)]
        _same("trials", *views)
        _same("best", plain(self.store.best(BEST_SHOWN)), plain(self.model.best(BEST_SHOWN)))

    def _both(self, call: Callable[[Engine], Answer]) -> Answer | None:
        answers: list[Answer] = []

        def ask_model() -> Answer:
            answers.append(call(self.model))
            return answers[0]

        of_model = _outcome_of(ask_model)
        _same("answer", _outcome_of(lambda: call(self.store)), of_model)
        self.compare()
        return answers[0] if answers else None


def _same(what: str, of_store: object, of_model: object) -> None:
    if of_store != of_model:
        raise Differs(f"{what}\n  store: {of_store}\n  model: {of_model}")
