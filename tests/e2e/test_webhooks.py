"""Webhooks of real services to real receivers: which fail, hang and come back, while servers are killed."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

from rungway import Client, Outcome
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect
from rungway_server.webhooks.signing import key_text, read_secret
from tests.support import scraped
from tests.support.calls import config, unique_name
from tests.support.command_line import run
from tests.support.receiver import Received, receiver
from tests.support.redis_server import redis_on_socket
from tests.support.searches import ask_for, create_planned, plan, tell_one
from tests.support.service import Service, services
from tests.support.waiting import SECONDS, wait_until

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ENVIRONMENT = {"RUNGWAY_WEBHOOK_SECRET": SECRET}
PAGE = Path(__file__).parents[2] / "docs" / "notifications.md"


def train(client: Client, *metrics: float, trials: int = 0, **about: object) -> str:
    """A new search of so many trials, of which each of these metrics ended one."""
    name = unique_name("hook")
    document = config(max_trials=trials or len(metrics)) | {"pause_after_failures": 1}
    client.create_experiment(name, document, **about)  # type: ignore[arg-type]  # labels and owner
    for metric in metrics:
        tell(client.config.target, name, metric)
    return name


def tell(target: str, name: str, metric: float) -> None:
    with Client(target, experiment=name) as worker:
        given = worker.ask()
        assert given
        worker.tell(given, metric)


def is_signed(received: Received, url: str) -> bool:
    """By the scheme of the specification, written once more."""
    key = base64.b64decode(key_text(read_secret(SECRET), url).removeprefix("whsec_"))
    signed = f"{received.id}.{received.headers['webhook-timestamp']}.".encode() + received.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return received.headers["webhook-signature"] == f"v1,{expected}"


def test_every_kind_of_news_is_told_once_and_signed() -> None:
    with redis_on_socket() as url, receiver(0, 500, 302) as every, receiver() as one:
        flags = ("--webhook", every.url, "--webhook", f"vision={one.url}")
        with services(url, 1, *flags, environment=ENVIRONMENT) as (service,), Client(service.address) as client:
            done = train(client, 0.5, labels={"team": "vision"}, owner="zoë")
            told = every.waits_for("experiment.done")
            assert told.data["best"] == {"trial": 0, "metric": 0.5, "length": 1}
            assert (told.data["experiment"], told.data["state"], told.data["progress"]) == (done, "done", 1)
            assert (told.data["labels"], told.data["owner"]) == ({"team": "vision"}, "zoë")
            assert told.data["trials"] == {"started": 1, "completed": 1}
            train(client, float("nan"))
            client.stop_experiment(train(client, trials=2))
            failing = train(client, trials=2)
            with Client(service.address, experiment=failing) as worker:
                given = worker.ask()
                assert given
                worker.fail(given, Outcome.ERROR, "no data")
            assert every.waits_for("experiment.paused").data["message"] == "no data"
            every.waits_for("experiment.failed")
            every.waits_for("experiment.stopped")
            assert len({each.id for each in every.received}) == len(every.taken())
            assert all(is_signed(each, every.url) for each in every.received)
            assert not one.received
            refused = [each.status for each in every.received if each.status != 200]
            assert refused == [500, 302]
            lines = service.lines("webhook_failed")
            assert [line["why"] for line in lines] == ["status 500", "status 302"]
            metrics = scraped.page(service.http)
            assert 'rungway_webhooks_total{outcome="failed"} 2.0' in metrics
            assert f'rungway_webhooks_total{{outcome="delivered"}} {len(every.taken())}.0' in metrics


def sender_of(running: list[Service]) -> Service:
    """The service that sends now."""
    wait_until(lambda: any(each.lines("webhooks_sender") for each in running))
    (sender,) = (each for each in running if each.lines("webhooks_sender"))
    return sender


def test_nothing_is_lost_when_the_sender_is_killed_and_the_receiver_is_away() -> None:
    with redis_on_socket() as url:
        with receiver() as away:
            port, address = away.port, away.url
        with services(url, 2, "--webhook", address, environment=ENVIRONMENT) as running:
            sender = sender_of(running)
            (other,) = (each for each in running if each is not sender)
            with Client(other.address) as client:
                names = [train(client, 0.5), train(client, 0.25)]
                wait_until(lambda: sender.lines("webhook_failed"))  # found, and kept
                sender.kill()
                names.append(train(client, 0.125))
                with receiver(port) as back:
                    wait_until(lambda: {each.data["experiment"] for each in back.taken("experiment.done")} == {*names})
                    by_id = {each.id: each.body for each in back.taken()}
                    assert all(by_id[each.id] == each.body for each in back.taken())
                    assert len({each.id for each in back.taken("experiment.done")}) == 3
                    failed = {line["webhook_id"] for line in sender.lines("webhook_failed")}
                    assert failed <= by_id.keys()


def test_a_receiver_that_hangs_holds_up_nobody() -> None:
    with redis_on_socket() as url, receiver(0, *[0] * 9) as stuck, receiver() as well:
        flags = ("--webhook", stuck.url, "--webhook", well.url)
        with services(url, 1, *flags, environment=ENVIRONMENT) as (service,), Client(service.address) as client:
            first = train(client, 0.5)
            wait_until(lambda: stuck.received)
            second = train(client, 0.5)
            wait_until(lambda: {first, second} <= {each.data["experiment"] for each in well.taken("experiment.done")})
            assert len(stuck.received) == 1
            assert service.terminate() == 0


async def end_a_search(url: str) -> None:
    """Before there are webhooks."""
    async with connect(url, timeout_seconds=5) as router:
        store, ref = RedisStore(router), ExperimentRef("default", "past")
        await create_planned(store, ref, plan((1,), trials=1))
        (given,) = await ask_for(store, ref)
        await tell_one(store, ref, given.lease, 1, 0.5)


def test_a_new_best_is_told_once_a_minute_and_nothing_of_before() -> None:
    with redis_on_socket() as url, receiver(0, 410) as found:
        asyncio.run(end_a_search(url))
        flags = ("--webhook", found.url)
        with services(url, 1, *flags, environment=ENVIRONMENT) as (service,), Client(service.address) as client:
            names = [train(client, 0.5)]
            wait_until(lambda: service.lines("webhook_dropped"))
            names.append(name := train(client, 0.5, trials=3))
            found.waits_for("experiment.new_best")
            tell(service.address, name, 0.25)
            tell(service.address, name, 0.125)
            wait_until(lambda: name in [each.data["experiment"] for each in found.taken("experiment.done")])
            (best,) = [each for each in found.taken("experiment.new_best") if each.data["experiment"] == name]
            assert best.data["best"]["metric"] == 0.5
            assert found.taken("experiment.done")[-1].data["best"]["metric"] == 0.125
            assert {each.data["experiment"] for each in found.received} <= {*names}
            assert len([each for each in found.received if each.status == 410]) == 1


def test_the_commands(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(run("", "webhook", "secret")[1])
    with receiver(0, 200, 503) as found:
        code, out, _ = run("", "webhook", "test", found.url, "--secret-file", str(file))
        assert (code, out) == (0, f"http://127.0.0.1:{found.port} took the message\n")
        assert found.taken("test")[0].headers["content-type"] == "application/json"
        assert run("", "webhook", "test", found.url, "--secret-file", str(file))[0] == 1
        printed = run("", "webhook", "key", found.url, env=ENVIRONMENT)[1].strip()
        assert printed == key_text(read_secret(SECRET), found.url)
    code, _, err = run("", "webhook", "test", found.url, env=ENVIRONMENT)
    assert (code, "http://127.0.0.1" in err) == (3, True)
    from_variable = run("", "webhook", "key", found.url, env={"RUNGWAY_WEBHOOK_SECRET_FILE": str(file)})
    assert from_variable == run("", "webhook", "key", found.url, "--secret-file", str(file))
    code, _, err = run("", "webhook", "key", found.url)
    assert (code, "wanted RUNGWAY_WEBHOOK_SECRET, or --secret-file" in " ".join(err.split())) == (2, True)
    assert run("", "webhook", "key", "nowhere", env=ENVIRONMENT)[0] == 2


def test_a_failure_says_no_more_of_an_answer_than_its_beginning() -> None:
    def answer() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(b"\xff\x1b" * 20_000 + b"\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/hook"
        code, _, err = run("", "webhook", "test", url, env=ENVIRONMENT)
        thread.join()
    assert (code, "RemoteProtocolError" in err, len(err) < 300) == (3, True, True)


def test_the_receiver_of_the_page_takes_what_is_signed(tmp_path: Path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    with receiver() as found:
        assert run("", "webhook", "test", found.url, env=ENVIRONMENT)[0] == 0
        (told,) = found.received
    calls = {
        "good": (told.headers, told.body),
        "changed": (told.headers, told.body + b" "),
        "old": (told.headers | {"webhook-timestamp": str(int(told.headers["webhook-timestamp"]) - 301)}, told.body),
    }
    script = tmp_path / "receiver.py"
    script.write_text(f"{code}\nimport json\nkey = {key_text(read_secret(SECRET), found.url)!r}\n")
    for name, (headers, body) in calls.items():
        with script.open("a") as more:
            more.write(f"print({name!r}, is_genuine({json.dumps(headers)}, {body!r}, key))\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=SECONDS, check=True)
    assert done.stdout.splitlines() == ["good True", "changed False", "old False"]
