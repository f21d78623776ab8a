"""The commands of docs/operations.md print what the page says."""

import shutil
from pathlib import Path

import grpc
import pytest

from tests.support import console
from tests.support.calls import Calls, calls_to, config
from tests.support.redis_server import redis_on_socket
from tests.support.service import Service
from tests.support.waiting import wait_until

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
SECTIONS = console.sections(PAGE)

pytestmark = [
    pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")
    for program in ("bash", "jq")
]


def check(commands: list[console.Typed], folder: Path, **variables: str) -> None:
    outputs = console.printed([each.command for each in commands], folder, variables)
    wrong = [
        f"$ {each.command}\n{output}\nthe page has\n{each.output}"
        for each, output in zip(commands, outputs, strict=True)
        if not console.is_as_printed(each.output, output)
    ]
    assert not wrong, "\n".join(wrong)


def refused(calls: Calls, experiment: str, request_id: str) -> None:
    with pytest.raises(grpc.RpcError):
        calls.ask(experiment, request_id=request_id)


def story(calls: Calls) -> None:
    """What happened before the questions of the page are asked."""
    calls.create("digits", config(max_trials=18, lease_seconds=5))
    for number in range(17):
        (given,) = calls.ask("digits", worker="gpu-1").assignments
        calls.tell("digits", given.lease, (1, 1 - number / 100))
    assert calls.ask("digits", worker="gpu-3").assignments[0].lease.trial == 17
    again = calls.ask("digits", worker="gpu-7")

    def is_given() -> bool:
        nonlocal again
        again = calls.ask("digits", worker="gpu-7")
        return bool(again.assignments)

    wait_until(is_given)
    calls.tell("digits", again.assignments[0].lease, (1, 0.125))


def test_the_questions_to_the_log(tmp_path: Path) -> None:
    with redis_on_socket() as url:
        service = Service(tmp_path, ("--listen", "127.0.0.1:0", "--redis", url, "--log-level", "debug"))
        try:
            with calls_to(service.address) as calls:
                story(calls)
                refused(calls, "digit", "b5c7d9")
                refused(calls, "Digits", "c2")
                refused(calls, "Digits", "c3")
            (tmp_path / "rungway.log").symlink_to(tmp_path / "log")
            questions = SECTIONS["Logs: five questions"]
            assert len(questions) == 5
            check(questions, tmp_path, RUNGWAY_TARGET=service.address)
        finally:
            service.kill()
