"""The image that `make image-test` built, and containers of it that are removed at the end."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from scripts.image.engine import Engine, find_engine
from tests.image.containers import Container, Containers


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Nothing here is for `make test`: there is no image."""
    return None if config.getoption("--image") else True


@pytest.fixture(scope="session")
def engine() -> Engine:
    return find_engine()


@pytest.fixture(scope="session")
def image(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--image"))


@pytest.fixture
def containers(engine: Engine, image: str) -> Iterator[Containers]:
    with ExitStack() as stack:
        yield Containers(engine, image, stack)


@pytest.fixture
def serving(containers: Containers) -> Callable[..., Container]:
    """Starts a container that serves, and waits until it says so."""

    def start(*flags: str, words: tuple[str, ...] = ()) -> Container:
        container = containers.start(*flags, words=words)
        container.wait_ready()
        return container

    return start
