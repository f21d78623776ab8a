"""Labels, owner and comment: on the command line, over HTTP, and in the SDK, against a real service."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from rungway import Client
from tests.support.command_line import run
from tests.support.redis_server import redis_on_socket
from tests.support.service import Service, services

CONFIG = "searcher: {name: random, metric: loss, max_trials: 4, max_length: 3}\nlabels: [x]\n"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with redis_on_socket() as url, services(url) as (service,):
        yield service


def names(target: str, *options: str) -> list[str]:
    found = json.loads(run(target, "list", *options, "--output", "json")[1])["experiments"]
    return [each["experiment"] for each in found]


def test_searches_are_found_by_what_was_written_beside_them(service: Service, tmp_path: Path) -> None:
    target, file = service.address, tmp_path / "search.yaml"
    file.write_text(CONFIG)
    said = ("--label", "team=vision", "--label", "kind=", "--owner", "zoë", "--comment", "a \x1b[31mtry")
    assert run(target, "create", str(file), "--name", "one", *said)[0] == 0
    code, out, _ = run(target, "create", str(file), "--name", "two", "--label", "team=audio", wide=True)
    assert (code, "note: labels are given beside" in out) == (0, True)
    assert run(target, "create", str(file), "--name", "three")[0] == 0
    assert names(target) == ["one", "two", "three"]
    assert names(target, "--label", "team") == ["one", "two"]
    assert names(target, "--label", "team=audio") == ["two"]
    assert names(target, "--label", "team=vision", "--label", "kind", "--owner", "zoë") == ["one"]
    assert run(target, "list", "--owner", "nobody")[1] == "no such experiments\n"
    status = run(target, "status", "one")[1]
    assert "owner: zoë\nlabels: kind team=vision\ncomment: a \\x1b[31mtry\n" in status
    table = run(target, "list", wide=True)[1]
    assert "zoë" in table
    assert "team=audio" in table
    again = run(target, "create", str(file), "--name", "one", "--exist-ok", "--owner", "me", "--output", "json")
    assert json.loads(again[1])["owner"] == "zoë"


def test_they_are_changed(service: Service, tmp_path: Path) -> None:
    target, file = service.address, tmp_path / "search.yaml"
    file.write_text(CONFIG)
    assert run(target, "create", str(file), "--name", "changed", "--label", "a=1", "--label", "b=2")[0] == 0
    more = ("--label", "c=x=y", "--remove-label", "a", "--owner", "me", "--max-trials", "9")
    code, out, _ = run(target, "update", "changed", *more)
    assert (code, out.splitlines()[1:]) == (0, ["owner: me", "labels: b=2 c=x=y"])
    found = json.loads(run(target, "update", "changed", "--owner", "", "--output", "json")[1])
    assert (found["owner"], found["labels"]) == ("", {"b": "2", "c": "x=y"})
    assert found["config"]["searcher"]["max_trials"] == 9
    assert run(target, "update", "changed")[0] == 2
    assert run(target, "update", "changed", "--label", "a")[0] == 2
    assert run(target, "update", "changed", "--label", "a=1", "--label", "a=2")[0] == 2
    code, _, err = run(target, "update", "changed", "--label", "a b=1")
    assert (code, 'labels["a b"]: got ' in err) == (1, True)


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_they_go_over_each_transport(service: Service, transport: str) -> None:
    name = f"over-{transport}"
    with Client(service.target(transport), experiment=name) as client:
        made = client.create_experiment(name, CONFIG, labels={"over": transport}, owner=name, comment="c")
        assert (made.labels, made.owner, made.comment) == ({"over": transport}, name, "c")
        (found,) = client.list_experiments(labels={"over": transport}, owner=name)
        assert (found.experiment, found.labels, found.comment) == (name, {"over": transport}, "")
        assert client.update_experiment(labels={"over": None}).labels == {}
        assert client.list_experiments(labels={"over": transport}) == []
        assert client.get_experiment().owner == name
    message = quote(json.dumps({"owner": name}))
    url = f"http://{service.http}/rungway.v1.ExperimentService/ListExperiments?encoding=json&message={message}"
    with urllib.request.urlopen(url) as reply:
        assert [each["experiment"] for each in json.load(reply)["experiments"]] == [name]
