"""These tests need the libraries that they train with: `make frameworks` runs them in an environment of its own."""

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from tests.frameworks import table
from tests.support.redis_server import redis_on_socket
from tests.support.service import services

collect_ignore_glob = [] if find_spec("torch") else ["test_*.py"]


@pytest.fixture(scope="session")
def target() -> Iterator[str]:
    """The address of a service for all of them."""
    with redis_on_socket() as url, services(url) as (service,):
        yield service.address


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What really ran, as a table. A test that failed says so in its row."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, ())]
    noted = [value for report in reports for name, value in report.user_properties if name == table.PROPERTY]
    if noted:
        terminalreporter.write_sep("=", "what each example was put through")
        terminalreporter.write_line(table.text(noted))
