"""A search from beginning to end with nothing but the client installed: run in each environment, against a service.

`python check.py TARGET …` exits 0 when all is as it should be. It runs on the oldest Python that the client does.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

import rungway
from rungway import AsyncClient, Client, Decision, Outcome, Result

CONFIG: dict[str, Any] = {
    "searcher": {
        "name": "async_halving",
        "metric": "loss",
        "max_trials": 6,
        "max_length": {"epochs": 4},
        "num_rungs": 2,
    },
    "hyperparameters": {"lr": {"type": "double", "minval": 0.1, "maxval": 1.0}},
}
RANDOM: dict[str, Any] = {
    **CONFIG,
    "searcher": {"name": "random", "metric": "loss", "max_trials": 3, "max_length": {"epochs": 4}},
}


def by_loop(address: str, name: str) -> None:
    """Every trial by `trials()`; one training ends itself, one raises."""
    with Client(address) as client:
        client.create_experiment(name, RANDOM)
    raised: list[int] = []
    with Client(address, experiment=name) as client:
        for trial in client.trials():
            with trial:
                for epoch in trial.lengths():
                    if trial.number == 1 and epoch > 1:
                        break
                    if trial.number == 2 and not raised:
                        raised.append(trial.number)
                        raise ValueError("once")
                    if not trial.report(epoch, trial.hparams["lr"] / epoch):
                        break
        best = client.best()
        assert best is not None
        assert best.metric is not None
        assert best.metric > 0
        trials = client.list_trials()
        assert [(trial.length, trial.outcome) for trial in trials] == [
            (4, None),
            (1, Outcome.FINISHED),
            (4, None),
        ], trials


def by_ask_and_tell(address: str, name: str) -> None:
    """The plain calls, and a lease that is kept while nothing is told."""
    with Client(address) as client:
        client.create_experiment(name, {**CONFIG, "lease_seconds": 3})
    with Client(address, experiment=name) as client:
        first, second = client.ask(), client.ask()
        assert first is not None
        assert second is not None
        time.sleep(4)  # longer than the lease: only a renewal keeps it
        reply = client.tell(first, 0.5, length=first.next_decision)
        assert reply.decision in (Decision.CONTINUE, Decision.PAUSE), reply
        client.fail(second, Outcome.ERROR, "broken")


async def by_asyncio(address: str, name: str) -> None:
    """The asyncio client, a stream and a call of many results."""
    async with AsyncClient(address, experiment=name) as client:
        events = client.watch_events()
        kinds = [(await events.__anext__()).kind for _ in range(3)]
        await events.aclose()
        assert len(kinds) == 3, kinds
        told = []
        for _ in range(2):
            assignment = await client.ask()
            assert assignment is not None
            told.append(Result(assignment, [rungway.Report(assignment.next_decision, 0.25)]))
        assert len(await client.tell_many(told)) == 2


def errors(address: str, name: str) -> None:
    """Refusals arrive typed, with the fields that are wrong."""
    with Client(address) as client:
        missing = refusal(lambda: client.get_experiment(name + "-missing"))
        assert isinstance(missing, rungway.NotFound), missing
        assert missing.reason == "EXPERIMENT_NOT_FOUND", missing.reason
        wrong = refusal(lambda: client.create_experiment(name, {"hyperparameters": {"a": {"type": "double"}}}))
        assert any("hyperparameters.a" in field for field, _ in wrong.violations), wrong.violations


def refusal(call: Callable[[], object]) -> Any:
    """The error that the call raises."""
    try:
        answer = call()
    except rungway.RungwayError as error:
        return error
    raise AssertionError(f"not refused: {answer}")


def main(*targets: str) -> None:
    """All of it with each target; the versions on the last line."""
    import google.protobuf
    import grpc

    versions = f"{sys.version.split()[0]} {google.protobuf.__version__} {grpc.__version__}"
    for number, target in enumerate(targets):
        name = f"check-{versions.replace(' ', '-').replace('.', '-')}-{number}"
        by_loop(target, name + "-loop")
        by_ask_and_tell(target, name + "-plain")
        asyncio.run(by_asyncio(target, name + "-plain"))
        errors(target, name)
    print(versions)


if __name__ == "__main__":
    main(*sys.argv[1:])
