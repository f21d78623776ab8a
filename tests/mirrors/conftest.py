"""These tests need the tools that they write to: `make mirrors` runs them in an environment of its own."""

import os
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from tests.support.redis_server import redis_on_socket
from tests.support.service import services

collect_ignore_glob = [] if find_spec("wandb") else ["test_*.py"]
# W&B reads its variables once in a process.
os.environ |= {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


@pytest.fixture(scope="session")
def target() -> Iterator[str]:
    """The address of a service for all of them."""
    with redis_on_socket() as url, services(url) as (service,):
        yield service.address
