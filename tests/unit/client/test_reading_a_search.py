"""Reading a whole search goes on after lost connections, and tells what cannot be read."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from rungway import AsyncClient, Client, ClientConfig, InternalError, NotFound, Unavailable
from rungway._data.search_data import ExportReader
from rungway.v1 import experiment_service_pb2 as service
from tests.unit.client.scripted import Abort, ScriptedServer, Stream

SEARCH = {
    "created_ms": 0,
    "config": {"searcher": {"metric": "loss"}},
    "plan": {"unit": "epochs", "brackets": [{"rungs": [[3, 0, 0, 0]]}]},
    "tally": {"state": "done"},
}
TRIAL = {
    **{"trial": 0, "hparams": {"lr": 0.5}, "state": "completed", "bracket": 0, "rung": 0, "length": 3},
    **{"best_length": 3, "checkpoint": "", "restarts": 0, "created": 1000, "worker": "w", "outcome": "", "message": ""},
    **{"parent": ["7", 0, 1], "metric": "nan", "best_metric": "", "curve": [[3, "nan"]], "of a later version": {}},
}
LINES: list[dict[str, Any]] = [
    {"rungway_export": 99, "experiment": "digits"},
    {"search": SEARCH},
    TRIAL,
    {"event": "1000-0", "kind": "assign", "trial": 0, "reason": "new_trial", "rung": -1, "worker": "w"},
    {"event": "1500-0", "kind": "stop", "trial": 0, "rung": 0, "worker": "w"},
    {"of a later version": 1},
    {"end": 6, "sha256": ""},
]
TEXT = "".join(f"{json.dumps(line)}\n" for line in LINES)


def test_rungs_are_those_that_a_trial_trained_towards() -> None:
    """And results are in the rungs that say so: one that entered above the lowest has none below."""
    events = [
        ("assign", "new_trial", 1, 1),
        ("pause", "not_promoted", 1, 1),
        ("assign", "promoted", 1, 2),
        ("retry", "retry", -1, 2),
        ("assign", "requeued", -1, 2),
        ("continue", "promoted", 2, 2),
        ("release", "preempted", -1, 2),
        ("assign", "requeued", -1, 3),
    ]
    lines: list[dict[str, Any]] = [*LINES[:2], TRIAL | {"entries": ["", "bf00", ""]}]
    lines += [
        {"event": f"{at + 1}-0", "kind": kind, "trial": 0, "reason": reason, "rung": rung, "worker": "w"}
        for at, (kind, reason, rung, _) in enumerate(events)
    ]
    reader = ExportReader(curves=False)
    reader.feed("".join(f"{json.dumps(line)}\n" for line in (*lines, LINES[-1])))
    (trial,) = reader.done().trials
    assert [span.rung for span in trial.spans] == [towards for kind, _, _, towards in events if kind == "assign"]
    assert [span.how for span in trial.spans] == ["pause", "retry", "release", ""]
    assert trial.results == {1}


def pieces(text: str, size: int = 50) -> list[service.ExportExperimentResponse]:
    return [service.ExportExperimentResponse(text=text[at : at + size]) for at in range(0, len(text), size)]


def by_client(config: ClientConfig) -> Any:
    with Client(config=config) as client:
        return client.to_dataframe(backend="polars")


def by_async_client(config: ClientConfig) -> Any:
    async def run() -> Any:
        async with AsyncClient(config=config) as client:
            return await client.to_dataframe(backend="polars")

    return asyncio.run(run())


@pytest.fixture(params=[by_client, by_async_client])
def read(request: pytest.FixtureRequest, config: ClientConfig) -> Callable[[], Any]:
    return lambda: request.param(config)


def test_a_broken_stream_is_begun_again(server: ScriptedServer, read: Callable[[], Any]) -> None:
    whole = pieces(TEXT)
    busy = Abort(grpc.StatusCode.RESOURCE_EXHAUSTED, reason="OVERLOADED", retry_after=0.01)
    broken = Stream((*whole[:5], Abort(grpc.StatusCode.UNAVAILABLE)))
    cut = Stream(tuple(whole[:-2]))
    server.on("ExportExperiment", Stream((busy,)), broken, cut, Stream(tuple(whole)))
    (row,) = read().iter_rows(named=True)
    assert len(server.requests("ExportExperiment")) == 4
    assert (row["number"], row["hparams.lr"], row["best"], row["parent"]) == (0, 0.5, None, 7)
    assert row["metric"] != row["metric"]
    assert (row["duration"], row["started"], row["created"]) == (0.5, row["created"], row["started"])


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (Stream((Abort(grpc.StatusCode.NOT_FOUND, "no such search"),)), NotFound, "no such search"),
        (Stream(tuple(pieces('{"trial": 1}\n'))), InternalError, "this client cannot read the data of the search"),
    ],
)
def test_what_waiting_does_not_help_is_raised_at_once(
    server: ScriptedServer, read: Callable[[], Any], answer: Stream, error: type[Exception], said: str
) -> None:
    server.on("ExportExperiment", answer)
    with pytest.raises(error, match=said):
        read()
    assert len(server.requests("ExportExperiment")) == 1


def test_it_gives_up_in_time(server: ScriptedServer, connect: Callable[..., Client]) -> None:
    server.on("ExportExperiment", Stream((Abort(grpc.StatusCode.UNAVAILABLE),)))
    with pytest.raises(Unavailable):
        connect(total_timeout=0.2).to_dataframe()
