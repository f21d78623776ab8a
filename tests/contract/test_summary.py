"""The summary of a search: every client shows the same lines."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from rungway import AsyncClient, Client, InvalidArgument
from rungway.v1 import experiment_service_pb2 as pb
from rungway.values import to_map
from tests.support.calls import SECONDS, Calls, unique_name
from tests.support.command_line import run
from tests.support.service import Service

DOCUMENT = {
    "hyperparameters": {
        "lr": {"type": "log", "base": 10, "minval": 1e-4, "maxval": 1},
        "layers": {"type": "int", "minval": 1, "maxval": 4},
        "batch": 64,
    },
    "searcher": {
        "name": "async_halving", "metric": "acc", "max_trials": 5, "max_length": {"epochs": 9}, "divisor": 3,
        "num_rungs": 3,
    },
}  # fmt: skip
SUMMARY = [
    "metric: acc, smaller is better",
    "hyperparameters: 2 searched, 1 constant",
    "batch: const, 64",
    "layers: int, 1 to 4",
    "lr: log, 1.0002 to 10",
]
NOTES = ("a metric named 'acc'", "no trial can reach the top rung")


def holds(notes: Sequence[str]) -> bool:
    """Whether exactly these notes are shown for the searcher."""
    said = [note for note in notes if note.startswith("searcher")]
    return len(said) == len(NOTES) and all(part in note for part, note in zip(NOTES, said, strict=True))


def test_on_the_wire(calls: Calls) -> None:
    name, document = unique_name("said"), to_map(DOCUMENT)
    seen = calls.experiments.PreviewSearch(pb.PreviewSearchRequest(config=document), timeout=SECONDS).preview
    made = calls.experiments.CreateExperiment(
        pb.CreateExperimentRequest(experiment=name, config=document), timeout=SECONDS
    ).experiment
    read = calls.experiments.GetExperiment(pb.GetExperimentRequest(experiment=name), timeout=SECONDS).experiment
    for each in (seen, made, read):
        assert list(each.summary) == SUMMARY
        assert holds(each.notes)


async def test_in_both_clients_of_python(service: Service) -> None:
    with Client(service.address) as client:
        seen, made = client.preview(DOCUMENT), client.create_experiment(unique_name("said"), DOCUMENT)
        assert list(seen.summary) == list(made.summary) == SUMMARY
        assert holds(seen.notes)
        assert holds(made.notes)
    async with AsyncClient(service.address) as client:
        assert list((await client.preview(DOCUMENT)).summary) == SUMMARY
        assert list((await client.create_experiment(unique_name("said"), DOCUMENT)).summary) == SUMMARY


def test_on_the_command_line(service: Service, tmp_path: Path) -> None:
    file = tmp_path / f"{unique_name('said')}.json"
    file.write_text(json.dumps(DOCUMENT))
    for command in ("preview", "create"):
        code, out, _ = run(service.address, command, str(file), wide=True)
        assert code == 0
        assert "\n".join(SUMMARY) + "\n" in out
        assert "note: searcher: no trial can reach the top rung, 9 epochs" in " ".join(out.split())
        file.rename(file := tmp_path / f"{unique_name('said')}.json")
        document = json.loads(run(service.address, command, str(file), "--output", "json")[1])
        assert document["summary"] == SUMMARY
        assert holds(document["notes"])


def test_notes_go_with_the_plan(service: Service) -> None:
    """A change that lets trials reach the top removes the note; one that does not restores it."""
    with Client(service.address, experiment=unique_name("said")) as client:
        client.create_experiment(str(client.config.experiment), DOCUMENT)
        for trials, most in ((9, 1), (12, 1), (8, 2), (9, 1)):
            said = client.update_experiment(max_trials=trials).notes
            notes = [note for note in said if note.startswith("searcher")]
            assert (len(notes), "a metric named 'acc'" in notes[0]) == (most, True)
        assert "of 8 trials" in client.update_experiment(max_trials=8, max_concurrent_trials=3).notes[-1]
        assert holds(client.update_experiment(retention_days=1).notes)
        assert holds(client.get_experiment().notes)


@pytest.mark.parametrize(("name", "made"), [("my_net", "my-net"), ("My Net", "my-net"), ("a/b.c_", "a-b-c")])
def test_wherever_an_id_is_refused_the_right_one_is_named(
    name: str, made: str, service: Service, tmp_path: Path
) -> None:
    target = service.address
    with Client(target, experiment=name) as client:
        for refused in (
            lambda: client.create_experiment(name, DOCUMENT),
            lambda: client.create_experiment("other", DOCUMENT, warm_start_from=name),
            client.get_experiment,
            client.ask,
            client.best,
        ):
            with pytest.raises(InvalidArgument, match=f"'{made}' would be right"):
                refused()
    file = tmp_path / "search.json"
    file.write_text(json.dumps(DOCUMENT))
    for arguments in (("create", str(file), "--name", name), ("status", name), ("watch", name), ("delete", name, "-y")):
        code, _, err = run(target, *arguments)
        assert (code, f"'{made}' would be right" in err) == (1, True)


@pytest.mark.parametrize(("name", "made"), [("my_net", "my-net"), ("Réseau 7", "reseau-7"), ("plain", "plain")])
def test_a_file_may_have_any_name(name: str, made: str, service: Service, tmp_path: Path) -> None:
    """Its id is the one that the refusals name."""
    token = unique_name("x")
    file = tmp_path / "search.json"
    file.write_text(json.dumps(DOCUMENT | {"name": f"{name}_{token}"}))
    code, out, _ = run(service.address, "create", str(file), wide=True)
    assert (code, out.splitlines()[0]) == (0, f"created {made}-{token}, the id made of '{name}_{token}'")
    assert run(service.address, "status", f"{made}-{token}")[0] == 0
