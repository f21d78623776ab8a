"""The client with the oldest packages that it supports, on this Python; `make clients` runs all combinations."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.__main__ import Environment, NotToBeHad, build_wheel, check, make, oldest, protobuf_5
from tests.support.service import Service, services

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def service(redis_url: str) -> Iterator[Service]:
    with services(redis_url) as (running,):
        yield running


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [oldest(PYTHON), pytest.param(protobuf_5(PYTHON), marks=pytest.mark.long)],
    ids=lambda each: each.name,
)
def test_a_search_with_the_client_alone(
    environment: Environment, wheel: Path, tmp_path: Path, service: Service
) -> None:
    try:
        python = make(environment, wheel, tmp_path)
    except NotToBeHad as why:
        pytest.skip(str(why))
    python_version, protobuf, grpcio = check(python, environment, service).split()
    assert python_version.startswith(PYTHON)
    pinned = dict(each.split("==") for each in environment.packages)
    assert protobuf.startswith(pinned["protobuf"].rstrip("*"))
    assert grpcio.startswith(pinned.get("grpcio", ""))
