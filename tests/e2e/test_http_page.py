"""The commands of docs/http.md print what the page says, typed one after the other in one shell; that of the README,
too, asks."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.test_secure import Files, make_token
from tests.support import console
from tests.support.redis_server import redis_on_socket
from tests.support.service import Service, services

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "http.md"
SECTIONS = console.sections(PAGE)
ENCRYPTED = SECTIONS.pop("Tokens, namespaces, TLS")
PLAIN = [typed for section in SECTIONS.values() for typed in section]

pytestmark = [
    pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")
    for program in ("bash", "curl", "jq")
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A Redis without anything in it."""
    with redis_on_socket() as found:
        yield found


def check(commands: list[console.Typed], service: Service, folder: Path, **variables: str) -> None:
    port = service.http.rpartition(":")[2]
    typed = [each.command.replace("7078", port) for each in commands]
    wrong = [
        f"$ {each.command}\n{output}\nthe page has\n{each.output}"
        for each, output in zip(commands, console.printed(typed, folder, variables), strict=True)
        if not console.is_as_printed(each.output, output)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_plain_commands(url: str, tmp_path: Path) -> None:
    assert len(PLAIN) > 25
    with services(url) as (service,):
        check(PLAIN, service, tmp_path)
        (line,) = re.findall(r"^    (curl .*)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
        (output,) = console.printed([line.replace("localhost:7078", service.http)], tmp_path, {})
        assert '{"status":"ASK_STATUS_DONE"' in output


def test_the_commands_with_tls_and_tokens(url: str, tmp_path: Path) -> None:
    token = make_token(url, "--namespace", "vision", "--role", "read")
    with services(url, 1, "--tokens", *Files(tmp_path).flags) as (service,):
        check(ENCRYPTED, service, tmp_path, RUNGWAY_TOKEN=token)


def test_another_output_is_noticed() -> None:
    assert console.is_as_printed('{"fence":1795969470308923} at …', '{"fence":1795969470308924} at noon\n')
    assert not console.is_as_printed('{"fence":1795969470308923}', '{"fence":17959694703089}')
    assert not console.is_as_printed("DECISION_PAUSE", "DECISION_STOP")
    assert not console.is_as_printed("", "curl: (7) Failed to connect")
