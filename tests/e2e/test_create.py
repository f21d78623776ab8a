"""Creating a search that may be there: from a mapping, a file or a text, by both clients, over both transports."""

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from rungway import AlreadyExists, AsyncClient, Client, ConfigDiffers, Experiment, InvalidArgument
from tests.support.calls import unique_name
from tests.support.command_line import run
from tests.support.redis_server import redis_on_socket
from tests.support.service import TRANSPORTS, Service, services

TEXT = """\
name: digits
hyperparameters:
  group: {"weight.decay": {type: double, minval: 0, maxval: 1}, layers: {type: int, minval: 1, maxval: 4}}
searcher: {name: random, metric: loss, max_trials: 12, max_length: {epochs: 9}}
seed: 3
"""
CONFIG: dict[str, Any] = {
    "name": "digits",
    "hyperparameters": {
        "group": {
            "weight.decay": {"type": "double", "minval": 0.0, "maxval": 1.0},
            "layers": {"type": "int", "minval": 1, "maxval": 4},
        }
    },
    "searcher": {"name": "random", "metric": "loss", "max_trials": 12, "max_length": 9, "unit": "epochs"},
    "seed": 3,
    "max_restarts": 5,  # the default
}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with redis_on_socket() as url, services(url) as (service,):
        yield service


Create = Callable[..., Experiment]


@pytest.fixture(params=[(client, way) for client in ("sync", "async") for way in TRANSPORTS], ids="-".join)
def create(request: pytest.FixtureRequest, service: Service) -> Create:
    client, way = request.param
    target = service.target(way)

    def by_client(*args: Any, **options: Any) -> Experiment:
        with Client(target) as made:
            return made.create_experiment(*args, **options)

    def by_async_client(*args: Any, **options: Any) -> Experiment:
        async def call() -> Experiment:
            async with AsyncClient(target) as made:
                return await made.create_experiment(*args, **options)

        return asyncio.run(call())

    return by_client if client == "sync" else by_async_client


def test_a_file_a_text_and_a_mapping_are_the_same_search(create: Create, tmp_path: Path) -> None:
    name, file = unique_name("same"), tmp_path / "search.yaml"
    file.write_text(TEXT)
    first = create(name, file, exist_ok=True)
    assert (first.existed, first.config["seed"], first.plan.unit if first.plan else "") == (False, 3, "epochs")
    in_json = json.dumps(CONFIG)
    for config in (str(file), TEXT, in_json, CONFIG):
        again = create(name, config, exist_ok=True)
        assert (again.existed, again.create_time) == (True, first.create_time)
    with pytest.raises(AlreadyExists) as refused:
        create(name, file)
    assert (type(refused.value), refused.value.reason) == (AlreadyExists, "EXPERIMENT_EXISTS")


def test_another_configuration_is_refused_field_by_field(create: Create) -> None:
    name = unique_name("other")
    create(name, TEXT)
    given = TEXT.replace("max_trials: 12", "max_trials: 20").replace("seed: 3", "lease_seconds: 30")
    given = given.replace("maxval: 1}", "maxval: 2}").replace("layers: {type: int, ", "depth: {type: int, ")
    with pytest.raises(ConfigDiffers) as refused:
        create(name, given, exist_ok=True)
    assert refused.value.reason == "CONFIG_DIFFERS"
    assert refused.value.details == {"experiment": name}
    layers = "{'maxval': 4, 'minval': 1, 'type': 'int'}"
    assert sorted(refused.value.differences) == [
        ("hyperparameters.group.`weight.decay`.maxval", "stored 1.0, given 2.0"),
        ("hyperparameters.group.depth", f"stored none, given {layers}"),
        ("hyperparameters.group.layers", f"stored {layers}, given none"),
        ("lease_seconds", "stored 60.0, given 30.0"),
        ("searcher.max_trials", "stored 12, given 20"),
        ("seed", "stored 3, given 0"),
    ]
    assert "searcher.max_trials: stored 12, given 20" in str(refused.value)


def test_auto_from_before_models_proposed_by_default_goes_on(create: Create) -> None:
    def given(**more: object) -> dict[str, Any]:
        return {**CONFIG, "searcher": {**CONFIG["searcher"], "name": "auto", **more}}

    name = unique_name("older")
    create(name, given(proposals="random"))
    assert create(name, given(), exist_ok=True).existed
    for other in ("forest", "mixture"):
        with pytest.raises(ConfigDiffers) as refused:
            create(name, given(proposals=other), exist_ok=True)
        assert refused.value.differences == [("searcher.proposals", f"stored none, given '{other}'")]
    with pytest.raises(ConfigDiffers):
        create(name, given(max_trials=13), exist_ok=True)


def test_a_changed_search_differs_by_its_change(create: Create, service: Service) -> None:
    name = unique_name("changed")
    create(name, TEXT)
    with Client(service.address, experiment=name) as client:
        client.update_experiment(max_trials=15)
    with pytest.raises(ConfigDiffers) as refused:
        create(name, TEXT, exist_ok=True)
    assert refused.value.differences == [("searcher.max_trials", "stored 15, given 12")]


def test_many_at_once_make_one_search(service: Service) -> None:
    name = unique_name("many")
    with ThreadPoolExecutor(16) as pool, Client(service.address) as client:
        made = list(pool.map(lambda _: client.create_experiment(name, CONFIG, exist_ok=True), range(32)))
    assert sorted(each.existed for each in made) == [False, *[True] * 31]
    assert len({each.create_time for each in made}) == 1


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("no/such/file.yaml", "config: got 'no/such/file.yaml', a file that cannot be read: No such file or directory"),
        (17, "config: got int, wanted a mapping, the path of a file, or a text in YAML or JSON"),
        ("a: 1\nb: ]\n", "config_text: line 2, column 4: "),
        ("{}", "searcher: missing"),
        ("a: \ud800\n", "config: got"),
        ("method: grid\nparameters: {lr: {values: [1]}}\n", "config: this is a sweep of W&B: `rungway convert FILE`"),
        ("import optuna\nx = 1\n", "config_text: this is a Python file with a space of Optuna"),
    ],
)
def test_what_cannot_be_read_is_named(create: Create, config: Any, said: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        create(unique_name("bad"), config)
    assert said in str(refused.value)


def test_files_that_are_no_text_are_named(create: Create, tmp_path: Path) -> None:
    empty, binary, large = tmp_path / "empty.yaml", tmp_path / "binary.yaml", tmp_path / "large.yaml"
    empty.write_text("\n")
    binary.write_bytes(b"\xff\xfe")
    large.write_text(" " * (1 << 20) + "a: 1")
    for file, said in ((empty, "is empty"), (binary, "cannot be read: 'utf-8'"), (large, "more than 1,048,576")):
        with pytest.raises(InvalidArgument, match=said):
            create(unique_name("bad"), file)


def test_preview_takes_a_file_and_a_text(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "search.yaml"
    file.write_text(TEXT)
    with Client(service.address) as client:
        previews = [client.preview(config) for config in (file, TEXT, CONFIG)]
    assert {preview.total_length for preview in previews} == {12 * 9}


def test_a_request_has_one_configuration(service: Service) -> None:
    request = {"experiment": unique_name("two"), "configText": TEXT, "config": CONFIG}
    for rpc in ("CreateExperiment", "PreviewSearch"):
        sent = request if rpc == "CreateExperiment" else {key: request[key] for key in ("configText", "config")}
        reply = httpx.post(f"http://{service.http}/rungway.v1.ExperimentService/{rpc}", json=sent)
        assert reply.status_code == 400
        assert "config_text: given together with config, wanted one of them" in reply.text


def test_the_command(service: Service, tmp_path: Path) -> None:
    name, file = unique_name("command"), tmp_path / "search.yaml"
    file.write_text(TEXT)
    command = ("create", str(file), "--name", name, "--exist-ok")
    assert f"created {name}" in run(service.address, *command)[1]
    code, out, _ = run(service.address, *command)
    assert (code, out.splitlines()[0]) == (0, f"{name} is there already, with this configuration")
    assert json.loads(run(service.address, *command, "--output", "json")[1])["existed"] is True
    file.write_text(TEXT.replace("seed: 3", "seed: 4"))
    code, out, err = run(service.address, *command)
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        f"error: {name} is there with another configuration",
        "  seed: stored 3, given 4",
        "  create another with `--name OTHER`",
    ]


def test_a_part_is_enqueued_and_what_was_filled_in_is_shown(service: Service, tmp_path: Path) -> None:
    name, file = unique_name("part"), tmp_path / "search.yaml"
    file.write_text(TEXT)
    run(service.address, "create", str(file), "--name", name)
    code, out, _ = run(service.address, "enqueue", name, "--set", "group.layers=2", wide=True)
    assert code == 0
    first, filled = out.splitlines()
    assert first == f"enqueued in {name}: the next new trial takes it"
    assert filled.startswith("filled in: group.`weight.decay`=0.")
    with Client(service.address, experiment=name) as client:
        enqueued = client.enqueue_trial({"group": {"layers": 3}})
        assert (enqueued, enqueued.hparams["group"]["layers"]) == (1, 3)
        given = client.ask_once(2).assignments
    assert given[1].hparams == enqueued.hparams
    printed = json.loads(run(service.address, "enqueue", name, "--set", "group.layers=4", "--output", "json")[1])
    assert printed["hparams"]["group"].keys() == {"layers", "weight.decay"}


def test_a_known_result_is_a_finished_trial(service: Service, tmp_path: Path) -> None:
    """By both clients, over both transports, and by the command line."""
    name = unique_name()
    hparams = {"group": {"weight.decay": 0.5, "layers": 2}}

    async def by_async_client() -> int | None:
        async with AsyncClient(service.target("http")) as client:
            return (await client.enqueue_trial(hparams, metric=0.5, length=9, experiment=name)).trial

    with Client(service.target("grpc"), experiment=name) as client:
        client.create_experiment(name, CONFIG)
        assert client.enqueue_trial(hparams, metric=0.25, length=9).trial == 0
        assert client.enqueue_trial(hparams).trial is None
        assert asyncio.run(by_async_client()) == 1
        path = tmp_path / "own.json"
        path.write_text(json.dumps(hparams))
        arguments = ("enqueue", name, str(path), "--metric", "0.75", "--length", "9")
        assert run(service.address, *arguments)[:2] == (0, f"trial 2 of {name} is finished, with this result\n")
        printed = json.loads(run(service.address, *arguments, "--output", "json")[1])
        assert (printed["trial"], printed["position"]) == (3, 0)
        assert [trial.trial for trial in client.best(9)] == [0, 1, 2, 3]
        explained = " ".join(run(service.address, "explain", name, "0", wide=True)[1].split())
        assert "finished its training has ended, its last result counts" in explained
        assert client.to_dataframe()["length"].tolist() == [9, 9, 9, 9]
        assert run(service.address, "trials", name)[0] == run(service.address, "status", name)[0] == 0
        with pytest.raises(InvalidArgument, match="wanted both metric and length"):
            client.enqueue_trial(hparams, metric=0.5)
        with pytest.raises(InvalidArgument, match=r"result\.length: got 3, wanted the length of a rung: 9 epochs"):
            client.enqueue_trial(hparams, metric=0.5, length=3)
        assert run(service.address, *arguments[:-2])[0] != 0
